# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the nodes answered before a deployment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis.problem import Problem
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._phrases import listed
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._screens.text import (
    certificate_table,
    page,
    section,
    table,
)


def preflight_table(
    observed: Mapping[str, Mapping[str, Any]],
    notices: Sequence[Problem] = (),
    certificates: Sequence[tuple[str, str]] = (),
) -> str:
    """Every service on every node, with a column for each load balancer that asked, and below it each failure, each
    certificate with its end, and each notice.

    ``observed``: for each load balancer ``endpoints``, of the backend check.
    """
    answers: dict[tuple[str, ...], dict[str, Mapping[str, Any]]] = {}
    for name, host in observed.items():
        for end in host["endpoints"]:
            key = (end["service"], end["node"], end["address"], str(end["port"]), end["check"])
            answers.setdefault(key, {})[name] = end
    rows = [["service", "node", "address", "port", "check", *observed]]
    rows += [[*key, *(_answer(ends.get(name)) for name in observed)] for key, ends in answers.items()]
    failures: dict[tuple[str, str], list[str]] = {}
    for (service, node, address, port, _check), ends in answers.items():
        for name, end in ends.items():
            text = end["error"]["text"] if end["error"] else end.get("note")
            if text:
                failures.setdefault((f"{service} on {node} ({address} port {port})", text), []).append(name)
    lines = [f"{where}, asked from {listed(names)}: {text}" for (where, text), names in failures.items()]
    return page(table(rows), lines, certificate_table(certificates), section("Notices", notices))


def _answer(end: Mapping[str, Any] | None) -> str:
    if end is None:
        return "not asked"
    if not end["reachable"]:
        return str(end["error"]["kind"]).replace("_", " ")
    return f"{end['total_ms']:.0f} ms" if end["total_ms"] >= 10 else f"{end['total_ms']:.1f} ms"
