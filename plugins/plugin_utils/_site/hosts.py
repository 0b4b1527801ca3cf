# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The load balancers: addresses, interfaces, priorities and peers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site import mirror, networks
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.networks import Network
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.problems import Problems, ValidationError, show
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.types import Host, Service, Vip
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.values import address
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.variables import HOST_VARIABLES
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.variables import read as read_variables

HIGHEST_PRIORITY = 254  # 255 is the address owner's alone (RFC 9568, 5.2.4)


def read(
    problems: Problems,
    inventory: Mapping[str, Mapping[str, Any]],
    vips: Mapping[str, tuple[str, int | None]],
    services: list[Service],
    peers_port: int,
    stats_port: int | None,
) -> tuple[dict[str, Host], list[dict[str, str]]]:
    """Return every load balancer that was asked, and the peers: name and address of all.

    ``inventory``: see ``build``. ``vips``: by address the variable in which each was written, and the prefix given there.
    """
    written = {
        name: read_variables(problems, HOST_VARIABLES, host["variables"], f" of {name}")
        | {"ansible_host": host.get("ansible_host")}
        for name, host in inventory.items()
    }
    seen = {
        name: networks.read(host["facts"], without=vips)
        for name, host in inventory.items()
        if host.get("facts") is not None
    }
    placed = _place(problems, vips, written, seen)
    own = _own_addresses(problems, vips, written, _prefix_of_first(vips, placed, seen))
    peers = [{"name": name, "address": ip} for name, ip in own.items()]
    ends = mirror.ends(problems, services, written, own)
    hosts = {}
    for index, name in enumerate(inventory):
        if name not in seen or name not in own:
            continue
        interface = networks.interface_with(problems, f"infinitt_address of {name}", own[name], seen[name])
        if interface is None:
            continue
        facts = inventory[name]["facts"]
        ports = [{"address": service.address, "port": service.port, "for": service.name} for service in services]
        ports.append({"address": own[name], "port": peers_port, "for": "HAProxy's peers"})
        if stats_port:
            ports.append({"address": own[name], "port": stats_port, "for": "the stats page"})
        hosts[name] = Host(
            name=name,
            address=own[name],
            interface=interface,
            priority=HIGHEST_PRIORITY - index,
            vips=placed[name],
            peers=[peer for peer in peers if peer["name"] != name],
            gateway=_gateway(written[name], facts, own[name], seen[name]),
            ports=ports,
            mirror=mirror.of_host(problems, name, ends, seen[name]),
            unmirrored=mirror.unmirrored(services, [*own.values(), *ends.values()], seen[name], facts),
        )
    return hosts, peers


def _place(
    problems: Problems,
    vips: Mapping[str, tuple[str, int | None]],
    written: Mapping[str, Mapping[str, Any]],
    seen: Mapping[str, list[Network]],
) -> dict[str, list[Vip]]:
    """Return by host each VIP with its interface and its prefix: the one given, or that of the interface's network."""
    placed: dict[str, list[Vip]] = {name: [] for name in seen}
    prefixes = {ip: prefix for ip, (subject, prefix) in vips.items()}
    for name, its in seen.items():
        for ip, (subject, given) in vips.items():
            network = _network_of(problems, name, subject, ip, its, written[name]["infinitt_interface"])
            if not network:
                continue
            prefixes[ip] = network.prefix if given is None else given
            placed[name].append(Vip(ip, prefixes[ip], network.interface))
            edge = networks.edge(ip, network.prefix)
            if edge and prefixes[ip] != network.prefix:
                problems.note(
                    subject,
                    f"is {ip}, the {edge} address of the network of {network.interface} on {name}",
                    "give an address that a host may have",
                )
    for ip, (subject, _given) in vips.items():
        edge = prefixes[ip] is not None and networks.edge(ip, prefixes[ip])
        if edge:
            problems.note(
                subject,
                f"is {ip}/{prefixes[ip]}, the {edge} address of its network",
                "give an address that a host may have",
            )
    return placed


def _network_of(
    problems: Problems, host: str, subject: str, vip: str, its: list[Network], given: str | None
) -> Network | None:
    """Return the network, on one interface, that has the VIP."""
    fitting = [network for network in its if vip in network and given in (None, network.interface)]
    interfaces = sorted({network.interface for network in fitting})
    if len(interfaces) == 1:
        return max(fitting, key=lambda network: network.prefix)
    have = ", ".join(sorted(map(str, its))) or "none"
    if interfaces:
        problems.note(
            f"infinitt_interface of {host}",
            f"is not set, and {' and '.join(interfaces)} both have the network of the VIP {vip}",
            "name one of them",
        )
    elif given:
        problems.note(
            f"infinitt_interface of {host}",
            f"is {given}, which has no network with the VIP {vip}",
            f"its networks are {have}",
        )
    else:
        problems.note(subject, f"is {vip}, which is in no network of {host}", f"its networks are {have}")
    return None


def _prefix_of_first(
    vips: Mapping[str, tuple[str, int | None]], placed: Mapping[str, list[Vip]], seen: Mapping[str, list[Network]]
) -> int | None:
    """Return the prefix of the network in which the first VIP stands: as the hosts' interfaces have it, else as written.

    The prefix in the VIP may be /32; the network is the interface's, where one was seen.
    """
    first = next(iter(vips), None)
    if first is None:
        return None
    for name, its in placed.items():
        for network in seen[name]:
            if first in network and any(vip.address == first and vip.interface == network.interface for vip in its):
                return network.prefix
    return vips[first][1]


def _own_addresses(
    problems: Problems,
    vips: Mapping[str, tuple[str, int | None]],
    written: Mapping[str, Mapping[str, Any]],
    prefix: int | None,
) -> dict[str, str]:
    """Return each host's address for VRRP; ``prefix``: that of the first VIP's network."""
    first = next(iter(vips), None)
    own = {name: _own_address(problems, name, its, first, prefix) for name, its in written.items()}
    own = {name: ip for name, ip in own.items() if ip}
    for name, ip in own.items():
        subject = f"infinitt_address of {name}"
        twin = next(other for other in own if own[other] == ip)
        if twin != name:
            problems.note(subject, f"is {ip}, which {twin} has already", "each load balancer has an address of its own")
        if ip in vips:
            problems.note(vips[ip][0], f"is {ip}, the own address of {name}", "give an address that no host has")
        if first and networks.version(ip) != networks.version(first):
            problems.note(subject, f"is {ip}, of another family than the VIP {first}", "both are IPv4 or both IPv6")
    return own


def _own_address(
    problems: Problems, name: str, written: Mapping[str, Any], vip: str | None, prefix: int | None
) -> str | None:
    """Return ``infinitt_address``, or else ``ansible_host`` where that is an address in the VIP's network."""
    if written["infinitt_address"]:
        return written["infinitt_address"]
    subject, hint = f"infinitt_address of {name}", "give the host's own address for VRRP, such as 198.51.100.11"
    known = written["ansible_host"] or name
    try:
        ip = address(known)
    except ValidationError:
        problems.note(subject, f"is not set, and ansible_host is {show(known)}, which is not an IP address", hint)
        return None
    if vip and prefix is not None and not networks.contains(vip, prefix, ip):
        problems.note(subject, f"is not set, and ansible_host {ip} is not in the VIP's network", hint)
        return None
    return ip


def _gateway(written: Mapping[str, Any], facts: Mapping[str, Any], own: str, its: list[Network]) -> str | None:
    given = written["infinitt_gateway"]
    if given:
        return None if given == "none" else given
    return networks.default_gateway(facts, own, its)


def check_addresses(
    problems: Problems,
    vips: Mapping[str, tuple[str, int | None]],
    hosts: Mapping[str, Host],
    nodes: list[dict[str, Any]],
    services: list[Service],
) -> None:
    """Note a VIP that is a node's address, and a node that is a load balancer."""
    by_address = {node["address"]: node["name"] for node in nodes if "address" in node and "name" in node}
    by_address |= {node.address: node.name for service in services for node in service.nodes}
    for ip, (subject, _prefix) in vips.items():
        if ip in by_address:
            problems.note(
                subject, f"is {ip}, the address of the node {by_address[ip]}", "give an address that no host has"
            )
    for host in hosts.values():
        if host.address in by_address:
            problems.note(
                f"infinitt_address of {host.name}",
                f"is {host.address}, the address of the node {by_address[host.address]}",
                "a node is no load balancer",
            )
