# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What only a proxy can do, and so a service at layer 4 cannot have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.networks import version
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.problems import Problems
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.types import Service


def check(
    problems: Problems,
    subject: str,
    own: Mapping[str, Any],
    merged: Mapping[str, Any],
    vip: str,
    nodes: Sequence[Mapping[str, Any]],
) -> None:
    """Note what the kernel cannot do for a service. ``own``: the keys that the user wrote; ``merged``: all of them."""
    if merged["mode"] == "http":
        problems.note(f"{subject}.layer", "is 4 with mode http", "only a proxy understands HTTP: give layer 7")
    elif merged["persistence"] != "source":
        problems.note(
            f"{subject}.persistence",
            f"is {merged['persistence']} at layer 4",
            "there a client's address chooses its node: give source, or layer 7",
        )
    if "persist_for" in own:
        problems.note(
            f"{subject}.persist_for",
            "is given at layer 4",
            "there a client keeps its node for good: leave it out, or give layer 7",
        )
    for node in nodes:
        if node.get("max_connections"):
            problems.note(
                f"{subject}.layer",
                f"is 4, and the node {node['name']} has max_connections",
                "only a proxy can count: leave that out, or give layer 7",
            )
        if "address" in node and version(node["address"]) != version(vip):
            problems.note(
                f"{subject}.layer",
                f"is 4, and the node {node['name']} ({node['address']}) is of another family than the VIP {vip}",
                "only a proxy can go between them: give layer 7",
            )


def check_together(problems: Problems, services: Sequence[Service]) -> None:
    """Note services that share a client's node and do not choose it in the same place."""
    by_name = {service.name: service for service in services}
    for service in services:
        other = by_name[service.affinity] if service.affinity else service
        if service.layer != other.layer:
            problems.note(
                f"infinitt_services.{service.name}.layer",
                f"is {service.layer}, and that of {other.name}, with which it shares a client's node, is {other.layer}",
                "give both the same layer, or one of them another persistence",
            )


def source_ports(services: Sequence[Service]) -> str:
    """Return the widest range of ports above 1023 that no forwarded service has: from these the nodes are asked."""
    edges = sorted({1023, 65536, *(service.port for service in services if service.layer == 4 and service.port > 1023)})
    low, high = max(zip(edges, edges[1:]), key=lambda pair: pair[1] - pair[0])
    return f"{low + 1}-{high - 1}"
