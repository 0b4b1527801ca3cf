# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Draw the plots of the benchmark page."""

from __future__ import annotations

import pathlib
import statistics

from cases import PAUSE, WAYS, Case
from matplotlib import pyplot
from pictures import begin, save

COLOURS = {"direct": "#8a8f98", "7": "#d55e00", "4": "#0072b2"}  # distinct for the colour-blind too


def bars(axes, names: list[str], values: dict[str, list[list[float]]]) -> None:
    """Draw a group of three bars for each name, with a line from the lowest to the highest value."""
    for place, way in enumerate(WAYS):
        middle = [statistics.median(found) for found in values[way]]
        ends = [
            [mid - min(found) for mid, found in zip(middle, values[way])],
            [max(found) - mid for mid, found in zip(middle, values[way])],
        ]
        where = [group + 0.27 * (place - 1) for group in range(len(names))]
        axes.bar(where, middle, 0.25, yerr=ends, color=COLOURS[way], label=WAYS[way], error_kw={"elinewidth": 1})
    axes.set_xticks(range(len(names)), [name.replace(", ", "\n") for name in names])
    axes.set_ylim(bottom=0)


def draw(cases: list[Case], found: list[dict], plots: pathlib.Path) -> None:
    """Draw throughput, processor time and pauses (``found``: the losses of a load balancer) into a directory."""
    begin(9)
    plots.mkdir(exist_ok=True)

    figure, both = pyplot.subplots(1, 2, figsize=(9, 3))
    for axes, link in zip(both, ("1 Gbit/s", "unlimited")):
        some = [case for case in cases if case.link == link]
        bars(axes, [case.name for case in some], {way: [case.rates[way] for case in some] for way in WAYS})
        axes.set_title("without a limit" if link == "unlimited" else "links of 1 Gbit/s")
        axes.set_ylabel("Gbit/s")
    both[1].legend(frameon=False, loc="upper left")
    figure.tight_layout()
    save(figure, plots / "throughput.svg", bbox_inches="tight")

    figure, axes = pyplot.subplots(figsize=(6, 3))
    some = [case for case in cases if case.link == "unlimited"]
    bars(axes, [case.name for case in some], {way: [case.costs[way] for case in some] for way in WAYS})
    axes.set_ylabel("processor seconds per Gbit")
    axes.legend(frameon=False)
    save(figure, plots / "processor.svg", bbox_inches="tight")

    figure, axes = pyplot.subplots(figsize=(6, 3))
    for loss, style in zip(found, (":", "--", "-")):
        waited = sorted(loss["after"]["4"]["waited"])
        steps = [0, *waited, PAUSE * 1.1]
        share = [100 * number / loss["numbers"]["4"] for number in range(len(waited) + 1)]
        axes.plot(
            steps,
            [*share, share[-1]],
            style,
            color=COLOURS["4"],
            drawstyle="steps-post",
            label=f"{loss['numbers']['4']:,} at layer 4",
        )
    axes.axvline(PAUSE, color=COLOURS["7"], linewidth=1)
    axes.text(PAUSE, 50, "target ", color=COLOURS["7"], ha="right")
    axes.set_xlabel("pause in seconds")
    axes.set_ylabel("% of the associations that waited less")
    axes.set_xlim(0, PAUSE * 1.1)
    axes.legend(frameon=False, loc="upper left")
    save(figure, plots / "pause.svg", bbox_inches="tight")
