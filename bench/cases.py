# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The transfers that bench.py measured, and what the page and its plots share."""

from __future__ import annotations

import statistics

WAYS = {"direct": "direct", "7": "layer 7", "4": "layer 4"}
PAUSE = 1.2  # seconds: the target for the longest pause of an association


class Case:
    """One of the transfers: rates and processor time by way, in the order of the rounds."""

    def __init__(self, case: dict) -> None:
        self.link, self.what, self.streams = case["link"], case["what"], case["streams"]
        idle = case["idle"]
        self.rest = {name: idle[name] / idle["elapsed"] for name in ("machine", "lab")}
        self.rates: dict[str, list[float]] = {way: [] for way in WAYS}
        self.costs: dict[str, list[float]] = {way: [] for way in WAYS}
        self.machine: dict[str, list[float]] = {way: [] for way in WAYS}
        self.processes: dict[str, list[float]] = {way: [] for way in WAYS}
        for run in case["runs"]:
            gigabits = 8e-9 * run["bytes"]
            self.rates[run["way"]].append(gigabits / run["seconds"])
            self.costs[run["way"]].append((run["lab"] - self.rest["lab"] * run["elapsed"]) / gigabits)
            self.machine[run["way"]].append((run["machine"] - self.rest["machine"] * run["elapsed"]) / gigabits)
            self.processes[run["way"]].append(run["balancers"] / gigabits)

    @property
    def name(self) -> str:
        return f"{self.what}, {self.streams} stream{'s' if self.streams > 1 else ''}"

    def ratio(self, way: str, to: str) -> float:
        return statistics.median(ours / theirs for ours, theirs in zip(self.rates[way], self.rates[to]))

    def added(self, way: str, costs: dict[str, list[float]]) -> float:
        return statistics.median(costs[way]) - statistics.median(costs["direct"])
