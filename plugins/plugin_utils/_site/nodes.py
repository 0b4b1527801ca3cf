# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The PACS nodes: those of the site, and those of one service."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.problems import Problems, nearest, show
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.types import Node
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.values import NAME, is_set
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.variables import NODE_KEYS, read_keys


def read(problems: Problems, subject: str, written: Any) -> list[dict[str, Any]]:
    """Return the keys of each node of a list; note names and addresses that occur twice."""
    if not isinstance(written, Sequence) or isinstance(written, (str, bytes)):
        problems.note(
            subject,
            f"is {show(written)}, which is not a list",
            "give a list such as [{name: pacs1, address: 198.51.100.21}]",
        )
        return []
    nodes: list[dict[str, Any]] = []
    for index, entry in enumerate(written):
        name = entry.get("name") if isinstance(entry, Mapping) else None
        place = f"{subject}[{index}]" + (f" ({name})" if isinstance(name, str) and NAME.fullmatch(name) else "")
        before = len(problems)
        node = read_keys(problems, place, entry, NODE_KEYS)
        if isinstance(entry, Mapping):
            for key in ("name", "address"):
                if not is_set(entry.get(key)):
                    problems.note(place, f"has no {key}", "a node needs a name and an address")
        for key in ("name", "address"):
            if key in node and any(node[key] == other.get(key) for other in nodes):
                problems.note(place, f"repeats the {key} {node[key]}", f"give every node its own {key}")
        twin = next((other for other in nodes if "name" in node and _same_id(node["name"], other.get("name"))), None)
        if twin:
            problems.note(
                place,
                f"has the same id in HAProxy as {twin['name']}, since ids are made from names",
                "rename one of them",
            )
        if len(problems) == before or "name" in node:
            nodes.append(node)
    _check_weights(problems, subject, nodes)
    return nodes


def of_service(problems: Problems, subject: str, written: Any, nodes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return all nodes, those named, or those of a list of the service's own."""
    if not is_set(written):
        return nodes
    if not isinstance(written, Sequence) or isinstance(written, str) or not written:
        problems.note(
            subject,
            f"is {show(written)}, which is not a list of nodes",
            "give names such as [pacs1], or a list of its own nodes",
        )
        return []
    if not all(isinstance(entry, (str, int)) and not isinstance(entry, bool) for entry in written):
        return read(problems, subject, written)
    known = {node["name"]: node for node in nodes if "name" in node}
    names = [str(entry).strip(" ") for entry in written]
    for name in names:
        if name not in known:
            problems.note(
                subject,
                f"names {show(name)}, which is not in infinitt_nodes",
                nearest(name, list(known)) if known else "define it there",
            )
    chosen = [known[name] for name in dict.fromkeys(names) if name in known]
    if any(node.get("weight") != 0 for node in nodes):  # otherwise it was noted for all of them
        _check_weights(problems, subject, chosen)
    return chosen


def _check_weights(problems: Problems, subject: str, nodes: Sequence[Mapping[str, Any]]) -> None:
    if nodes and all(node.get("weight") == 0 for node in nodes):
        problems.note(
            subject,
            "sets the weight of every node to 0, so none of them serves",
            "give at least one of them a higher weight",
        )


def typed(nodes: Sequence[Mapping[str, Any]], port: int) -> list[Node]:
    """Return the nodes of one service that have a name and an address."""
    return [
        Node(port=port, id=_number(node["name"]), cookie=_cookie(node["name"]), **node)
        for node in nodes
        if "name" in node and "address" in node
    ]


def _number(name: str) -> int:
    """Return a server's id: made from its name, so that the consistent hash keeps its places when the list is sorted
    anew or a node leaves."""
    return zlib.crc32(name.encode()) & 0x7FFFFFFF or 1


def _same_id(name: str, other: str | None) -> bool:
    return other is not None and other != name and _number(other) == _number(name)


def _cookie(name: str) -> str:
    """Return a value that is the same on every load balancer and tells an outsider nothing."""
    return hashlib.sha256(name.encode()).hexdigest()[:12]
