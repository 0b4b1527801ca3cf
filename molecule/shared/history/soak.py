# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same few things again and again: what is promised once must hold the tenth time, and nothing grows."""

from __future__ import annotations

import collections
import itertools
import json
import pathlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping

from . import usage
from .belief import Step
from .checker import Violation, of
from .runner import Runner

# A cycle, and for how many seconds each of its steps stands at least: a load balancer that is away is away for so long
# that whoever watches it must say so.
STEPS = (
    (("deploy:8043", "deploy:8044", "deploy:8045"), 45),
    (("switchover",), 45),
    (("drain@pacs1", "drain@pacs2"), 45),
    (("active",), 45),
    (("power_off@holder",), 180),
    (("power_off_undone",), 60),
)


def cycles() -> Iterator[list[tuple[Step, int]]]:
    """Yield one cycle after the other, without end: its steps, and their seconds."""
    for number in itertools.count():
        yield [(Step.parse(steps[number % len(steps)]), seconds) for steps, seconds in STEPS]


# What whoever watches must be told while a step stands, with each alert's own `for`.
ALERTS = {"switchover": {"PacsVipMoved"}, "power_off": {"PacsVipMoved", "PacsLoadBalancerGone"}}
AT_MOST = 90  # seconds until one fires, or has ended
LATER = {"PacsVipMoved": 600 + AT_MOST}  # seconds after its step for which one may go on


def alarms(step: Step, firing: set[str]) -> Iterator[Violation]:
    """Judge what fires at the end of a step."""
    wanted = ALERTS.get(step.name, set())
    for name in sorted(wanted - firing):
        yield Violation("alerts", f"{name} does not fire after {step}")
    for name in sorted(firing - wanted - set(LATER)):
        yield Violation("alerts", f"{name} fires after {step}")


def false_alarms(events: list[dict]) -> list[str]:
    """Name the alerts that have fired at a time when no step was, or had just been, that they are for."""
    steps = of(events, "step")
    ends = [*(step["t"] for step in steps[1:]), float("inf")]
    found = []
    for fired in of(events, "fired"):
        name = fired["name"]
        allowed = [
            (step["t"], end + LATER.get(name, AT_MOST))
            for step, end in zip(steps, ends)
            if name in ALERTS.get(Step.parse(step["step"]).name, ())
        ]
        wrong = [moment for moment in fired["moments"] if not any(first <= moment <= last for first, last in allowed)]
        if wrong:
            found.append(f"{name} has fired without a cause, first at {_clock(wrong[0])}")
    return found


def _clock(moment: float) -> str:
    return time.strftime("%H:%M:%S", time.gmtime(moment)) + " UTC"


def soak(runner: Runner, watch: usage.Usage, firing: Callable[[], Iterable[str]], until: float) -> list[Violation]:
    """Go through whole cycles until that time, whatever is broken; return all that was.

    ``firing``: the names of the alerts that fire now.
    """
    broken: list[Violation] = []
    with runner, watch:
        runner.count()
        for cycle in cycles():
            if time.time() > until:
                break
            for step, seconds in cycle:
                began = time.time()
                broken += runner.step(step)
                threading.Event().wait(max(began + seconds - time.time(), 0))
                told = firing_at_last(firing, ALERTS.get(step.name, set()))
                runner.note("alerts", step=str(step), firing=sorted(told))
                broken += alarms(step, told)
        runner.count()
    return broken


def firing_at_last(firing: Callable[[], Iterable[str]], wanted: set[str]) -> set[str]:
    """Return what fires, once that is all that is wanted: a load balancer looks at itself, Prometheus at it and at the
    rules, one after the other."""
    deadline = time.monotonic() + AT_MOST
    while not wanted <= (told := set(firing())) and time.monotonic() < deadline:
        threading.Event().wait(1)
    return told


def summary(history: pathlib.Path, least: float) -> tuple[list[str], list[str]]:
    """Return what the clients have seen and what the daemons used, a line each, and what is wrong: associations
    that are unaccounted for, false alarms, and what grows. ``least``: seconds that a daemon must have lived."""
    events = [json.loads(line) for line in history.read_text().splitlines()]
    associations, unaccounted = _associations([event for event in events if "kind" in event])
    clients = collections.Counter(event["event"] for event in events if "kind" in event)
    answers = [event for event in of(events, "answer") if "waited" in event]
    used = of(events, "used")
    lines = [
        associations,
        f"answers: {clients['answer']}, longest wait {max((event['waited'] for event in answers), default=0):.2f} s;"
        f" visits that failed: {clients['failed']}",
        *_table(used),
    ]
    return lines, [*unaccounted, *false_alarms(events), *usage.growing(used, least)]


def _associations(events: list[dict]) -> tuple[str, list[str]]:
    """Account for each association between the traffic's own two counts: in a line, and what is wrong with it."""
    first, last = (place for place, event in enumerate(events) if event["event"] == "open")
    opened, closed, broken = (
        {event["number"] for event in of(events[first:last], kind)} for kind in ("opened", "closed", "broken")
    )
    before, after = ({*events[place]["numbers"]} for place in (first, last))
    lost = ((before | opened) - closed - broken) ^ after
    line = (
        f"associations: {len(before)} open at first, {len(opened)} opened, {len(closed)} closed, {len(broken)} broken,"
        f" {len(after)} open at the end, {len(lost)} unaccounted for"
    )
    return line, [f"associations: {len(lost)} unaccounted for, such as number {min(lost)}"] if lost else []


def _table(used: Iterable[Mapping]) -> Iterator[str]:
    lives: dict[tuple[str, str], list[Mapping]] = {}
    for event in used:
        lives.setdefault((event["host"], event["unit"]), []).append(event)
    for (host, unit), life in sorted(lives.items()):
        memory = [event["memory"] / 1024 for event in life]
        descriptors = [event["descriptors"] for event in life]
        yield (
            f"{host} {unit:26} {min(memory):6.1f} to {max(memory):6.1f} MiB, at the end {memory[-1]:6.1f};"
            f" descriptors {min(descriptors)} to {max(descriptors)}, at the end {descriptors[-1]}"
        )
