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
    if merged["persistence"] != "source":
        problems.note(
            f"{subject}.persistence",
            f"is {merged['persistence']} at layer 4, where the client's address selects the node",
            "set it to source, or set layer: 7",
        )
    if "persist_for" in own:
        problems.note(
            f"{subject}.persist_for",
            "is set at layer 4, where a client keeps its node for good",
            "remove it, or set layer: 7",
        )
    if "timeout" in own:
        problems.note(
            f"{subject}.timeout",
            "is set at layer 4, where the kernel decides how long a connection may be idle",
            "remove it, or set layer: 7",
        )
    if "tls" in own:
        problems.note(
            f"{subject}.tls",
            "is set at layer 4, where the kernel forwards connections as they come and the nodes terminate TLS",
            "remove it, or set layer: 7",
        )
    if "node_tls" in own:
        problems.note(
            f"{subject}.node_tls",
            "is set at layer 4, where clients themselves speak TLS with the nodes: only a proxy can do it for them",
            "remove it, or set layer: 7",
        )
    for node in nodes:
        if node.get("max_connections"):
            problems.note(
                f"{subject}.layer",
                f"is 4, and the node {node['name']} has max_connections, which only a proxy can enforce",
                "remove it, or set layer: 7",
            )
        if "address" in node and version(node["address"]) != version(vip):
            problems.note(
                f"{subject}.layer",
                f"is 4, and the node {node['name']} ({node['address']}) and the VIP {vip} are of different address "
                "families",
                "only a proxy can connect them: set layer: 7",
            )


def check_together(problems: Problems, services: Sequence[Service]) -> None:
    """Note services that share a client's node and do not choose it in the same place."""
    by_name = {service.name: service for service in services}
    for service in services:
        other = by_name[service.affinity] if service.affinity else service
        if service.layer != other.layer:
            problems.note(
                f"infinitt_services.{service.name}.layer",
                f"is {service.layer}, and that of {other.name}, with which it shares persistence, is {other.layer}",
                "give both the same layer, or one of them a different persistence",
            )


def source_ports(services: Sequence[Service]) -> str:
    """Return the widest range of ports above 1023 that no forwarded service has: from these the nodes are asked."""
    edges = sorted({1023, 65536, *(service.port for service in services if service.layer == 4 and service.port > 1023)})
    low, high = max(zip(edges, edges[1:]), key=lambda pair: pair[1] - pair[0])
    return f"{low + 1}-{high - 1}"
