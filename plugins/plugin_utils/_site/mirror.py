# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The mirror of forwarded connections: between which addresses, and what is left out of it."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site import networks
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.networks import Network
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.problems import Problems
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.types import Mirror, Service


def ends(
    problems: Problems,
    services: Sequence[Service],
    written: Mapping[str, Mapping[str, Any]],
    own: Mapping[str, str],
) -> dict[str, str]:
    """Return by host the addresses between which connections are mirrored: of the first two, since a mirror has two ends."""
    if not any(service.layer == 4 for service in services) or len(own) < 2:
        return {}
    given = {name: written[name]["infinitt_mirror_address"] for name in own if written[name]["infinitt_mirror_address"]}
    if len(given) == 1:
        problems.note(
            f"infinitt_mirror_address of {next(iter(given))}",
            "is given, and no other load balancer has one",
            "give both ends of the link",
        )
    first, second = [*(given if len(given) > 1 else own).items()][:2]
    if networks.version(first[1]) != networks.version(second[1]):
        problems.note(
            f"infinitt_mirror_address of {first[0]}",
            f"is of another family than that of {second[0]}",
            "give both of one",
        )
    return dict([first, second])


def of_host(problems: Problems, name: str, its_ends: Mapping[str, str], its: list[Network]) -> Mirror:
    """Return this host's end."""
    if name not in its_ends:
        return Mirror()
    interface = networks.interface_with(problems, f"infinitt_mirror_address of {name}", its_ends[name], its)
    if interface is None:
        return Mirror()
    return Mirror(its_ends[name], interface, next(ip for other, ip in its_ends.items() if other != name))


def unmirrored(
    services: Sequence[Service], ours: Sequence[str], its: list[Network], facts: Mapping[str, Any]
) -> list[str]:
    """Return what the mirror leaves alone: the load balancers' addresses (``ours``), this one's on every interface, and the
    networks of its containers and virtual machines, since the other host may have the same ones for its own.

    A network with a VIP or a node of a forwarded service is none of these.
    """
    forwarded = [
        ip
        for service in services
        if service.layer == 4
        for ip in (service.address, *(node.address for node in service.nodes))
    ]
    bridges = networks.bridges(facts)
    inner = {
        str(ipaddress.ip_network(f"{network.address}/{network.prefix}", strict=False))
        for network in its
        if network.interface in bridges and not any(ip in network for ip in [*forwarded, *ours])
    }
    return [*dict.fromkeys([*ours, *(network.address for network in its)]), *sorted(inner)]
