# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The load balancers: addresses, interfaces, priorities and peers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site import mirror, networks, variables, vips
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.addresses import INTERFACE, address
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.networks import Network
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.problems import Problems, ValidationError, show
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.types import Host, Service, WrittenVip

HIGHEST_PRIORITY = 254  # 255 is the address owner's alone (RFC 9568, 5.2.4)
PEER = re.compile(r"[A-Za-z0-9_.:-]{1,253}")  # what HAProxy takes as the name of a peer


def read(
    problems: Problems,
    inventory: Mapping[str, Mapping[str, Any]],
    written_vips: Mapping[str, WrittenVip],
    services: Sequence[Service],
    nodes: Mapping[str, str],
    own_ports: Mapping[int, str],
    peers_port: int,
    encrypted: bool,
) -> tuple[dict[str, Host], list[dict[str, str]]]:
    """Return every load balancer that was asked, and the peers: name and address of all.

    ``inventory``: see ``build``. ``written_vips``: by address. ``nodes``: the name of each node, by address.
    ``own_ports``: on which HAProxy listens at each host's own address, and for what. ``peers_port``: the one of them on
    which it listens at 127.0.0.1 too, for a worker and the next. ``encrypted``: whether the mirror is to be.
    """
    written = {}
    seen = {}
    for name, host in inventory.items():
        if not PEER.fullmatch(name):
            problems.note(
                f"The load balancer {show(name)}",
                "has a name that HAProxy rejects for a peer",
                "use letters, digits, dots, colons, dashes and underscores in the inventory",
            )
        written[name] = variables.read(problems, variables.HOST_VARIABLES, host["variables"], f" of {name}")
        if host.get("facts") is not None:
            without = {*written_vips, *host.get("managed", []), *mirror.INSIDE}
            seen[name] = networks.read(host["facts"], without=without)
    placed = vips.place(problems, written_vips, written, seen)
    ansible_hosts = {name: host.get("ansible_host") or name for name, host in inventory.items()}
    own = _own_addresses(problems, written_vips, written, ansible_hosts, vips.first_prefix(written_vips, placed, seen))
    _check_addresses(problems, written_vips, own, seen, nodes)
    peers = [{"name": name, "address": ip} for name, ip in own.items()]
    ends = mirror.ends(problems, services, written, own, encrypted=encrypted)
    hosts = {}
    for index, name in enumerate(inventory):
        if name not in seen or name not in own:
            continue
        network = networks.having(problems, f"infinitt_address of {name}", own[name], seen[name])
        if network is None:
            continue
        for interface in sorted({network.interface, *(vip.interface for vip in placed[name])}):
            if not INTERFACE.fullmatch(interface):
                problems.note(
                    f"The interface {interface} of {name}",
                    "has a name that Keepalived cannot parse",
                    "use letters, digits, dots, dashes and underscores",
                )
        facts = inventory[name]["facts"]
        ports = [
            {"address": service.address, "port": port, "for": service.name}
            for service in services
            for port in service.ports()
        ]
        ports += [{"address": own[name], "port": port, "for": what} for port, what in own_ports.items()]
        ports.append({"address": "127.0.0.1", "port": peers_port, "for": own_ports[peers_port]})
        hosts[name] = Host(
            name=name,
            address=own[name],
            interface=network.interface,
            priority=HIGHEST_PRIORITY - index,
            vips=placed[name],
            peers=[peer for peer in peers if peer["name"] != name],
            gateway=_gateway(
                problems, f"infinitt_gateway of {name}", written[name]["infinitt_gateway"], facts, network
            ),
            ports=ports,
            mirror=mirror.of_host(problems, name, ends, seen[name], facts, encrypted=encrypted),
            unmirrored=mirror.unmirrored(
                services, [*own.values(), *ends.values(), *(mirror.INSIDE if encrypted else ())], seen[name], facts
            ),
        )
    return hosts, peers


def _own_addresses(
    problems: Problems,
    written_vips: Mapping[str, WrittenVip],
    written: Mapping[str, Mapping[str, Any]],
    ansible_hosts: Mapping[str, Any],
    prefix: int | None,
) -> dict[str, str]:
    """Return each host's address for VRRP; ``prefix``: that of the first VIP's network."""
    first = next(iter(written_vips), "")
    own: dict[str, str] = {}
    for name, its in written.items():
        subject = f"infinitt_address of {name}"
        ip = its["infinitt_address"] or _ansible_host(problems, subject, ansible_hosts[name], first, prefix)
        if not ip:
            continue
        twin = next((other for other in own if own[other] == ip), None)
        own[name] = ip
        if twin:
            problems.note(subject, f"is {ip}, which {twin} already has", "give each load balancer its own address")
        if ip in written_vips:
            problems.note(
                written_vips[ip].subject, f"is {ip}, the own address of {name}", "choose an address that no host has"
            )
        if first and networks.version(ip) != networks.version(first):
            problems.note(
                subject, f"is {ip}, and the VIP {first} is of the other address family", "use one family for both"
            )
    return own


def _ansible_host(problems: Problems, subject: str, known: Any, vip: str, prefix: int | None) -> str | None:
    """Return ``ansible_host`` where that is an address in the VIP's network."""
    hint = "give the host's own address for VRRP, such as 198.51.100.11"
    try:
        ip = address(known)
    except ValidationError as error:
        problems.note(subject, f"is not set, and ansible_host {error.reason}", hint)
        return None
    if vip and prefix is not None and not networks.contains(vip, prefix, ip):
        problems.note(subject, f"is not set, and ansible_host {ip} is not in the VIP's network", hint)
        return None
    return ip


def _gateway(problems: Problems, subject: str, given: str | None, facts: Mapping[str, Any], own: Network) -> str | None:
    if given == "none":
        return None
    if not given:
        return networks.default_gateway(facts, own)
    ip, _percent, interface = given.partition("%")
    if interface and interface not in facts.get("interfaces", []):
        problems.note(subject, f"is {given}, and the host has no interface {interface}", f"VRRP uses {own.interface}")
    if not interface:
        networks.check_edge(problems, subject, ip, [own])
    return given


def _check_addresses(
    problems: Problems,
    written_vips: Mapping[str, WrittenVip],
    own: Mapping[str, str],
    seen: Mapping[str, Sequence[Network]],
    nodes: Mapping[str, str],
) -> None:
    """Note a VIP and a load balancer with a node's address, and a node with an address that no host may have."""
    for ip, vip in written_vips.items():
        if ip in nodes:
            problems.note(
                vip.subject, f"is {ip}, the address of the node {nodes[ip]}", "choose an address that no host has"
            )
    for name, ip in own.items():
        if ip in nodes:
            problems.note(
                f"infinitt_address of {name}",
                f"is {ip}, the address of the node {nodes[ip]}",
                "a node cannot be a load balancer",
            )
    for ip, node in nodes.items():
        networks.check_edge(problems, f"The address of the node {node}", ip, networks.every(seen))
