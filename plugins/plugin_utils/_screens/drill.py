# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a drill found, on one screen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._phrases import listed
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._screens.text import page, table

REACHED = {True: "yes", False: "NO", None: "-"}


def drill_table(report: Mapping[str, Any]) -> str:
    """Each promise of each fault that was tried: measured, to reach, reached; and what is wrong after it."""
    rows = [["fault", "VIP", "promise", "measured", "to reach", "reached"]]
    for fault in report["faults"]:
        moved = f"{fault['target']} to {fault['holder']}" if fault["holder"] != fault["target"] else fault["target"]
        for number, verdict in enumerate(fault["verdicts"]):
            head = [fault["name"], moved] if number == 0 else ["", ""]
            rows.append([*head, verdict["what"], verdict["measured"], verdict["to_reach"], REACHED[verdict["kept"]]])
    left = [problem for fault in report["faults"] for problem in fault["problems"]]
    missing = [f"Not tried: {listed(report['not_tried'])}."] if report["not_tried"] else []
    return page(table(rows), left, missing)
