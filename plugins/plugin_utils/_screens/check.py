# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a modality would be answered, on one screen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis.nodes import entry
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis.observed import Endpoint, Site
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis.problem import Problem
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._phrases import lapse, listed
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._screens.text import page, section, table

# The phases of a conversation, as columns, in their order.
PHASES = {"connect": "connect", "tls": "TLS", "http": "HTTP", "associate": "associate"}
PHASES |= {"echo": "C-ECHO", "find": "C-FIND", "store": "C-STORE"}


def check_screen(
    site: Site, answers: Mapping[str, Any], problems: Sequence[Problem], notices: Sequence[Problem] = ()
) -> str:
    """How long each phase took, for each service through the VIP and on each node, and for each modality; then what
    became of the test object, and what is wrong.

    ``answers``: as `_diagnosis.answers.Answers`.
    """
    asked = sorted([*answers["through"], *answers["store"], *answers["nodes"]], key=lambda end: _place(site, end))
    return page(
        [f"Asked from {answers['by']}{', which holds the VIP and so asks itself' if answers['itself'] else ''}:"],
        _timed(["service", "asked"], [([end["service"], _asked(site, end)], end) for end in asked]),
        _timed(["modality", "address"], [([end["node"], end["address"]], end) for end in answers["modalities"]]),
        [*_test_object(answers)],
        section("Problems", problems),
        section("Notices", notices),
    )


def _place(site: Site, end: Endpoint) -> int:
    return [service["name"] for service in site["services"]].index(end["service"])


def _asked(site: Site, end: Endpoint) -> str:
    return f"{end['node']} (out)" if entry(site, end["service"], end["node"]) else end["node"]


def _timed(heads: Sequence[str], rows: Sequence[tuple[Sequence[str], Endpoint]]) -> list[str]:
    """A table with a column for each phase that any of the rows has."""
    if not rows:
        return []
    phases = [phase for phase in PHASES if any(phase in end["latency_ms"] for _cells, end in rows)]
    counts = any(end["matches"] is not None for _cells, end in rows)
    lines = [[*heads, *(PHASES[phase] for phase in phases), *["matches"] * counts, "answer"]]
    for cells, end in rows:
        times = [lapse(end["latency_ms"][phase]) if phase in end["latency_ms"] else "-" for phase in phases]
        lines.append([*cells, *times, *[_matches(end)] * counts, _answer(end)])
    return table(lines)


def _matches(end: Endpoint) -> str:
    return "-" if end["matches"] is None else f"{end['matches']}{'+' if end['more'] else ''}"


def _answer(end: Endpoint) -> str:
    return "yes" if end["reachable"] else str(end["error"]["kind"]).replace("_", " ") if end["error"] else "no"


def _test_object(answers: Mapping[str, Any]) -> Iterator[str]:
    for end in answers["store"]:
        if end["reachable"]:
            nodes = dict.fromkeys(node["node"] for node in answers["has"] if node["reachable"])
            found = [other["service"] for other in answers["find"] if other["reachable"]]
            through = f"found through {listed(found)}" if found else "not found"
            where = listed(nodes) if nodes else "no node"
            yield f"The test object was stored through {end['service']} and {through}; asked directly, {where} has it."
        if end.get("note"):
            yield f"{end['service']} {end['note']}"
