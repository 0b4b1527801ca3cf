# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Former VIPs: whoever has not been given the new one yet is served on them too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.addresses import VirtualAddress
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.networks import version
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.problems import Problems
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.types import Service


def check(
    problems: Problems,
    former: Sequence[VirtualAddress],
    site_vip: VirtualAddress | None,
    current: Mapping[str, VirtualAddress],
) -> None:
    """Note a former VIP that is still one or of the other address family. ``current``: the VIP of each service."""
    in_use = {ip for ip, _prefix in current.values()}
    seen: set[str] = set()
    for ip, _prefix in former:
        if ip in in_use:
            problems.note("infinitt_former_vips", f"has {ip}, which is the VIP of a service", "remove it")
        elif ip in seen:
            problems.note("infinitt_former_vips", f"has {ip} twice", "remove one of them")
        elif site_vip and version(ip) != version(site_vip[0]):
            problems.note(
                "infinitt_former_vips",
                f"has {ip}, and the VIP {site_vip[0]} is of the other address family",
                "give addresses of one family",
            )
        seen.add(ip)


def serve(
    services: Sequence[Service], site_vip: VirtualAddress | None, former: Sequence[VirtualAddress]
) -> list[Service]:
    """Return the services, and each that has no VIP of its own once more for every former VIP.

    Such a copy has the nodes, the checks and the affinity of its original. Its name, such as ``dicom:198.51.100.9``,
    can be none of the user's; by it the logs tell who still comes to a former VIP.
    """
    copies = [
        replace(service, name=f"{service.name}:{ip}", address=ip, former=True)
        for ip, _prefix in former
        for service in services
        if site_vip and service.address == site_vip[0] and not service.route_of
    ]
    return [*services, *copies]
