# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Draw panels of monitoring/dashboard.json from what a Prometheus answered in the scenario `eyes`.

usage: dashboard.py ANSWERS PICTURE
"""

from __future__ import annotations

import json
import re
import sys

from matplotlib import pyplot
from pictures import begin, interrupted, save, spans

# In two columns.
PANELS = (
    "Problems",
    "VRRP",
    "Checks of the nodes",
    "What a modality is answered",
    "Who calls",
    "New sessions",
    "Bytes through the kernel",
    "Mirror",
)
STATES = {
    "VRRP": {0: ("cannot take over", "#c4162a"), 1: ("standby", "#3274d9"), 2: ("active", "#37872d")},
    "Checks of the nodes": {0: ("down", "#c4162a"), 1: ("up", "#37872d")},
}
UNITS = {"s": "seconds", "Bps": "bytes a second"}
GAP = 3  # steps without a value, after which a line is interrupted


def named(legend: str, metric: dict[str, str]) -> str:
    return re.sub(r"{{(\w+)}}", lambda found: metric.get(found[1], ""), legend)


def points(values: list[list], began: float) -> list[tuple[float, float]]:
    """Minutes since the beginning, and values."""
    return [((moment - began) / 60, float(value)) for moment, value in values]


def draw_states(axes, panel: dict, began: float, step: float) -> None:
    """A row for each series, coloured by its value; nothing where nothing is known."""
    rows = [(target["legend"], its) for target in panel["targets"] for its in target["series"]]
    for place, (_legend, its) in enumerate(rows):
        known = points(its["values"], began)
        for value, (_word, colour) in STATES[panel["title"]].items():
            axes.broken_barh(spans([at for at, its in known if its == value], step), (place - 0.4, 0.8), color=colour)
    axes.set_yticks(range(len(rows)), [named(legend, its["metric"]) for legend, its in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    for word, colour in STATES[panel["title"]].values():
        axes.barh(0, 0, color=colour, label=word)


def draw_lines(axes, panel: dict, began: float, step: float) -> None:
    axes.set_ylabel(UNITS.get(panel["unit"], ""))
    for target in panel["targets"]:
        for its in target["series"]:
            line = interrupted(points(its["values"], began), GAP * step)
            axes.plot(*line, linewidth=1, label=named(target["legend"], its["metric"]))


def main(answers: str, picture: str) -> None:
    begin(8)
    with open(answers, encoding="utf-8") as file:
        found = json.load(file)
    began, ended, step = found["began"], found["ended"], found["step"] / 60
    panels = {panel["title"]: panel for panel in found["panels"]}
    figure, places = pyplot.subplots(len(PANELS) // 2, 2, figsize=(12, 2.6 * len(PANELS) / 2), sharex=True)
    for axes, title in zip(places.flat, PANELS):
        (draw_states if title in STATES else draw_lines)(axes, panels[title], began, step)
        axes.set_title(title, loc="left", fontweight="bold", fontsize=9)
        axes.set_xlim(0, (ended - began) / 60)
        axes.legend(frameon=False, fontsize=6, ncols=2, loc="upper left", bbox_to_anchor=(0, -0.12))
    for axes in places[-1]:
        axes.xaxis.set_tick_params(labelbottom=True)
        axes.set_xlabel("minutes", loc="right")
    figure.tight_layout()
    save(figure, picture, facecolor="white")


if __name__ == "__main__":
    main(*sys.argv[1:])
