# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which rules apply before anything is changed."""

from __future__ import annotations

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis import (
    certificates,
    daemons,
    forwarding,
    mirror,
    nodes,
    versions,
    vip,
)
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis.observed import Observed, Site
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis.problem import Problem


def problems(site: Site, observed: Observed, require: str, now: float = 0) -> list[Problem]:
    """Every promise that a deployment could not keep.

    ``require``: all, any (at least one node of each service, from every load balancer) or none. ``now``: seconds since
    the epoch.
    """
    found: list[Problem] = []
    for name, host in observed.items():
        found += nodes.silent(name, site, host["endpoints"], require)
        found += versions.unsuitable(name, host, bool(site["layer4_services"]))
        found += daemons.unwritable(name, host["unwritable"])
        found += daemons.port_taken(name, site["hosts"][name]["ports"], host["listeners"])
        found += vip.peer_unreachable(name, site, observed)
        found += vip.stray(name, site, host)
        found += certificates.unusable(name, host)
        if site["layer4_services"]:
            found += forwarding.site_settings(name, host["settings"])
            found += mirror.not_encryptable(name, site, host["wireguard"])
    found += certificates.expired(site, observed, now)
    return [*found, *vip.foreign_holder(site, observed)]


def notices(site: Site, observed: Observed, now: float) -> list[Problem]:
    """What a person should know before the site is deployed so. ``now``: seconds since the epoch."""
    return [
        *forwarding.nodes_see(site),
        *forwarding.web_forwarded(site),
        *certificates.expires(site, observed, now),
        *certificates.unproven(site),
    ]
