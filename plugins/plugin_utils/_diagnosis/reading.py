# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What more than one rule, or a screen, reads out of an observation."""

from __future__ import annotations

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis.observed import Endpoint, Observed


def holders(observed: Observed, vip: str) -> list[str]:
    """The hosts that have the VIP on an interface. A Keepalived that was killed may have left it there."""
    return [name for name, host in observed.items() if vip in host["keepalived"]["addresses"]]


def why(end: Endpoint) -> str:
    """Why an endpoint did not answer, as the end of a sentence that begins with it."""
    return end["error"]["text"] if end["error"] else "no reason given"


def running_services(observed: Observed) -> dict[str, dict[str, None]]:
    """Every service that a running HAProxy serves, with its nodes; the dictionaries keep the order."""
    services: dict[str, dict[str, None]] = {}
    for host in observed.values():
        for name, nodes in host["haproxy"]["services"].items():
            services.setdefault(name, {}).update(dict.fromkeys(nodes))
    return services
