# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report as one page: where each mark of a timeline stands, and the template that draws it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._phrases import lapse, listed

try:
    import jinja2
except ImportError:  # Ansible has it
    jinja2 = None  # type: ignore[assignment]

WIDTH = 1000.0
LEFT = 118.0  # of the names of the rows
RIGHT = 986.0
TOP = 20.0
ROW = 18.0
HALF = 0.5  # answers nearer than this (px) are one mark


def page(report: Mapping[str, Any]) -> str:
    """Return the HTML of a report: whole, without a script or anything from elsewhere."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(lapse=lapse, listed=listed)
    return environment.get_template("page.html.j2").render(
        report=report,
        faults=[{**fault, "panels": panels(fault, report)} for fault in report["faults"]],
        colours={name: number % 4 for number, name in enumerate(report["nodes"])},
    )


def panels(fault: Mapping[str, Any], report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the fault from near, and the whole of it."""
    silences = [
        silence["until"]
        for probe in fault["probes"].values()
        for silence in probe["silences"]
        if silence["since"] < fault["undone"]
    ]
    reach = min(max([0.6, *silences]), fault["ended"])
    near = panel(fault, report, -0.3 * reach, reach * 1.3)
    return [
        {**near, "title": "The moment of the move" if fault["planned"] else "The moment of the fault"},
        {**panel(fault, report, fault["began"], fault["ended"]), "title": "From before it until the pair was healthy"},
    ]


def panel(fault: Mapping[str, Any], report: Mapping[str, Any], begin: float, end: float) -> dict[str, Any]:
    """Return what is drawn of a fault between two moments, in seconds since it began; x and y are pixels."""

    def x(moment: float) -> float:
        share = (min(max(moment, begin), end) - begin) / (end - begin)
        return round(LEFT + share * (RIGHT - LEFT), 1)

    def span(since: float, until: float) -> dict[str, float]:
        return {"x": x(since), "width": round(max(x(until) - x(since), 1.0), 1)}

    def inside(since: float, until: float) -> bool:
        return until >= begin and since <= end

    rows: list[dict[str, Any]] = []
    for number, name in enumerate(report["load_balancers"]):
        bands = [
            span(each["since"], each["until"])
            for each in fault["owners"]
            if each["host"] == name and inside(each["since"], each["until"])
        ]
        rows.append({"label": f"VIP on {name}", "kind": "owner", "colour": number % 3, "bands": bands})
    for service, probe in fault["probes"].items():
        samples = [sample for sample in probe["samples"] if inside(sample[0], sample[1])]
        nodes = list(dict.fromkeys(sample[2] for sample in probe["samples"] if not sample[3]))
        for node in [name for name in report["nodes"] if name in nodes] + [""] * ("" in nodes or not nodes):
            answers = [
                sample for sample in samples if sample[2] == node and not sample[3] and begin <= sample[1] <= end
            ]
            rows.append(
                {
                    "label": f"{service} {node}".strip(),
                    "kind": service,
                    "node": node,
                    "marks": _thinned(x(sample[1]) for sample in answers),
                    "waits": [span(sample[0], sample[1]) for sample in answers if x(sample[1]) - x(sample[0]) >= 2],
                }
            )
        failed = _thinned(x(sample[0]) for sample in samples if sample[3] and begin <= sample[0] <= end)
        if failed or probe["errors"]:
            rows.append({"label": f"{service} failed", "kind": "failed", "marks": failed})
    for number, row in enumerate(rows):
        row["y"] = TOP + number * ROW
    bottom = TOP + len(rows) * ROW
    return {
        "width": WIDTH,
        "left": LEFT,
        "height": bottom + 26,
        "top": TOP,
        "bottom": bottom,
        "row": ROW,
        "rows": rows,
        "silences": [
            {
                **span(each["since"], each["until"]),
                "y": next(row["y"] for row in rows if row["kind"] == service),
                "text": f"{service} silent for {lapse(1000 * (each['until'] - each['since']))}",
            }
            for service, probe in fault["probes"].items()
            for each in probe["silences"]
            if inside(each["since"], each["until"])
        ],
        "fault": x(0) if begin <= 0 <= end else None,
        "undone": x(fault["undone"]) if begin <= fault["undone"] < end else None,
        "ticks": [{"x": x(moment), "label": label} for moment, label in ticks(begin, end)],
    }


def _thinned(places) -> list[float]:
    """Return the places without those that nobody could tell apart."""
    return [place * HALF for place in sorted({round(place / HALF) for place in places})]


def ticks(begin: float, end: float) -> Sequence[tuple[float, str]]:
    """Return 5 to 12 round moments between two, in seconds, and how they are written."""
    step = next(
        step
        for power in range(-3, 5)
        for step in (10**power, 2 * 10**power, 5 * 10**power)
        if (end - begin) / step <= 12
    )
    milli = step < 0.1
    found = []
    for number in range(math.ceil(begin / step), math.floor(end / step) + 1):
        moment = number * step
        found.append((moment, f"{moment * 1000:.0f} ms" if milli else f"{round(moment, 1):g} s"))
    return found
