# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who may connect to a service, by address, and how often."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.addresses import networks
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.networks import version
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.problems import Problems
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.types import Service


def read(problems: Problems, subject: str, merged: Mapping[str, Any], vip: str) -> list[str]:
    """Return what the user wrote; note what can never come to the VIP."""
    written: list[str] = merged.get("allowed_sources", [])
    for one in written:
        if version(one.partition("/")[0]) != version(vip):
            problems.note(
                f"{subject}.allowed_sources",
                f"has {one}, and the VIP {vip} is of the other address family",
                "give networks of one family",
            )
    return written


def at_once(own: Mapping[str, Any], merged: Mapping[str, Any], nodes: Sequence[Mapping[str, Any]]) -> int:
    """Return how many connections one client's address may have at once; 0: any number.

    Where a node takes only so many, and each connection of a client is one of the node's, the default leaves the last
    one to the others. ``own``: the keys that the user wrote; ``merged``: all of them.
    """
    limit: int = merged["client_connections"]
    room = [node["max_connections"] - 1 for node in nodes if node.get("max_connections")]
    if "client_connections" in own or merged["mode"] == "http" or not room:
        return limit
    return max(1, min(limit, *room))


def with_ours(services: Sequence[Service], addresses: Sequence[str]) -> list[Service]:
    """Return the services with the load balancers among those who may connect: they ask the VIPs.

    ``addresses``: the load balancers' own. Whoever asks a VIP that it has itself does so from that one.
    """
    return [
        replace(
            service,
            allowed_sources=networks(
                [
                    *service.allowed_sources,
                    *(ip for ip in (*addresses, service.address) if version(ip) == version(service.address)),
                ]
            )
            if service.allowed_sources
            else [],
        )
        for service in services
    ]
