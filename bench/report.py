# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write a page and its plots from what bench.py measured.

usage: report.py RESULT RUNS PAGE

RUNS is what runs.py measured. The plots go into a directory beside the page, with its name. The page's last section,
which was measured by hand, is kept.
"""

from __future__ import annotations

import json
import pathlib
import statistics
import sys

from cases import PAUSE, WAYS, Case
from plots import draw

# The other targets for one stream: on a full link and without a limit, as a part of direct; layer 4 against HAProxy.
FULL_LINK, LAYER_7, TIMES = 0.99, 0.7, 2
# Seconds of a run that changes nothing: what geerlingguy.haproxy with evrardjp.keepalived takes for one service, or
# less.
UNCHANGED = {"7": 8, "4": 10}
HERE = pathlib.Path(__file__).parent
QUIET = 10  # percent of the machine that other programs may use
BY_HAND = "\n## What people do\n"


def spread(values: list[float], digits: int) -> str:
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def table(head: list[str], rows: list[list[str]]) -> str:
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *rows])


def yes(reached: bool) -> str:
    return "yes" if reached else "**no**"


def throughput(cases: list[Case]) -> str:
    rows = []
    for case in cases:
        ratios = [case.ratio("7", "direct"), case.ratio("4", "direct"), case.ratio("4", "7")]
        rows.append(
            [case.link, case.name, *(spread(case.rates[way], 2) for way in WAYS), *(f"{ratio:.2f}" for ratio in ratios)]
        )
    return table(["link", "what", *WAYS.values(), "7 : direct", "4 : direct", "4 : 7"], rows)


def broken(found: list[dict]) -> str:
    ways = [way for case in found for way in case["broken"]]
    return ", ".join(f"{ways.count(way)} {name}" for way, name in WAYS.items() if way in ways) or "none"


def machine_note(cases: list[Case], cores: int) -> str:
    """Say whether the whole machine's time is shown: it means something only where nothing else uses it."""
    busy = 100 * max(case.rest["machine"] - case.rest["lab"] for case in cases) / cores
    if busy > QUIET:
        return f"Other programs used up to {busy:.0f} % of the machine, so the whole machine's time is left out."
    return "*Whole machine*: the same for everything that ran, including softirqs and the kernel's own threads."


def processor(cases: list[Case], note: str) -> str:
    quiet = note.startswith("*")
    rows = []
    for case in cases:
        added = [f"{case.added(way, case.costs):.3f}" for way in ("7", "4")]
        processes = [f"{statistics.median(case.processes[way]):.3f}" for way in ("7", "4")]
        machine = [f"{case.added(way, case.machine):.3f}" for way in ("7", "4")] if quiet else []
        rows.append([case.link, case.name, *(spread(case.costs[way], 3) for way in WAYS), *added, *processes, *machine])
    head = [
        "link",
        "what",
        *(f"all, {name}" for name in WAYS.values()),
        "added by 7",
        "added by 4",
        "HAProxy and others, 7",
        "the same, 4",
    ]
    return table(head + (["whole machine, added by 7", "added by 4"] if quiet else []), rows)


def latency(echoes: dict) -> str:
    rows = []
    for kind, name in (("echo", "C-ECHO"), ("association", "association with one C-ECHO")):
        middle = {way: statistics.median(echoes[way][kind]) for way in WAYS}
        high = {way: statistics.quantiles(echoes[way][kind], n=100)[98] for way in WAYS}
        rows.append(
            [
                name,
                *(f"{middle[way]:.2f}, {high[way]:.2f}" for way in WAYS),
                *(f"{middle[way] - middle['direct']:.2f}" for way in ("7", "4")),
            ]
        )
    return table(
        ["what", *(f"{name}: median, 99th percentile" for name in WAYS.values()), "added by 7", "added by 4"], rows
    )


def losses(found: list[dict]) -> str:
    rows = []
    for loss in found:
        four, seven = loss["after"]["4"], loss["after"]["7"]
        broken = {
            way: f"{number - loss['after'][way]['alive']:,} of {number:,}" for way, number in loss["numbers"].items()
        }
        pauses = (
            [f"{statistics.median(four['waited']):.2f} s", f"{max(four['waited']):.2f} s"]
            if four["waited"]
            else ["", ""]
        )
        noticed = (
            f"{statistics.median(seven['noticed']):.2f} s, {max(seven['noticed']):.2f} s" if seven["noticed"] else ""
        )
        rows.append([f"{loss['every']} s", f"{loss['before']['4']:.2f} s", broken["4"], *pauses, broken["7"], noticed])
    head = ["a C-ECHO every", "layer 4: longest wait before", "broken", "median pause", "longest pause"]
    return table([*head, "layer 7: broken", "noticed: median, last"], rows)


def mirror(found: list[dict]) -> str:
    rows = [
        [f"{one['asked']:,}", f"{one['rate']:,.0f}", f"{one['mirrored']:,} of {one['made']:,}", str(one["failed"])]
        + [f"{100 * one[host]:.0f} %" for host in ("holder", "successor")]
        for one in found
    ]
    return table(
        [
            "requested per second",
            "opened per second",
            "mirrored",
            "failed",
            "sending conntrackd",
            "receiving conntrackd",
        ],
        rows,
    )


def limit(found: list[dict]) -> str:
    kept = [one["rate"] for one in found if one["mirrored"] == one["made"]]
    best = (
        f"The mirror kept up with {max(kept):,.0f} new connections a second"
        if kept
        else "The mirror lost entries at every rate"
    )
    last = found[-1]
    if last["mirrored"] < last["made"]:
        missing = f"{last['made'] - last['mirrored']:,} of {last['made']:,}"
        return f"{best}; at {last['rate']:,.0f} the other host lacked {missing}."
    reason = "the client could not open more" if last["rate"] < 0.9 * last["asked"] else "no higher rate was tried"
    return f"{best}; {reason}."


def verdicts(cases: list[Case], found: list[dict]) -> str:
    by = {(case.link, case.what, case.streams): case for case in cases}
    full, free, page = by["1 Gbit/s", "C-STORE", 1], by["unlimited", "C-STORE", 1], by["unlimited", "HTTP", 1]
    rows = [
        [f"one DICOM stream at 1 Gbit/s, {WAYS[way]}", f"{FULL_LINK} of direct", f"{full.ratio(way, 'direct'):.3f}"]
        + [yes(full.ratio(way, "direct") >= FULL_LINK)]
        for way in ("7", "4")
    ]
    ratio = free.ratio("7", "direct")
    rows.append(
        ["one DICOM stream without a limit, layer 7", f"{LAYER_7} of direct", f"{ratio:.2f}", yes(ratio >= LAYER_7)]
    )
    for case, name in ((free, "one DICOM stream without a limit"), (page, "one HTTP stream without a limit")):
        ratio = case.ratio("4", "7")
        rows.append([f"{name}, layer 4", f"{TIMES} times HAProxy", f"{ratio:.2f} times", yes(ratio >= TIMES)])
    for loss in found:
        number = loss["numbers"]["4"]
        broken, longest = number - loss["after"]["4"]["alive"], max(loss["after"]["4"]["waited"], default=float("inf"))
        rows.append(
            [
                f"power loss under {number:,} association{'s' if number > 1 else ''}, layer 4",
                f"0 broken, {PAUSE} s",
                f"{broken} broken, {longest:.2f} s",
            ]
        )
        rows[-1].append(yes(not broken and longest <= PAUSE))
    return table(["what", "target", "measured", "reached"], rows)


def runs(found: dict) -> str:
    names = {
        "first": {"7": "first deployment, with the packages", "4": "from layer 7 to layer 4, with the packages"},
        "unchanged": "nothing has changed",
        "one line": "one line of `keepalived.conf` has changed on both hosts",
    }
    rows = []
    for layer, measured in found.items():
        for what, seconds in measured.items():
            name = names[what][layer] if what == "first" else names[what]
            target = f"{UNCHANGED[layer]} s" if what == "unchanged" else ""
            shown = spread(seconds, 1) if len(seconds) > 1 else f"{seconds[0]:.1f}"
            reached = yes(statistics.median(seconds) <= UNCHANGED[layer]) if target else ""
            rows.append([layer, name, f"{shown} s", target, reached])
    return table(["layer", "what", "time", "target", "reached"], rows)


def by_hand(page: pathlib.Path) -> str:
    """Return the section of the page that no program measures, with its heading; empty where there is no page yet."""
    return "".join(page.read_text().partition(BY_HAND)[1:]) if page.exists() else ""


def main() -> None:
    result, timed, page = map(pathlib.Path, sys.argv[1:])
    found = json.loads(result.read_text())
    cases = [Case(case) for case in found["transfers"]]
    around = found["surroundings"]
    note = machine_note(cases, around.pop("cores"))
    versions = ", ".join(f"{name} {version}" for name, version in around.pop("versions"))
    others = around.pop("others")
    beside = f"Up to {others} containers of other labs ran beside it." if others else "No other lab ran beside it."
    template = (HERE / "page.md").read_text()
    text = template.format(
        **around,
        others=beside,
        rounds=found["rounds"],
        versions=versions,
        throughput=throughput(cases),
        broken=broken(found["transfers"]),
        machine_note=note,
        processor=processor(cases, note),
        latency=latency(found["echoes"]),
        losses=losses(found["losses"]),
        mirror=mirror(found["mirror"]),
        limit=limit(found["mirror"]),
        runs=runs(json.loads(timed.read_text())),
        verdicts=verdicts(cases, found["losses"]),
    )
    page.write_text(text + by_hand(page))
    draw(cases, found["losses"], page.with_suffix(""))


if __name__ == "__main__":
    main()
