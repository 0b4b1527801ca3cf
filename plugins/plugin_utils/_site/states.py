# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Nodes that a person has taken out of service: what each load balancer remembers, and what holds for all.

An entry is a mapping of ``state``, ``since`` (seconds since the epoch), ``by`` (who) and ``cut`` (whether what is still
open is ended), by service and node. That a node is active again is an entry too: a load balancer that was away
meanwhile still has the former one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._phrases import owner
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.problems import CONTROLS
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.types import ACTIVE, STATES, Service

UNKNOWN = {"state": ACTIVE, "since": 0, "by": "", "cut": False}

States = Mapping[str, Mapping[str, Mapping[str, Any]]]


def merge(remembered: Iterable[Any], services: Sequence[Service]) -> dict[str, dict[str, dict[str, Any]]]:
    """Return the newest entry of each node of these services; what is of no such node is left out."""
    known = {(owner(service.name), node.name) for service in services for node in service.nodes}
    newest: dict[tuple[str, str], dict[str, Any]] = {}
    for key, entry in (pair for written in remembered for pair in _entries(written)):
        if key in known and entry["since"] > newest.get(key, UNKNOWN)["since"]:
            newest[key] = entry
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for (service, node), entry in sorted(newest.items()):
        found.setdefault(service, {})[node] = entry
    return found


def _entries(written: Any) -> Iterator[tuple[tuple[str, str], dict[str, Any]]]:
    """Yield what can be read of a load balancer's file, which may be missing or damaged."""
    for service, nodes in written.items() if isinstance(written, Mapping) else ():
        for node, entry in nodes.items() if isinstance(nodes, Mapping) else ():
            if not isinstance(entry, Mapping) or entry.get("state") not in STATES:
                continue
            since = entry.get("since")
            if isinstance(since, int):
                yield (
                    (str(service), str(node)),
                    {
                        "state": str(entry["state"]),
                        "since": int(since),
                        "by": CONTROLS.sub(" ", str(entry.get("by", ""))),
                        "cut": entry.get("cut") is True,
                    },
                )


def apply(services: Sequence[Service], states: States) -> list[Service]:
    """Return the services with the state of each of their nodes."""
    return [
        replace(
            service,
            nodes=[
                replace(node, state=entry["state"], cut=entry["cut"])
                for node in service.nodes
                for entry in [states.get(owner(service.name), {}).get(node.name, UNKNOWN)]
            ],
        )
        for service in services
    ]


def change(
    states: States, services: Iterable[str], node: str, state: str, since: int, by: str, cut: bool = False
) -> dict[str, dict[str, Mapping[str, Any]]]:
    """Return the states after a person has given a node of these services another one."""
    found: dict[str, dict[str, Mapping[str, Any]]] = {service: dict(nodes) for service, nodes in states.items()}
    for service in services:
        found.setdefault(service, {})[node] = {"state": state, "since": since, "by": by, "cut": cut}
    return found
