# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Load balancers that the inventory does not have, and those that run still know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def strangers(hosts: Mapping[str, Mapping[str, Any]], known: Sequence[str]) -> dict[str, list[str]]:
    """Return the addresses that running load balancers have as a peer and no load balancer has, and who has them so.

    ``hosts``: see ``build``. ``known``: the load balancers' own addresses and the VIPs. An address that stands on one
    of the hosts is no stranger's: it may be the one that a host had before.
    """
    facts = [host["facts"] for host in hosts.values() if host.get("facts")]
    ours = {ip for its in facts for key in ("all_ipv4_addresses", "all_ipv6_addresses") for ip in its.get(key, [])}
    # A standalone unit's peer is its own VIP.
    ours.update(known, *(host.get("managed", []) for host in hosts.values()))
    found: dict[str, list[str]] = {}
    for name, host in hosts.items():
        for ip in host.get("heard", []):
            if ip not in ours:
                found.setdefault(ip, []).append(name)
    return found
