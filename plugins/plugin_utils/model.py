# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the user wrote in, a typed site or all problems at once out.

The rules of this file:

* It reads no file, opens no socket and knows no Ansible: data in, data out.
* It never stops at the first problem. Every parser raises ``Wrong``; the caller notes it and goes on.
* A problem is one sentence: which variable (and host), what is wrong, what would be right.
* The services and their defaults do not stand here: the caller passes them (``roles/infinitt/vars``).
* Strings are as good as numbers (a Tower survey sends strings), and an empty string is "not set".
"""

from __future__ import annotations

import difflib
import hashlib
import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from ansible_collections.pacs.loadbalancer.plugins.module_utils._dicom.items import (
    CALLED_AE,
    CALLING_AE,
    check_ae_title,
)

try:
    import netaddr
except ImportError:  # the filter says so in a sentence
    netaddr = None

GROUP = "loadbalancers"  # the inventory's group of hosts that run HAProxy and Keepalived
HIGHEST_PRIORITY = 254  # 255 is the address owner's alone (RFC 9568, 5.2.4)
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
PATH = re.compile(r"/[A-Za-z0-9_.~!$&()*+,;=:@%/?-]{0,255}")
HOST = re.compile(r"[A-Za-z0-9_.-]{1,253}(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](:[0-9]{1,5})?")
STATUS = re.compile(r"[1-5][0-9][0-9](-[1-5][0-9][0-9])?(,[1-5][0-9][0-9](-[1-5][0-9][0-9])?)*")
SECRET = re.compile(r"[!-&(-~]{1,128}")
DURATION = re.compile(r"([0-9]{1,8})\s*([smhd]?)")
SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


class Wrong(ValueError):
    """A value is not usable. ``wrong`` and ``right`` are the two halves of the sentence."""

    def __init__(self, wrong: str, right: str) -> None:
        super().__init__(wrong)
        self.wrong = wrong
        self.right = right


@dataclass(frozen=True)
class Node:
    """A PACS server as one service sees it; ``id`` and ``cookie`` follow from its name, wherever it stands in a list."""

    name: str
    address: str
    port: int
    id: int
    cookie: str
    weight: int | None = None
    backup: bool = False
    max_connections: int | None = None


@dataclass(frozen=True)
class Service:
    """A virtual service with nothing left to decide. ``persist_for`` and ``timeout`` are seconds."""

    name: str
    mode: str
    address: str
    port: int
    check: str
    check_path: str
    check_host: str
    check_status: str
    called_ae: str
    calling_ae: str
    persistence: str
    persist_for: int | None
    timeout: int
    nodes: list[Node]
    affinity: str | None = None
    layer: int = 7


@dataclass(frozen=True)
class Vip:
    """A virtual IP on the interface of one host."""

    address: str
    prefix: int
    interface: str


@dataclass(frozen=True)
class Mirror:
    """One end of the mirror of forwarded connections, and the other's address. Empty where there is none."""

    address: str = ""
    interface: str = ""
    peer: str = ""


@dataclass(frozen=True)
class Host:
    """What one load balancer is told. ``peers`` are the other load balancers, reached or not.

    ``unmirrored``: addresses and networks whose connections are the hosts' own.
    """

    name: str
    address: str
    interface: str
    priority: int
    vips: list[Vip]
    peers: list[dict[str, str]]
    gateway: str | None
    ports: list[dict[str, Any]]
    mirror: Mirror
    unmirrored: list[str]


@dataclass
class Site:
    """The whole site, or the reasons why there is none (``problems``, one sentence each)."""

    problems: list[str] = field(default_factory=list)
    services: list[Service] = field(default_factory=list)
    hosts: dict[str, Host] = field(default_factory=dict)
    peers: list[dict[str, str]] = field(default_factory=list)
    router_id: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Plain data for the templates, with the questions that the backend check asks on the nodes and on the VIPs."""
        plain = asdict(self)
        for service in plain["services"]:
            del service["layer"]  # HAProxy has a service either way
        return {
            **plain,
            "layer4_services": [
                {
                    **{key: getattr(service, key) for key in ("name", "address", "port")},
                    "nodes": [
                        {key: getattr(node, key) for key in ("name", "address", "port", "weight", "backup")}
                        for node in service.nodes
                    ],
                }
                for service in self.services
                if service.layer == 4
            ],
            "source_ports": _source_ports(self.services),
            "node_checks": [
                {
                    **_question(service),
                    "port": service.nodes[0].port,
                    "nodes": [{"name": node.name, "address": node.address} for node in service.nodes],
                }
                for service in self.services
                if service.nodes
            ],
            "vip_checks": [
                {**_question(service), "port": service.port, "nodes": [{"name": "VIP", "address": service.address}]}
                for service in self.services
            ],
        }

    def note(self, where: str, wrong: str, right: str) -> None:
        # A key that the user wrote may hold anything; the sentence stays one line.
        self.problems.append(re.sub(r"\s*[\x00-\x1f\x7f-\x9f\u2028\u2029]\s*", " ", f"{where} {wrong}; {right}."))

    def parse(self, where: str, parser: Callable[[Any], Any], value: Any) -> Any:
        """The parsed value, or None with the problem noted."""
        try:
            return parser(value)
        except Wrong as error:
            self.note(where, error.wrong, error.right)
            return None


def _question(service: Service) -> dict[str, str]:
    """What the backend check is told of a service, wherever it is asked."""
    keys = {
        "tcp": (),
        "http": ("check_path", "check_host", "check_status"),
        "associate": ("called_ae", "calling_ae"),
        "echo": ("called_ae", "calling_ae"),
    }
    return {key: getattr(service, key) for key in ("name", "check", *keys[service.check])}


def _source_ports(services: Sequence[Service]) -> str:
    """The widest range of ports above 1023 that no forwarded service has: from these the nodes are asked."""
    edges = sorted({1023, 65536, *(service.port for service in services if service.layer == 4 and service.port > 1023)})
    low, high = max(zip(edges, edges[1:]), key=lambda pair: pair[1] - pair[0])
    return f"{low + 1}-{high - 1}"


# --- values ----------------------------------------------------------------------------------------------------------


def is_set(value: Any) -> bool:
    """False for what counts as not written at all: null and the empty answer of a survey."""
    return not (value is None or isinstance(value, str) and not value.strip())


def show(value: Any) -> str:
    """A value inside a sentence: short, on one line, unable to break out of it."""
    text = repr(str(value)) if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def integer(low: int, high: int) -> Callable[[Any], int]:
    def parse(value: Any) -> int:
        right = f"give a whole number from {low} to {high}"
        if (
            isinstance(value, bool)
            or not isinstance(value, (int, str))
            or not re.fullmatch(r"-?[0-9]{1,9}", str(value).strip())
        ):
            raise Wrong(f"is {show(value)}, which is not a whole number", right)
        if not low <= int(value) <= high:
            raise Wrong(f"is {int(value)}, which is out of range", right)
        return int(value)

    return parse


def boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return bool(value)
    if isinstance(value, str) and value.strip().lower() in ("true", "yes", "false", "no"):
        return value.strip().lower() in ("true", "yes")
    raise Wrong(f"is {show(value)}", "give true or false")


def choice(*words: str) -> Callable[[Any], str]:
    def parse(value: Any) -> str:
        if isinstance(value, str) and value.strip() in words:
            return value.strip()
        raise Wrong(f"is {show(value)}", f"give one of {', '.join(words)}")

    return parse


def secret(value: Any) -> str:
    if isinstance(value, str) and SECRET.fullmatch(value):
        return value
    raise Wrong(
        "cannot be put into a configuration", "give up to 128 printable ASCII characters, no space and no ' among them"
    )


def text(pattern: re.Pattern[str], right: str) -> Callable[[Any], str]:
    def parse(value: Any) -> str:
        if isinstance(value, (str, int)) and not isinstance(value, bool) and pattern.fullmatch(str(value)):
            return str(value)
        raise Wrong(f"is {show(value)}, which a configuration cannot carry", right)

    return parse


def duration(value: Any) -> int:
    match = (
        DURATION.fullmatch(str(value).strip())
        if isinstance(value, (str, int)) and not isinstance(value, bool)
        else None
    )
    if not match or not 0 < int(match[1]) * SECONDS[match[2]] <= 30 * 86400:
        raise Wrong(f"is {show(value)}", "give a time up to 30 days such as 8h, 30m or 600 (seconds)")
    return int(match[1]) * SECONDS[match[2]]


def address(value: Any) -> str:
    try:
        return str(netaddr.IPAddress(str(value).strip())) if isinstance(value, str) else _no_address(value)
    except (netaddr.AddrFormatError, ValueError):
        return _no_address(value)


def _no_address(value: Any) -> str:
    raise Wrong(f"is {show(value)}, which is not an IP address", "give the address itself, such as 198.51.100.21")


def node_address(value: Any) -> str:
    try:
        return address(value)
    except Wrong as error:
        raise Wrong(
            error.wrong, "give the node's address itself: a name would keep HAProxy from starting when DNS is down"
        ) from error


def virtual_address(value: Any) -> tuple[str, int | None]:
    """``198.51.100.10/24`` or, without a prefix, ``198.51.100.10``: the address and the prefix, if one was given."""
    right = "give an address and the prefix of its network, such as 198.51.100.10/24"
    if not isinstance(value, str):
        raise Wrong(f"is {show(value)}, which is not an address", right)
    bare, slash, prefix = value.strip().partition("/")
    try:
        ip = netaddr.IPAddress(bare)
        if not slash:
            return str(ip), None
        if not re.fullmatch(r"[0-9]{1,3}", prefix):
            raise Wrong(f"is {show(value)}, whose prefix is not a number", right)
        network = netaddr.IPNetwork(f"{ip}/{prefix}")
    except (netaddr.AddrFormatError, ValueError) as error:
        if isinstance(error, Wrong):
            raise
        raise Wrong(f"is {show(value)}, which is not an address", right) from error
    return str(ip), network.prefixlen


def ae_title(value: Any) -> str:
    if not isinstance(value, str):
        raise Wrong(f"is {show(value)}, which is not a text", "put an AE title between quotes")
    try:
        return check_ae_title("it", value)
    except ValueError as error:
        right = "give 1 to 16 printable ASCII characters, no backslash, no space at either end"
        raise Wrong(f"is {show(value)}, which is no AE title", right) from error


def gateway(value: Any) -> str:
    """An address, or ``none``: no gateway tells whether this host is cut off."""
    return "none" if value == "none" else address(value)


def layer(value: Any) -> int:
    if not isinstance(value, bool) and str(value).strip() in ("4", "7"):
        return int(value)
    raise Wrong(f"is {show(value)}", "give 7, where HAProxy ends the connections, or 4, where the kernel forwards them")


PORT = integer(1, 65535)
SERVICE_KEYS: dict[str, Callable[[Any], Any]] = {
    "enabled": boolean,
    "port": PORT,
    "node_port": PORT,
    "vip": virtual_address,
    "mode": choice("http", "tcp"),
    "layer": layer,
    "nodes": lambda value: value,  # a list of its own: read by _service_nodes
    "check": choice("tcp", "http", "associate", "echo"),
    "check_path": text(PATH, "give a path that begins with / and has no spaces or quotes, such as /health"),
    "check_host": text(HOST, "give a host name, such as pacs.example.org"),
    "check_status": text(STATUS, "give HTTP status codes such as 200, 200-399 or 200,302,401"),
    "called_ae": ae_title,
    "calling_ae": ae_title,
    "persistence": choice("source", "cookie", "none"),
    "persist_for": duration,
    "timeout": duration,
}
NODE_KEYS: dict[str, Callable[[Any], Any]] = {
    "name": text(NAME, "give up to 63 letters, digits, dots, dashes and underscores"),
    "address": node_address,
    "weight": integer(0, 256),
    "backup": boolean,
    "max_connections": integer(1, 1000000),
}
SITE_KEYS: dict[str, Callable[[Any], Any]] = {
    "infinitt_preflight": choice("all", "any", "none"),
    "infinitt_layer": layer,
    "infinitt_failover": choice("standard", "fast", "conservative"),
    "infinitt_router_id": integer(1, 255),
    "infinitt_stats_port": PORT,
    "infinitt_stats_password": secret,
}
HOST_KEYS: dict[str, Callable[[Any], Any]] = {
    "infinitt_address": address,
    "infinitt_interface": text(
        re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:@-]{0,14}"), "give an interface's name, such as eth0"
    ),
    "infinitt_gateway": gateway,
    "infinitt_mirror_address": address,
}


def nearest(word: str, known: Sequence[str]) -> str:
    """A hint for a word that is not known."""
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"did you mean {close[0]}" if close else f"known are {', '.join(known)}"


def _read(site: Site, where: str, written: Any, keys: Mapping[str, Callable[[Any], Any]]) -> dict[str, Any]:
    """The keys of one mapping that are set and right; what is wrong or unknown is noted."""
    if not isinstance(written, Mapping):
        site.note(
            where, f"is {show(written)}, which is not a mapping", f"give keys such as {', '.join(list(keys)[:3])}"
        )
        return {}
    read: dict[str, Any] = {}
    for key, value in written.items():
        if key not in keys:
            site.note(f"{where}.{key}", "is not a known key", nearest(str(key), list(keys)))
        elif is_set(value):
            parsed = site.parse(f"{where}.{key}", keys[key], value)
            if parsed is not None:
                read[key] = parsed
    return read


# --- nodes and services ----------------------------------------------------------------------------------------------


def _nodes(site: Site, where: str, written: Any) -> list[dict[str, Any]]:
    """A list of nodes as the user writes them, with names and addresses that stand once."""
    if not isinstance(written, Sequence) or isinstance(written, (str, bytes)):
        site.note(
            where,
            f"is {show(written)}, which is not a list",
            "give a list such as [{name: pacs1, address: 198.51.100.21}]",
        )
        return []
    nodes: list[dict[str, Any]] = []
    for index, entry in enumerate(written):
        name = entry.get("name") if isinstance(entry, Mapping) else None
        place = f"{where}[{index}]" + (f" ({name})" if isinstance(name, str) and NAME.fullmatch(name) else "")
        problems = len(site.problems)
        node = _read(site, place, entry, NODE_KEYS)
        if isinstance(entry, Mapping):
            for key in ("name", "address"):
                if not is_set(entry.get(key)):
                    site.note(place, f"has no {key}", "a node needs a name and an address")
        for key in ("name", "address"):
            if key in node and any(node[key] == other.get(key) for other in nodes):
                site.note(place, f"has the {key} {node[key]} of another node", f"each node has a {key} of its own")
        if len(site.problems) == problems or "name" in node:
            nodes.append(node)
    return nodes


def _service_nodes(site: Site, where: str, written: Any, nodes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """All nodes, those named, or a list of the service's own."""
    if not is_set(written):
        return nodes
    if not isinstance(written, Sequence) or isinstance(written, str) or not written:
        site.note(
            where, f"is {show(written)}, which is not a list of nodes", "give names such as [pacs1] or nodes of its own"
        )
        return []
    if not all(isinstance(entry, str) for entry in written):
        return _nodes(site, where, written)
    known = {node["name"]: node for node in nodes if "name" in node}
    for name in written:
        if name not in known:
            site.note(
                where,
                f"names {show(name)}, which is not in infinitt_nodes",
                nearest(name, list(known)) if known else "give its nodes",
            )
    return [known[name] for name in dict.fromkeys(written) if name in known]


def _number(name: str) -> int:
    """A server's id from its name: the consistent hash keeps its places when the list is sorted anew or a node leaves."""
    return zlib.crc32(name.encode()) & 0x7FFFFFFF or 1


def _cookie(name: str) -> str:
    """The same on every load balancer, and it tells an outsider nothing."""
    return hashlib.sha256(name.encode()).hexdigest()[:12]


def _services(
    site: Site,
    written: Any,
    nodes: list[dict[str, Any]],
    vip: tuple[str, int | None] | None,
    known: Mapping[str, Mapping[str, Any]],
    defaults: Mapping[str, Mapping[str, Any]],
    site_layer: int,
) -> tuple[list[Service], dict[str, tuple[str, int | None]]]:
    """The enabled services, and the VIP that each of them names for itself."""
    if not is_set(written):
        written = {}
    if not isinstance(written, Mapping):
        site.note(
            "infinitt_services",
            f"is {show(written)}, which is not a mapping",
            "give services such as {web: {check_path: /health}}",
        )
        written = {}
    services: list[Service] = []
    vips: dict[str, tuple[str, int | None]] = {}
    for name in [*known, *(name for name in written if name not in known)]:
        where = f"infinitt_services.{name}"
        if not isinstance(name, str) or not NAME.fullmatch(name):
            site.note(
                where, "has a name that a configuration cannot carry", "give letters, digits, dashes and underscores"
            )
            continue
        own = _read(site, where, written[name], SERVICE_KEYS) if is_set(written.get(name)) else {}
        if name not in known and "port" not in own:
            port_written = isinstance(written[name], Mapping) and is_set(written[name].get("port"))
            if not port_written:
                site.note(
                    where,
                    "is not a known service and has no port",
                    f"{nearest(name, list(known))}? A new service must give its port",
                )
            continue
        base = {**known.get(name, {}), **own}
        # The table of known services and defaults is ours and right; only its durations have to be read like the user's.
        mode = base.get("mode", "tcp")
        merged = {**defaults[mode], "mode": mode, **base}
        if merged["persistence"] == "source":
            merged = {"persist_for": defaults["tcp"]["persist_for"], **merged}
        for key in ("persist_for", "timeout"):
            if key in merged:
                merged[key] = duration(merged[key])
        if not merged.get("enabled", True):
            continue
        if merged["mode"] == "tcp" and merged["persistence"] == "cookie":
            site.note(
                f"{where}.persistence", "is cookie on a tcp service", "a cookie needs mode http; give source or none"
            )
        if own.get("persist_for") and merged["persistence"] == "none":
            site.note(f"{where}.persist_for", "is given although persistence is none", "leave it out, or give source")
        its_vip = merged.get("vip", vip)
        its_nodes = _service_nodes(site, f"{where}.nodes", own.get("nodes"), nodes)
        if its_vip is None or not its_nodes:
            continue
        its_layer = own.get("layer", site_layer if merged["mode"] == "tcp" else 7)
        if its_layer == 4:
            _only_a_proxy(site, where, own, merged, its_vip[0], its_nodes)
        vips[name] = its_vip
        port = merged["port"]
        services.append(
            Service(
                name=name,
                mode=merged["mode"],
                address=its_vip[0],
                port=port,
                check=merged["check"],
                check_path=merged["check_path"],
                check_host=merged.get("check_host") or _url_host(its_vip[0]),
                check_status=str(merged["check_status"]),
                called_ae=merged.get("called_ae", CALLED_AE),
                calling_ae=merged.get("calling_ae", CALLING_AE),
                persistence=merged["persistence"],
                persist_for=merged.get("persist_for"),
                timeout=merged["timeout"],
                nodes=[
                    Node(
                        port=merged.get("node_port", port),
                        id=_number(node["name"]),
                        cookie=_cookie(node["name"]),
                        **node,
                    )
                    for node in its_nodes
                    if "name" in node and "address" in node
                ],
                layer=its_layer,
            )
        )
    bound: dict[tuple[str, int], str] = {}
    for service in services:
        other = bound.setdefault((service.address, service.port), service.name)
        if other != service.name:
            site.note(
                f"infinitt_services.{service.name}.port",
                f"is {service.port}, which {other} has on {service.address} already",
                "give it another port or a vip of its own",
            )
    services = _with_affinity(services)
    _one_layer(site, services)
    return services, vips


def _only_a_proxy(
    site: Site,
    where: str,
    own: Mapping[str, Any],
    merged: Mapping[str, Any],
    vip: str,
    nodes: Sequence[Mapping[str, Any]],
) -> None:
    """What the kernel cannot do for a service at layer 4 is refused."""
    if merged["mode"] == "http":
        site.note(f"{where}.layer", "is 4 with mode http", "only a proxy understands HTTP: give layer 7")
    elif merged["persistence"] != "source":
        site.note(
            f"{where}.persistence",
            f"is {merged['persistence']} at layer 4",
            "there a client's address chooses its node: give source, or layer 7",
        )
    if "persist_for" in own:
        site.note(
            f"{where}.persist_for",
            "is given at layer 4",
            "there a client keeps its node for good: leave it out, or give layer 7",
        )
    for node in nodes:
        if node.get("max_connections"):
            site.note(
                f"{where}.layer",
                f"is 4, and the node {node['name']} has max_connections",
                "only a proxy can count: leave that out, or give layer 7",
            )
        if "address" in node and netaddr.IPAddress(node["address"]).version != netaddr.IPAddress(vip).version:
            site.note(
                f"{where}.layer",
                f"is 4, and the node {node['name']} ({node['address']}) is of another family than the VIP {vip}",
                "only a proxy can go between them: give layer 7",
            )


def _one_layer(site: Site, services: Sequence[Service]) -> None:
    """Services that share a client's node choose it in the same place."""
    by_name = {service.name: service for service in services}
    for service in services:
        other = by_name[service.affinity] if service.affinity else service
        if service.layer != other.layer:
            site.note(
                f"infinitt_services.{service.name}.layer",
                f"is {service.layer}, and that of {other.name}, with which it shares a client's node, is {other.layer}",
                "give both the same layer, or one of them another persistence",
            )


def _url_host(ip: str) -> str:
    return f"[{ip}]" if ":" in ip else ip


def _with_affinity(services: list[Service]) -> list[Service]:
    """Services with source persistence, the same nodes and the same length share a client's node.

    A table shared by services with different nodes would name a node that one of them does not have: each of the two
    would then overwrite the other's entry at every connection.
    """
    groups: dict[tuple[Any, ...], str] = {}
    result = []
    for service in services:
        if service.persistence == "source":
            key = (frozenset((node.name, node.address) for node in service.nodes), service.persist_for)
            service = Service(**{**service.__dict__, "affinity": groups.setdefault(key, service.name)})
        result.append(service)
    return result


# --- hosts and their networks ----------------------------------------------------------------------------------------


def networks(facts: Mapping[str, Any], without: Sequence[str] = ()) -> list[tuple[str, str, int]]:
    """(interface, address, prefix) of every address in Ansible's network facts, VIPs (``without``) left out."""
    found = []
    for name in facts.get("interfaces", []):
        if name == "lo":
            continue
        entry = facts.get(name.replace("-", "_"), {})
        if not isinstance(entry, Mapping):
            continue
        v4 = [entry["ipv4"]] if entry.get("ipv4") else []
        for item in [*v4, *entry.get("ipv4_secondaries", []), *entry.get("ipv6", [])]:
            usable = item.get("address") and is_set(item.get("prefix")) and item.get("scope") != "link"
            if usable and item["address"] not in without:
                found.append((entry.get("device", name), item["address"], int(item["prefix"])))
    return found


def _contains(ip: str, prefix: int, other: str) -> bool:
    return netaddr.IPAddress(other) in netaddr.IPNetwork(f"{ip}/{prefix}")


def _interface_of(
    site: Site, host: str, where: str, vip: str, nets: list[tuple[str, str, int]], given: str | None
) -> tuple[str, int] | None:
    """The interface whose network has the VIP, and that network's prefix."""
    fitting = {(name, prefix) for name, ip, prefix in nets if _contains(ip, prefix, vip) and given in (None, name)}
    if len({name for name, prefix in fitting}) == 1:
        return max(fitting, key=lambda pair: pair[1])
    have = ", ".join(sorted(f"{name} {ip}/{prefix}" for name, ip, prefix in nets)) or "none"
    if not fitting and given:
        site.note(
            f"infinitt_interface of {host}",
            f"is {given}, which has no network with the VIP {vip}",
            f"its networks are {have}",
        )
    elif not fitting:
        site.note(where, f"is {vip}, which is in no network of {host}", f"its networks are {have}")
    else:
        names = " and ".join(sorted({name for name, prefix in fitting}))
        site.note(
            f"infinitt_interface of {host}",
            f"is not set, and {names} both have the network of the VIP {vip}",
            "name one of them",
        )
    return None


def _edge(vip: str, prefix: int) -> str | None:
    """``first`` or ``last`` where the VIP is that address of its network, which no host may have."""
    network = netaddr.IPNetwork(f"{vip}/{prefix}")
    if network.size <= 2:
        return None
    ip = netaddr.IPAddress(vip)
    return "first" if ip.value == network.first else "last" if ip.value == network.last else None


def _own_address(site: Site, name: str, written: Mapping[str, Any], vip: str | None, prefix: int | None) -> str | None:
    """``infinitt_address``, or else ``ansible_host`` where that is an address in the VIP's network."""
    if "infinitt_address" in written:
        return written["infinitt_address"]
    known = written.get("ansible_host") or name
    right = "give the host's own address for VRRP, such as 198.51.100.11"
    try:
        ip = address(known)
    except Wrong:
        site.note(
            f"infinitt_address of {name}",
            f"is not set, and ansible_host is {show(known)}, which is not an IP address",
            right,
        )
        return None
    if vip and prefix is not None and not _contains(vip, prefix, ip):
        site.note(
            f"infinitt_address of {name}", f"is not set, and ansible_host {ip} is not in the VIP's network", right
        )
        return None
    return ip


def _default_gateway(facts: Mapping[str, Any], own: str, nets: list[tuple[str, str, int]]) -> str | None:
    """The default gateway, where it is a neighbour of the address that VRRP uses: else its silence says nothing."""
    for family in ("default_ipv4", "default_ipv6"):
        ip = (facts.get(family) or {}).get("gateway")
        if ip and any(address_ == own and _contains(own, prefix, ip) for name, address_, prefix in nets):
            return ip
    return None


def build(
    variables: Mapping[str, Any],
    hosts: Mapping[str, Mapping[str, Any]],
    services: Mapping[str, Mapping[str, Any]],
    defaults: Mapping[str, Mapping[str, Any]],
    peers_port: int,
    lost: Sequence[str] = (),
) -> Site:
    """The site that the user's variables describe.

    ``variables``: the site's variables by name (``infinitt_vip``, ...), as they hold on every host.
    ``hosts``: for each load balancer of the inventory, in order: ``variables`` (the values of its own variables, and of
    the site's where they could be read), ``names`` (of all its variables that begin with ``infinitt_``), ``ansible_host``,
    and ``facts`` (Ansible's network facts without the prefix), None where the host was not asked or did not answer.
    ``services``, ``defaults``: the known services, and what holds for each mode where a service says nothing.
    ``peers_port``: where HAProxy listens on each host's own address.
    ``lost``: the load balancers that were asked and did not answer.
    Never raises for what a user wrote: ``problems`` of the result has it, all at once.
    """
    site = Site()
    for name in lost:
        others = [other for other, host in hosts.items() if host.get("facts") is not None]
        right = (
            f"bring it back, or deploy the others with --limit {','.join(others)}"
            if others
            else "see whether SSH works"
        )
        site.note(name, "cannot be reached, so nothing was changed on any host", right)
    _known_variables(site, variables, hosts)
    wanted = {key: variables.get(key) for key in SITE_KEYS if is_set(variables.get(key))}
    given = {key: site.parse(key, SITE_KEYS[key], value) for key, value in wanted.items()}
    if given.get("infinitt_stats_port") and not is_set(variables.get("infinitt_stats_password")):
        site.note(
            "infinitt_stats_password",
            "is not set although infinitt_stats_port is",
            "give the stats page a password, best from a vault",
        )

    vip = None
    if not is_set(variables.get("infinitt_vip")):
        site.note(
            "infinitt_vip", "is not set", "give the virtual IP and the prefix of its network, such as 198.51.100.10/24"
        )
    else:
        vip = site.parse("infinitt_vip", virtual_address, variables["infinitt_vip"])
    nodes: list[dict[str, Any]] = []
    if not is_set(variables.get("infinitt_nodes")) or variables["infinitt_nodes"] == []:
        site.note("infinitt_nodes", "is empty", "give the PACS nodes, such as [{name: pacs1, address: 198.51.100.21}]")
    else:
        nodes = _nodes(site, "infinitt_nodes", variables["infinitt_nodes"])
    site.services, service_vips = _services(
        site, variables.get("infinitt_services"), nodes, vip, services, defaults, given.get("infinitt_layer") or 7
    )
    if nodes and vip and not site.services and not site.problems:
        site.note("infinitt_services", "switches every service off", "leave one enabled")

    # Where each VIP was written: infinitt_vip stands first, for VRRP announces the first one.
    vips: dict[str, tuple[str, int | None]] = {}
    if vip:
        vips[vip[0]] = ("infinitt_vip", vip[1])
    for name, (ip, prefix) in service_vips.items():
        if ip not in vips:
            vips[ip] = (f"infinitt_services.{name}.vip", prefix)
    if not any(service.address == vip[0] for service in site.services) and len(vips) > 1 and vip:
        del vips[vip[0]]  # every service has a VIP of its own
    _hosts(site, hosts, vips, peers_port, given.get("infinitt_stats_port"))
    _no_address_twice(site, vips, nodes)
    # Router ids must differ only on one segment: the last part of the VIP does in nearly every network.
    site.router_id = given.get("infinitt_router_id") or (int(netaddr.IPAddress(vip[0])) & 0xFF or 1 if vip else 0)
    return site


def _known_variables(site: Site, variables: Mapping[str, Any], hosts: Mapping[str, Mapping[str, Any]]) -> None:
    """No misspelt variable, and none that differs between the hosts where it may not."""
    known = [*variables, *HOST_KEYS]
    for name, host in hosts.items():
        for key in host.get("names", host["variables"]):
            if key not in known:
                site.note(f"{key} of {name}", "is not a known variable", nearest(key, known))
    for key in variables:
        values = {name: host["variables"][key] for name, host in hosts.items() if key in host["variables"]}
        first = next(iter(values), None)
        for name, value in values.items():
            if value != values[first]:
                where = "another value" if key.endswith("password") else f"{show(value)}"
                site.note(
                    f"{key} of {name}", f"is {where} and differs from that of {first}", "give the group one value"
                )


def _hosts(
    site: Site,
    hosts: Mapping[str, Mapping[str, Any]],
    vips: Mapping[str, tuple[str, int | None]],
    peers_port: int,
    stats_port: int | None,
) -> None:
    """Interfaces, addresses, priorities and peers of every load balancer that was asked."""
    written = {name: _read_host(site, name, host) for name, host in hosts.items()}
    first_vip = next(iter(vips), None)
    placed: dict[str, list[Vip]] = {}
    prefixes = {ip: prefix for ip, (where, prefix) in vips.items()}
    for name, host in hosts.items():
        if host.get("facts") is None:
            continue
        nets = networks(host["facts"], without=list(vips))
        placed[name] = []
        for ip, (where, prefix) in vips.items():
            found = _interface_of(site, name, where, ip, nets, written[name].get("infinitt_interface"))
            if found:
                prefixes[ip] = prefix if prefix is not None else found[1]
                placed[name].append(Vip(ip, prefixes[ip], found[0]))
                if prefixes[ip] != found[1] and _edge(ip, found[1]):
                    site.note(
                        where,
                        f"is {ip}, the {_edge(ip, found[1])} address of the network of {found[0]} on {name}",
                        "give an address that a host may have",
                    )
    for ip, (where, _prefix) in vips.items():
        if prefixes[ip] is not None and _edge(ip, prefixes[ip]):
            site.note(
                where,
                f"is {ip}/{prefixes[ip]}, the {_edge(ip, prefixes[ip])} address of its network",
                "give an address that a host may have",
            )

    own = {}
    # The prefix in the VIP may be /32; the network is the interface's, where one was seen.
    network_prefix = _network_prefix(placed, hosts, vips, first_vip)
    for name in hosts:
        ip = _own_address(site, name, written[name], first_vip, network_prefix)
        if ip:
            own[name] = ip
    for name, ip in own.items():
        twin = next(other for other in own if own[other] == ip)
        if twin != name:
            site.note(
                f"infinitt_address of {name}",
                f"is {ip}, which {twin} has already",
                "each load balancer has an address of its own",
            )
        if ip in vips:
            site.note(vips[ip][0], f"is {ip}, the own address of {name}", "give an address that no host has")
        if first_vip and netaddr.IPAddress(ip).version != netaddr.IPAddress(first_vip).version:
            site.note(
                f"infinitt_address of {name}",
                f"is {ip}, of another family than the VIP {first_vip}",
                "both are IPv4 or both IPv6",
            )
    site.peers = [{"name": name, "address": own[name]} for name in hosts if name in own]
    ends = _ends(site, written, own)
    for index, (name, host) in enumerate(hosts.items()):
        if host.get("facts") is None or name not in own:
            continue
        nets = networks(host["facts"], without=list(vips))
        interface = next((net for net, ip, prefix in nets if ip == own[name]), None)
        if interface is None:
            have = ", ".join(ip for net, ip, prefix in nets) or "none"
            site.note(
                f"infinitt_address of {name}",
                f"is {own[name]}, which the host does not have",
                f"its addresses are {have}",
            )
            continue
        ports = [{"address": service.address, "port": service.port, "for": service.name} for service in site.services]
        ports.append({"address": own[name], "port": peers_port, "for": "HAProxy's peers"})
        if stats_port:
            ports.append({"address": own[name], "port": stats_port, "for": "the stats page"})
        site.hosts[name] = Host(
            name=name,
            address=own[name],
            interface=interface,
            priority=HIGHEST_PRIORITY - index,
            vips=placed.get(name, []),
            peers=[peer for peer in site.peers if peer["name"] != name],
            gateway=_gateway(written[name], host["facts"], own[name], nets),
            ports=ports,
            mirror=_mirror(site, name, ends, nets),
            unmirrored=_unmirrored(site, [*own.values(), *ends.values()], nets, host["facts"]),
        )


def _ends(site: Site, written: Mapping[str, Mapping[str, Any]], own: Mapping[str, str]) -> dict[str, str]:
    """The addresses between which connections are mirrored, by host: of the first two, since a mirror has two ends."""
    if not any(service.layer == 4 for service in site.services) or len(own) < 2:
        return {}
    given = {
        name: written[name]["infinitt_mirror_address"] for name in own if "infinitt_mirror_address" in written[name]
    }
    ends = dict([*given.items()][:2] if len(given) > 1 else [*own.items()][:2])
    for name in given:
        if len(given) == 1:
            site.note(
                f"infinitt_mirror_address of {name}",
                "is given, and no other load balancer has one",
                "give both ends of the link",
            )
    if len({netaddr.IPAddress(ip).version for ip in ends.values()}) > 1:
        site.note(
            f"infinitt_mirror_address of {list(ends)[0]}",
            f"is of another family than that of {list(ends)[1]}",
            "give both of one",
        )
    return ends


def _mirror(site: Site, name: str, ends: Mapping[str, str], nets: list[tuple[str, str, int]]) -> Mirror:
    if name not in ends:
        return Mirror()
    interface = next((net for net, ip, prefix in nets if ip == ends[name]), None)
    if interface is None:
        have = ", ".join(ip for net, ip, prefix in nets) or "none"
        site.note(
            f"infinitt_mirror_address of {name}",
            f"is {ends[name]}, which the host does not have",
            f"its addresses are {have}",
        )
        return Mirror()
    return Mirror(ends[name], interface, next(ip for other, ip in ends.items() if other != name))


def _unmirrored(
    site: Site, ends: Sequence[str], nets: list[tuple[str, str, int]], facts: Mapping[str, Any]
) -> list[str]:
    """The load balancers' addresses, this one's on every interface, and the networks of its containers and virtual machines: the other
    host may have the same ones for its own. A network with a VIP or a node of a forwarded service is none of these."""
    bridges = {
        entry.get("device") for entry in facts.values() if isinstance(entry, Mapping) and entry.get("type") == "bridge"
    }
    ours = [
        ip
        for service in site.services
        if service.layer == 4
        for ip in (service.address, *(node.address for node in service.nodes))
    ]
    inner = {
        str(netaddr.IPNetwork(f"{ip}/{prefix}").cidr)
        for net, ip, prefix in nets
        if net in bridges and not any(_contains(ip, prefix, other) for other in [*ours, *ends])
    }
    return [*dict.fromkeys([*ends, *(ip for net, ip, prefix in nets)]), *sorted(inner)]


def _gateway(
    written: Mapping[str, Any], facts: Mapping[str, Any], own: str, nets: list[tuple[str, str, int]]
) -> str | None:
    given = written.get("infinitt_gateway")
    if given:
        return None if given == "none" else given
    return _default_gateway(facts, own, nets)


def _read_host(site: Site, name: str, host: Mapping[str, Any]) -> dict[str, Any]:
    """The host's own variables, parsed, and its ``ansible_host``."""
    read = {"ansible_host": host.get("ansible_host")}
    for key, parser in HOST_KEYS.items():
        if is_set(host["variables"].get(key)):
            parsed = site.parse(f"{key} of {name}", parser, host["variables"][key])
            if parsed is not None:
                read[key] = parsed
    return read


def _network_prefix(
    placed: Mapping[str, list[Vip]],
    hosts: Mapping[str, Mapping[str, Any]],
    vips: Mapping[str, tuple[str, int | None]],
    vip: str | None,
) -> int | None:
    """The prefix of the network in which the first VIP stands: as the hosts' interfaces have it, else as written."""
    for name, its in placed.items():
        for net, ip, prefix in networks(hosts[name]["facts"], without=list(vips)):
            if any(v.address == vip and v.interface == net for v in its) and _contains(ip, prefix, vip or ip):
                return prefix
    return vips[vip][1] if vip else None


def _no_address_twice(site: Site, vips: Mapping[str, tuple[str, int | None]], nodes: list[dict[str, Any]]) -> None:
    """A VIP is nobody's own address, and a node is no load balancer."""
    every = [*nodes]
    for service in site.services:
        every += [asdict(node) for node in service.nodes]
    by_address = {node["address"]: node["name"] for node in every if "address" in node and "name" in node}
    for ip, (where, _prefix) in vips.items():
        if ip in by_address:
            site.note(where, f"is {ip}, the address of the node {by_address[ip]}", "give an address that no host has")
    for host in site.hosts.values():
        if host.address in by_address:
            site.note(
                f"infinitt_address of {host.name}",
                f"is {host.address}, the address of the node {by_address[host.address]}",
                "a node is no load balancer",
            )
