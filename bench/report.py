# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes a page and its plots of what bench.py has measured.

usage: report.py RESULT PAGE    the plots come into a directory beside the page, with its name
"""

from __future__ import annotations

import json
import pathlib
import statistics
import sys

from matplotlib import pyplot

WAYS = {"direct": "direct", "7": "layer 7", "4": "layer 4"}
COLOURS = {"direct": "#8a8f98", "7": "#d55e00", "4": "#0072b2"}  # told apart by the colour-blind too
# What docs/design.md's figures are: of one DICOM stream, as a part of direct; and the longest pause of an association in seconds.
FULL_LINK, LAYER_7, TIMES, PAUSE = 0.99, 0.7, 2, 1.2
QUIET = 10  # percent of the machine that other programs may use

PAGE = """\
# Benchmarks

Written by `make bench`. Every figure on this page was measured in that one run.

- When: {date}
- Machine: {machine}, Linux {kernel}, TCP congestion control {congestion}. It carries the whole lab: modality, load balancer and node share its cores.
  {others}
- Versions: {versions}

Three ways to the same node: **direct**, through the VIP at **layer 7** (HAProxy) and through the VIP at **layer 4** (the kernel, mirrored to
the other load balancer). One deployment has both layers on different ports. Each case ran {rounds} times by each way in turn, each round beginning
with another one. A cell has the median and, in brackets, the lowest and the highest; a ratio is the median of each round's own.

## Throughput

C-STORE: `storescu` sends a study of 400 CT images of 512 KiB to `storescp`, which keeps nothing; ten streams send a tenth each. HTTP: `curl`
reads a file from nginx (layer 7 with `mode: http`, as the service `web` has it). Gbit/s of payload, the programs' start included. At 1 Gbit/s
the link of every host is shaped (`tc`, token bucket).

![Throughput](benchmarks/throughput.svg)

{throughput}

Transfers that broke and were made anew: {broken}.

## Processor time

Seconds of processor time for each Gbit, less what the same used at rest a moment before. *All*: of all containers of the lab, the programs at both ends
among them. The kernel forwards on the time of whoever has sent the packet, mostly, and so that is in it; what it does in threads of its own
is not. *Added*: that, less the direct way's: what the load balancer costs. *HAProxy and others*: what the processes on the load balancers
used of it. {machine_note}

![Processor time](benchmarks/processor.svg)

{processor}

## Latency

Milliseconds of a C-ECHO that `storescp` answers: one of many over one association, and a whole association with one C-ECHO.

{latency}

## When the load balancer loses power

Associations to `storescp` with a C-ECHO each at a steady pace, at both layers at once, while their load balancer loses its cable and is killed.
*Pause*: the longest time for which an association waited for an answer; one that asked after the move waited hardly. *Noticed*: how long after the
loss a client found its association broken.

![Pause](benchmarks/pause.svg)

{losses}

## New connections

From the modality to a service at layer 4, each ended at once. *Mirrored*: found in the other load balancer's connection table one second later.
Processor time is conntrackd's, in percent of a core.

{mirror}

{limit}

## Against what was to be reached

{verdicts}

Twice what HAProxy moves cannot be reached where HAProxy moves more than half of what goes directly: there the two programs at the ends, which share the
cores, are the limit. What is left to compare is the processor time that each layer adds.
"""


def spread(values: list[float], digits: int) -> str:
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def table(head: list[str], rows: list[list[str]]) -> str:
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *rows])


def yes(reached: bool) -> str:
    return "yes" if reached else "**no**"


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
    """The whole machine's time says something only where nothing else uses it."""
    busy = 100 * max(case.rest["machine"] - case.rest["lab"] for case in cases) / cores
    if busy > QUIET:
        return f"Other programs used up to {busy:.0f} % of the machine, so the whole machine's time says nothing here and is left out."
    return "*Whole machine*: the same of all that ran, softirqs and the kernel's own threads among it."


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
        ["what", *(f"{name}: median, 99 of 100 below" for name in WAYS.values()), "added by 7", "added by 4"], rows
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
        ["asked for a second", "made a second", "mirrored", "failed", "conntrackd that sends", "that receives"], rows
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
        return f"{best}; at {last['rate']:,.0f} the other host did not have {last['made'] - last['mirrored']:,} of {last['made']:,}."
    reason = "the client could not make more" if last["rate"] < 0.9 * last["asked"] else "more was not tried"
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
    return table(["what", "to reach", "measured", "reached"], rows)


# --- plots ------------------------------------------------------------------------------------------------------------


def bars(axes, names: list[str], values: dict[str, list[list[float]]]) -> None:
    """A group of three bars for each name, with lines from the lowest to the highest."""
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
    pyplot.rcParams.update(
        {
            "font.size": 9,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "svg.fonttype": "none",
            "svg.hashsalt": "bench",
        }
    )
    plots.mkdir(exist_ok=True)

    def save(figure, name: str) -> None:
        figure.savefig(plots / f"{name}.svg", metadata={"Date": None, "Creator": None}, bbox_inches="tight")
        # Matplotlib ends lines with spaces.
        text = (plots / f"{name}.svg").read_text()
        (plots / f"{name}.svg").write_text("\n".join(line.rstrip() for line in text.splitlines()) + "\n")

    figure, both = pyplot.subplots(1, 2, figsize=(9, 3))
    for axes, link in zip(both, ("1 Gbit/s", "unlimited")):
        some = [case for case in cases if case.link == link]
        bars(axes, [case.name for case in some], {way: [case.rates[way] for case in some] for way in WAYS})
        axes.set_title("without a limit" if link == "unlimited" else "links of 1 Gbit/s")
        axes.set_ylabel("Gbit/s")
    both[1].legend(frameon=False, loc="upper left")
    figure.tight_layout()
    save(figure, "throughput")

    figure, axes = pyplot.subplots(figsize=(6, 3))
    some = [case for case in cases if case.link == "unlimited"]
    bars(axes, [case.name for case in some], {way: [case.costs[way] for case in some] for way in WAYS})
    axes.set_ylabel("processor seconds for each Gbit")
    axes.legend(frameon=False)
    save(figure, "processor")

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
    axes.text(PAUSE, 50, "to reach ", color=COLOURS["7"], ha="right")
    axes.set_xlabel("pause in seconds")
    axes.set_ylabel("% of the associations waited less")
    axes.set_xlim(0, PAUSE * 1.1)
    axes.legend(frameon=False, loc="upper left")
    save(figure, "pause")


def main() -> None:
    result, page = map(pathlib.Path, sys.argv[1:])
    found = json.loads(result.read_text())
    cases = [Case(case) for case in found["transfers"]]
    told = found["surroundings"]
    note = machine_note(cases, told.pop("cores"))
    versions = ", ".join(f"{name} {version}" for name, version in told.pop("versions"))
    others = told.pop("others")
    ran = f"{others} containers of other labs ran beside it at some time." if others else "No other lab ran beside it."
    text = PAGE.format(
        **told,
        others=ran,
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
        verdicts=verdicts(cases, found["losses"]),
    )
    page.write_text(text)
    draw(cases, found["losses"], page.with_suffix(""))


if __name__ == "__main__":
    main()
