# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules about former VIPs."""

from __future__ import annotations

import time
from collections.abc import Iterator

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis.observed import Observed, Site
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis.problem import Problem
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._phrases import listed

SHOWN_CLIENTS = 10


def used(site: Site, observed: Observed) -> Iterator[Problem]:
    """Who still comes to a former VIP; the load balancers themselves do not count."""
    names = {service["name"]: service["address"] for service in site["former_services"]}
    ours = {peer["address"] for peer in site["peers"]}
    visits = [visit for host in observed.values() for visit in host.get("visits", []) if visit["client"] not in ours]
    for vip in dict.fromkeys(names.values()):
        last: dict[str, tuple[float, str]] = {}
        for visit in visits:
            if names.get(visit["service"]) == vip:
                service = visit["service"].partition(":")[0]
                last[visit["client"]] = max(last.get(visit["client"], (0.0, "")), (visit["last"], service))
        clients = sorted(last.items(), key=lambda item: -item[1][0])
        shown = [
            f"{client} ({service}, {time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime(moment))})"
            for client, (moment, service) in clients
        ]
        more = [f"{len(shown) - SHOWN_CLIENTS} more"] if len(shown) > SHOWN_CLIENTS else []
        who = f"was last used by {listed(shown[:SHOWN_CLIENTS] + more)}" if shown else "was used by nobody in 30 days"
        yield Problem(
            "former_vip",
            vip,
            f"The former VIP {vip} {who}.",
            "Give them the new one." if shown else "Take it out of infinitt_former_vips.",
        )
