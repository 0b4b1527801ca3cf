# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which node a client's slot belongs to. Pure."""

from __future__ import annotations

import functools
import hashlib
import math

SLOTS = 256  # as in the rules: the client's address chooses one of them


@functools.lru_cache(maxsize=None)
def rank(slot: int, name: str, weight: float) -> float:
    """Score a node in a slot; the highest wins.

    Weighted rendezvous hashing, so that a node moves only its own slots.
    """
    digest = hashlib.sha256(f"{slot} {name}".encode()).digest()
    return -weight / math.log((int.from_bytes(digest[:8], "big") + 1) / (2**64 + 1))


def place(nodes: list[dict], weights: dict[str, float], choice: int = 0) -> list[dict | None]:
    """Choose each slot's node, or with `choice` 1 the one that takes its place where the first does not answer.

    `weights`: of the nodes that take new connections, by name. A backup comes after all others.
    """
    takes = [node for node in nodes if weights.get(node["name"])]
    if choice >= len(takes):
        return [None] * SLOTS

    def score(slot: int, node: dict) -> tuple[bool, float]:
        return not node["backup"], rank(slot, node["name"], weights[node["name"]])

    return [sorted(takes, key=lambda node: score(slot, node), reverse=True)[choice] for slot in range(SLOTS)]
