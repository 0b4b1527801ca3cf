# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The virtual IPs: in which variables they were written, and on which interfaces they belong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site import networks
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.addresses import VirtualAddress
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.networks import Network
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.problems import Problems
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.types import Vip, WrittenVip


def written(
    of_site: VirtualAddress | None, former: Sequence[VirtualAddress], of_services: Mapping[str, VirtualAddress]
) -> dict[str, WrittenVip]:
    """Return each VIP by address. infinitt_vip comes first, because VRRP announces the first one.

    It and the former VIPs are left out if every service has its own VIP.
    """
    found: dict[str, WrittenVip] = {}
    used = {ip for ip, _prefix in of_services.values()}
    if of_site and (of_site[0] in used or not used):
        found[of_site[0]] = WrittenVip("infinitt_vip", of_site[1])
        found |= {ip: WrittenVip("infinitt_former_vips", prefix) for ip, prefix in former if ip not in used}
    for name, (ip, prefix) in of_services.items():
        found.setdefault(ip, WrittenVip(f"infinitt_services.{name}.vip", prefix))
    return found


def place(
    problems: Problems,
    vips: Mapping[str, WrittenVip],
    hosts: Mapping[str, Mapping[str, Any]],
    seen: Mapping[str, Sequence[Network]],
) -> dict[str, list[Vip]]:
    """Return by host each VIP with its interface and its prefix: the one given, or that of the interface's network.

    ``hosts``: the variables of each. ``seen``: the networks of those that were asked.
    """
    placed: dict[str, list[Vip]] = {name: [] for name in seen}
    for ip, vip in vips.items():
        whole = 32 if networks.version(ip) == 4 else 128
        stray = ""
        for name, its in seen.items():
            fitting = _fitting(problems, name, vip.subject, ip, its, hosts[name]["infinitt_interface"])
            if not fitting:
                continue
            network = max(fitting, key=lambda network: network.prefix)
            placed[name].append(Vip(ip, vip.prefix or network.prefix, network.interface))
            # With any other prefix the host that takes the VIP would look for other networks on this one.
            if vip.prefix not in (None, whole, *(network.prefix for network in fitting)) and not stray:
                stray = f"the network of {network.interface} on {name} is {network.cidr}"
                problems.note(
                    vip.subject,
                    f"is {ip}/{vip.prefix}, and {stray}",
                    f"give /{network.prefix}, or /{whole} for the address alone",
                )
        networks.check_edge(problems, vip.subject, ip, networks.every(seen))
    return placed


def first_prefix(
    vips: Mapping[str, WrittenVip], placed: Mapping[str, Sequence[Vip]], seen: Mapping[str, Sequence[Network]]
) -> int | None:
    """Return the prefix of the first VIP's network: as the hosts' interfaces have it, else as written.

    The prefix of the VIP may be the host prefix; the network is the interface's, where one was seen.
    """
    first = next(iter(vips), "")
    for name, its in placed.items():
        interfaces = [vip.interface for vip in its if vip.address == first]
        prefixes = [network.prefix for network in seen[name] if network.interface in interfaces and first in network]
        if prefixes:
            return min(prefixes)
    return vips[first].prefix if first else None


def _fitting(
    problems: Problems, host: str, subject: str, vip: str, its: Sequence[Network], given: str | None
) -> list[Network]:
    """Return the networks with the VIP, all on one interface, or none after noting why."""
    fitting = [network for network in its if vip in network and given in (None, network.interface)]
    interfaces = sorted({network.interface for network in fitting})
    have = ", ".join(sorted(map(str, its))) or "none"
    if len(interfaces) > 1:
        problems.note(
            f"infinitt_interface of {host}",
            f"is not set, and {' and '.join(interfaces)} both have the network of the VIP {vip}",
            "choose one of them",
        )
        return []
    if not fitting and given:
        problems.note(
            f"infinitt_interface of {host}",
            f"is {given}, which has no network with the VIP {vip}",
            f"the networks of {host} are {have}",
        )
    elif not fitting:
        problems.note(subject, f"is {vip}, which is in no network of {host}", f"the networks of {host} are {have}")
    return fitting
