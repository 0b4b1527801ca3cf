# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The runner of the scenario `history`, in a lab in which everything succeeds and nothing happens."""

from __future__ import annotations

import io
import itertools
import json
import types

import pytest
from history.belief import Belief, Step
from history.operations import OPERATIONS
from history.runner import Runner


class Lab:
    """Notes what is done to it. Status fails while something is out of order."""

    def __init__(self):
        self.vips, self.balancers, self.guests, self.site, self.former = [], ["lb1", "lb2"], set(), {}, {}
        self.did, self.well = [], True

    def pid_files(self):
        return {}

    def observe(self, _layer, **_wanted):
        return {"missing": [], "holder": "lb1", "paths": {"nodes": {}}}

    def journal(self):
        return []

    def look(self):
        return {}

    def execute(self, host, command):
        self.did.append(f"{command} on {host}")

    def fill(self, text, _step, _host):
        return text

    def keep_evidence(self, name):
        self.did.append(f"evidence of {name}")

    def fault(self, tasks, targets):
        self.did.append(f"{tasks} {' '.join(targets)}")
        self.well = not self.well if len(targets) == 1 else self.well

    def serve(self, playbook, _step, host):
        self.did.append(f"{playbook.name} {host}".strip())

    def start(self, playbook, _name, _step=None, _host=""):
        code = 0 if self.well or playbook.name != "status" else 2
        ended = {"code": code, "killed": False, "changed": {"lb1": 3}, "said": "nothing"}
        return types.SimpleNamespace(site={}, end=lambda _seconds: dict(ended))


@pytest.fixture
def run():
    """Return what was done in steps, what was broken, and the history's events of some kinds."""

    def run(text, *kinds):
        lab, written = Lab(), io.StringIO()
        steps = [Step.parse(word) for word in text.split()]
        with Runner(lab, OPERATIONS, Belief(4), written) as runner:
            broken = runner.run(steps, float("inf")) or runner.heal()
        events = [json.loads(line) for line in written.getvalue().splitlines()]
        return lab.did, broken, [event for event in events if event["event"] in kinds]

    return run


def test_a_host_is_not_counted_from_before_it_is_cut_off_to_after_it_is_not(run):
    did, broken, events = run("frozen@holder", "step", "cut", "join")
    assert did == ["switch_dead lb1", "freeze lb1", "thaw lb1", "switch_mended lb1"] and broken == []
    assert [event["event"] for event in events] == ["step", "cut", "step", "join"]


class Mended(Lab):
    """A deployment starts what does not run."""

    def fault(self, tasks, targets):
        self.did.append(tasks)
        self.well = tasks == "haproxy_start"

    def start(self, playbook, _name, _step=None, _host=""):
        self.well = self.well or playbook.name == "site"
        return super().start(playbook, _name, _step, _host)


def test_a_deployment_mends_what_was_stopped():
    with Runner(Mended(), OPERATIONS, Belief(4), io.StringIO()) as runner:
        assert (
            runner.run(map(Step.parse, ["haproxy_down@holder", "deploy:8043", "nft_flush@holder"]), float("inf")) == []
        )
        steps = map(Step.parse, ["haproxy_down_undone", "switch_dead@other", "deploy:8044", "nft_flush@holder"])
        (violation,) = runner.run(steps, float("inf"))
    assert violation.promise == "status", "what no deployment mends must be seen"


def test_an_association_stays_on_its_node_when_its_client_goes_to_another():
    class Moves(Lab):
        said = iter(
            [
                [{"t": 1.0, "event": "opened", "kind": "echo", "number": 7}],
                [],
                [
                    {
                        "t": 3.0,
                        "event": "broken",
                        "kind": "echo",
                        "number": 7,
                        "answers": 1,
                        "why": "",
                        "client": "client",
                    }
                ],
            ]
        )
        nodes = iter(["pacs1", "pacs1", "pacs2", "pacs2"])

        def journal(self):
            return [] if not self.did else next(self.said)

        def observe(self, _layer, **wanted):
            asked = wanted.get("ask", {}).get("do")
            at = {"client": [next(self.nodes)]} if asked == "report" else {}
            return {"missing": [], "holder": "lb1", "paths": {"nodes": at}}

    written = io.StringIO()
    with Runner(Moves(), OPERATIONS, Belief(4), written) as runner:
        for _step in range(3):
            runner.step(Step.parse("nft_flush@other"))
    contexts = [event for event in map(json.loads, written.getvalue().splitlines()) if event["event"] == "context"]
    assert contexts[-1]["opened_on"] == {"7": ["pacs1"]} and contexts[-1]["placed"] == {"client": ["pacs2"]}


def test_both_lose_their_power(run):
    did, broken, _events = run("both_off")
    assert did == ["power_off lb1 lb2", "power_on lb1 lb2"] and broken == []


def test_a_third_one_comes_and_goes_and_another_meanwhile(run):
    did, broken, _events = run("third@other")
    assert did == ["site lb2", "remove_loadbalancer lb2", "site lb2", "remove_loadbalancer lb2"] and broken == []


def test_what_a_dry_run_would_change_is_no_change(run):
    _did, broken, events = run("dry_run", "run")
    assert events[0]["changed"] == {} and broken == []


def test_a_node_that_came_back_takes_its_clients_for_a_while(run):
    _did, broken, events = run("maintenance@pacs1 active deploy:8043", "context")
    assert [event["excuses"]["nodes"] for event in events] == [True, True, True] and broken == []


@pytest.mark.parametrize(
    ("layer", "step", "promises"),
    [
        (7, "switchover", ["refusal"]),
        (4, "switchover", ["failed"]),
        (7, "drain@pacs1", []),  # it goes on draining
    ],
)
def test_who_may_refuse_has_changed_nothing_then(layer, step, promises):
    class Fails(Lab):
        looks = itertools.count()

        def look(self):
            return {"lb1:/etc/a": next(self.looks)}

        def start(self, playbook, name, step=None, host=""):
            ended = super().start(playbook, name, step, host).end(0)
            code = 0 if playbook.name == "status" else 2
            return types.SimpleNamespace(site={}, end=lambda _seconds: {**ended, "code": code})

    with Runner(Fails(), OPERATIONS, Belief(layer), io.StringIO()) as runner:
        assert [violation.promise for violation in runner.step(Step.parse(step))] == promises


def test_after_two_runs_at_once_nothing_is_left_to_change(run):
    _did, broken, events = run("two_at_once", "run")
    assert [(event["alone"], event["unchanging"]) for event in events] == [(False, False), (False, False), (True, True)]
    assert [violation.promise for violation in broken] == ["second run"]
