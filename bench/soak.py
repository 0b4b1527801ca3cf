# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Draw what `make soak` has seen: the steps, the longest waits, the alerts, and what the daemons used.

usage: soak.py EVENTS PICTURE
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable

from matplotlib import pyplot
from pictures import begin, interrupted, save, spans

GAP = 0.7  # minutes without a measurement, after which a line is interrupted: the load balancer was away
COLOURS = {
    "haproxy": "#d55e00",
    "keepalived": "#009e73",
    "layer4": "#0072b2",
    "conntrackd": "#cc79a7",
    "prometheus-node-exporter": "#8a8f98",
}
HOSTS = {"lb1": "-", "lb2": ":"}


def lives(axes, used: list[dict], minute: Callable[[dict], float], what: str, unit: float) -> None:
    """A line for each daemon of each load balancer."""
    for host, style in HOSTS.items():
        for daemon, colour in COLOURS.items():
            its = [event for event in used if (event["host"], event["unit"]) == (host, daemon)]
            line = interrupted([(minute(event), event[what] / unit) for event in its], GAP)
            axes.plot(*line, style, color=colour, linewidth=1, label=f"{daemon} {host}")


def main(path: str, picture: str) -> None:
    with open(path, encoding="utf-8") as file:
        events = [json.loads(line) for line in file]
    began = min(event["t"] for event in events)

    def minute(event: dict) -> float:
        return (event["t"] - began) / 60

    def of(kind: str) -> list[dict]:
        return sorted((event for event in events if event["event"] == kind), key=minute)

    begin(8)
    figure, places = pyplot.subplots(4, 1, figsize=(11, 9), sharex=True, height_ratios=[2, 2, 3, 3])
    alerts, waits, memory, descriptors = places
    longest: dict[int, float] = {}
    for event in of("answer"):
        if "waited" in event:
            place = int(minute(event) * 12)
            longest[place] = max(longest.get(place, 0), event["waited"])
    waits.bar([place / 12 for place in longest], list(longest.values()), 1 / 12, color="#0072b2")
    waits.set_title("Longest wait for an answer, in seconds", loc="left", fontweight="bold")
    rows: dict[str, tuple[str, list[tuple[float, float]]]] = {}
    steps = of("step")
    last = max(minute(event) for event in events)
    for event, end in zip(steps, [*map(minute, steps[1:]), last]):
        name = event["step"].split("@")[0].split(":")[0].replace("_", " ")
        rows.setdefault(name, ("#0072b2", []))[1].append((minute(event), end - minute(event)))
    for event in of("fired"):
        moments = [(moment - began) / 60 for moment in event["moments"]]
        rows[event["name"]] = ("#d55e00", spans(moments, event["step"] / 60))
    for place, (colour, its) in enumerate(rows.values()):
        alerts.broken_barh(its, (place - 0.35, 0.7), color=colour)
    alerts.set_yticks(range(len(rows)), list(rows))
    alerts.set_ylim(len(rows) - 0.5, -0.5)
    alerts.set_title("Steps, and the alerts that fired", loc="left", fontweight="bold")
    lives(memory, of("used"), minute, "memory", 1024)
    memory.set_title("Memory, in MiB", loc="left", fontweight="bold")
    lives(descriptors, of("used"), minute, "descriptors", 1)
    descriptors.set_title("File descriptors", loc="left", fontweight="bold")
    for axes in places:
        axes.set_xlim(left=0)
        for event in steps:
            axes.axvline(minute(event), color="#dddddd", linewidth=0.6, zorder=0)
    for axes in (memory, descriptors):
        axes.set_ylim(bottom=0)
    descriptors.legend(frameon=False, fontsize=6, ncols=5, loc="upper left", bbox_to_anchor=(0, -0.15))
    descriptors.set_xlabel("minutes", loc="right")
    figure.tight_layout()
    save(figure, picture, facecolor="white")


if __name__ == "__main__":
    main(*sys.argv[1:])
