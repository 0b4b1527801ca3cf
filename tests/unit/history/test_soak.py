# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The cycle of `make soak`, and whether a daemon's memory or descriptors grow."""

from __future__ import annotations

import contextlib
import itertools
import json
import subprocess

import pytest
from history import generator, soak, usage
from history.belief import Belief, Step
from history.operations import OPERATIONS


def test_each_cycle_is_possible_and_leaves_all_as_it_was():
    for cycle in itertools.islice(soak.cycles(), 6):
        belief = Belief(4)
        for step, _seconds in cycle:
            belief = generator.after(step, belief, OPERATIONS)
        assert belief == Belief(4)


def life(memory, descriptors=lambda _number: 20, unit="layer4", process=7):
    return [
        {
            "t": 10.0 * number,
            "host": "lb1",
            "unit": unit,
            "process": process,
            "memory": memory(number),
            "descriptors": descriptors(number),
        }
        for number in range(300)
    ]


@pytest.mark.parametrize(
    "events, found",
    [
        (life(lambda number: 20000 + number % 7 * 900), []),
        (life(lambda number: 20000 + number * 60), ["layer4 on lb1 grows from 22.4 to 34.2 MiB"]),
        (life(lambda _number: 20000, lambda number: 20 + number // 20), ["has 22 descriptors, and 32 at the end"]),
        # Each is a new one: whatever it has, it has not kept.
        (life(lambda number: 20000)[:150] + life(lambda number: 90000, process=8)[150:], []),
    ],
)
def test_what_grows_is_named(events, found):
    said = usage.growing(events, 1000)
    assert len(said) == len(found) and all(part in line for part, line in zip(found, said))


def test_what_did_not_live_long_enough_is_not_judged():
    assert usage.growing(life(lambda number: 20000 + number * 60), 5000) == []


def test_a_daemon_of_which_nothing_is_known_is_named():
    blind = [{**one, "memory": 0, "descriptors": 0} for one in life(lambda number: 0)]
    (said,) = usage.growing(blind, 5000)
    assert said.startswith("nothing is known of ")


def test_daemons_of_others_are_not_read():
    printed = "haproxy 12 30000 45\nssh 3 9000 5\nlayer4-records 40 8000 9\ncron \nprometheus-node-exporter 5 1 2\n"
    assert [unit for unit, *_used in usage.read(printed)] == ["haproxy", "layer4-records", "prometheus-node-exporter"]


def test_the_command_on_the_hosts_is_understood_by_a_shell():
    subprocess.run(["sh", "-n", "-c", usage.USED], check=True)


@pytest.mark.parametrize(
    "open_at_the_end, unaccounted",
    [
        ([2, 3, 4], []),
        ([2, 3], ["associations: 1 unaccounted for, such as number 4"]),  # it has vanished
        ([2, 3, 4, 5], ["associations: 1 unaccounted for, such as number 5"]),  # nobody has seen it open
    ],
)
def test_the_summary_accounts_for_every_association(tmp_path, open_at_the_end, unaccounted):
    def of(event, number, **more):
        return {"t": 1.0, "event": event, "kind": "echo", "number": number, **more}

    events = [
        of("closed", 9),  # before the first count
        of("open", 0, numbers=[1, 2]),
        *(of("opened", number) for number in (3, 4, 6)),
        of("answer", 1, waited=0.25),
        of("closed", 1),
        of("broken", 6),
        of("open", 0, numbers=open_at_the_end),
        of("opened", 7),  # after the last one
        *({"event": "used", **event} for event in life(lambda number: 20480)),
    ]
    (tmp_path / "history").write_text("".join(json.dumps(event) + "\n" for event in events))
    lines, wrong = soak.summary(tmp_path / "history", 1000)
    assert lines[0] == (
        f"associations: 2 open at first, 3 opened, 1 closed, 1 broken, {len(open_at_the_end)} open at the end,"
        f" {len(unaccounted)} unaccounted for"
    )
    assert lines[1] == "answers: 1, longest wait 0.25 s; visits that failed: 0"
    assert "20.0 to   20.0 MiB" in lines[2] and wrong == unaccounted


def test_an_alarm_is_waited_for():
    told = iter([set(), {"PacsNodeDown"}, {"PacsVipMoved"}, {"PacsDegraded"}])
    assert soak.firing_at_last(lambda: next(told), {"PacsVipMoved"}) == {"PacsVipMoved"}


@pytest.mark.parametrize(
    "step, firing, said",
    [
        ("switchover", {"PacsVipMoved"}, []),
        ("active", {"PacsVipMoved"}, []),  # of the move before
        ("power_off@holder", {"PacsVipMoved"}, ["PacsLoadBalancerGone does not fire after power_off@holder"]),
        ("power_off_undone", {"PacsLoadBalancerGone"}, ["PacsLoadBalancerGone fires after power_off_undone"]),
    ],
)
def test_an_alarm_that_is_missing_and_one_too_many_are_broken_promises(step, firing, said):
    assert [violation.text for violation in soak.alarms(Step.parse(step), firing)] == said


STEPS = {100: "deploy:8043", 200: "switchover", 300: "power_off@holder", 500: "power_off_undone", 3000: "switchover"}


@pytest.mark.parametrize(
    "name, moments, said",
    [
        ("PacsVipMoved", [205, 900, 1150, 3600], []),  # for ten minutes after a power loss has ended
        ("PacsVipMoved", [150, 205], ["PacsVipMoved has fired without a cause, first at 00:02:30 UTC"]),
        ("PacsVipMoved", [205, 1200], ["PacsVipMoved has fired without a cause, first at 00:20:00 UTC"]),
        ("PacsLoadBalancerGone", [420, 560], []),
        ("PacsLoadBalancerGone", [250, 420], ["PacsLoadBalancerGone has fired without a cause, first at 00:04:10 UTC"]),
        ("PacsLoadBalancerGone", [700], ["PacsLoadBalancerGone has fired without a cause, first at 00:11:40 UTC"]),
        ("PacsNodeDown", [420], ["PacsNodeDown has fired without a cause, first at 00:07:00 UTC"]),
    ],
)
def test_an_alarm_is_false_where_no_step_is_its_cause(name, moments, said):
    events = [{"t": t, "event": "step", "step": step} for t, step in STEPS.items()]
    events.append({"t": 4000, "event": "fired", "name": name, "moments": moments, "step": 5})
    assert soak.false_alarms(events) == said


def test_a_soak_counts_what_is_open_before_its_first_step_and_after_its_last(monkeypatch):
    did = []
    runner = contextlib.nullcontext()
    runner.count = lambda: did.append("count")
    runner.step = lambda step: did.append(str(step)) or []
    runner.note = lambda *_words, **_more: None
    monkeypatch.setattr(soak, "cycles", lambda: [[(Step("active"), 0), (Step("drain", "pacs1"), 0)]])
    assert soak.soak(runner, contextlib.nullcontext(), lambda: [], float("inf")) == []
    assert did == ["count", "active", "drain@pacs1", "count"]
