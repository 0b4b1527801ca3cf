# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The checker of the scenario `history`: each promise kept, and broken."""

from __future__ import annotations

import dataclasses
import json

import pytest
from history import checker
from history.checker import Context
from history.operation import Excuses

WELL = {
    "event": "run", "playbook": "site", "code": 0, "killed": False, "changed": {"lb1": 0}, "said": "", "must": True,
    "may_refuse": False, "unchanging": False, "alone": True, "missing": [], "differing": [],
}  # fmt: skip


def sample(t, *vip, rules=("lb1", "lb2")):
    return {"t": t, "event": "sample", "vip": list(vip), "rules": list(rules)}


def promises(*events, layer=4, **context):
    """Return which promises the events break; those without a time follow each other."""
    timed = [{"t": number, **event} for number, event in enumerate(events)]
    return [violation.promise for violation in checker.check(timed, Context(layer, **context))]


def owned(*hosts_by_tenth):
    return [sample(number / 10, *hosts.split()) for number, hosts in enumerate(hosts_by_tenth)]


def test_two_may_have_the_vip_for_a_moment():
    assert promises(*owned("lb1", *["lb1 lb2"] * 10, "lb2", *["lb1 lb2"] * 10, "lb2")) == []


def test_two_may_not_have_it_for_longer():
    assert promises(*owned("lb1", *["lb1 lb2"] * 13, "lb2")) == ["two owners"]


def test_who_is_out_of_reach_is_no_owner():
    split = owned(*["lb1 lb2"] * 30)
    cut = {"t": 0.0, "event": "cut", "host": "lb1"}
    joined = {"t": 1.0, "event": "join", "host": "lb1"}
    assert promises(cut, *split) == []
    assert promises(*split, cut={"lb1"}) == []
    assert promises(*owned(*["lb1 lb2"] * 18, *["lb2"] * 5), joined, cut={"lb1"}) == []
    assert promises(*owned(*["lb1 lb2"] * 40), joined, cut={"lb1"}) == ["two owners"]


def test_two_owners_are_excused_where_an_operation_says_so():
    assert promises(*owned(*["lb1 lb2"] * 30), excuses=Excuses(owners=True)) == []


def test_the_holder_has_the_rules_at_layer_4():
    bare = [sample(number / 10, "lb1", rules=["lb2"]) for number in range(15)]
    assert promises(*bare) == ["without rules"]
    assert promises(*bare, layer=7) == []
    assert promises(*bare[:8], sample(0.8, "lb1")) == []
    assert promises(*[sample(number / 10, "lb1", rules=["lb1"]) for number in range(15)]) == []


BROKEN = {"event": "broken", "kind": "echo", "number": 3, "answers": 9, "client": "198.51.100.2", "why": "reset"}
FAILED = {"event": "failed", "kind": "new", "client": "198.51.100.2", "why": "refused"}


def test_no_association_is_broken():
    assert promises(BROKEN) == ["associations"]


def test_what_the_proxy_carries_may_be_broken_by_a_loss_at_layer_7_alone():
    loss = Excuses(broken="proxied")
    assert promises(BROKEN, layer=7, excuses=loss) == []
    assert promises(BROKEN, layer=4, excuses=loss) == ["associations"]


def test_a_node_takes_its_own_associations_with_it_and_no_others():
    placed = {"198.51.100.2": ["pacs1"], "198.51.100.3": ["pacs2"]}
    excused = {"excuses": Excuses(broken="node"), "node": "pacs1", "placed": placed}
    assert promises(BROKEN, **excused) == []
    assert promises({**BROKEN, "client": "198.51.100.3"}, **excused) == ["associations"]
    # It was opened on another node than its client's next one.
    assert promises({**BROKEN, "client": "198.51.100.3"}, **excused, opened_on={"3": ["pacs1"]}) == []
    assert promises(BROKEN, **excused, opened_on={"3": ["pacs2"]}) == ["associations"]


def test_a_few_newcomers_may_fail_where_an_operation_says_so():
    assert promises(FAILED) == ["newcomers"]
    assert promises(FAILED, FAILED, excuses=Excuses(newcomers=2)) == []
    assert promises(FAILED, {**BROKEN, "answers": 0}, excuses=Excuses(newcomers=1)) == ["newcomers"]


def test_the_newcomers_of_a_silent_node_may_fail_and_no_others():
    silent = {"excuses": Excuses("node", silent=True), "node": "pacs1", "placed": {"198.51.100.2": ["pacs1"]}}
    assert promises(FAILED, **silent) == []
    assert promises(FAILED, **{**silent, "node": "pacs2"}) == ["newcomers"]


def test_what_was_acknowledged_is_found():
    assert promises({"event": "stored", "study": "1", "missing": []}) == []
    assert promises({"event": "stored", "study": "1", "missing": [7]}) == ["acknowledged"]


def test_a_client_keeps_its_node():
    placed = {"198.51.100.2": ["pacs1"]}
    moved = {"event": "placed", "nodes": {"198.51.100.2": ["pacs2"], "198.51.100.3": ["pacs1"]}}
    assert promises(moved, placed=placed) == ["nodes"]
    assert promises(moved, placed=placed, excuses=Excuses(nodes=True)) == []


def test_one_visit_of_one_client_may_come_to_another_node():
    both = {client: ["pacs1", "pacs2"] for client in ("198.51.100.2", "198.51.100.3")}
    placed = dict.fromkeys(both, ["pacs1"])
    assert promises({"event": "placed", "nodes": both}, placed=placed) == ["nodes"]
    assert promises({"event": "placed", "nodes": both | {"198.51.100.3": ["pacs1"]}}, placed=placed) == []
    assert promises({"event": "placed", "nodes": placed}, placed=both) == [], "and to its own again"


@pytest.mark.parametrize(
    ("run", "promise"),
    [
        ({}, None),
        ({"changed": {"lb1": 3}, "differing": ["lb1:/etc/a"]}, None),
        ({"missing": ["lb2 is away"]}, "said well"),
        ({"code": 2, "must": False}, None),
        ({"code": 2}, "failed"),
        ({"code": 2, "must": False, "differing": ["lb1:/etc/a"]}, "refusal"),
        ({"code": 2, "must": False, "changed": {"lb1": 1}, "differing": ["lb1:/etc/a"]}, None),  # it stopped half-way
        ({"code": 2, "must": False, "may_refuse": True, "changed": {"lb1": 1}}, None),
        (
            {"code": 2, "must": False, "may_refuse": True, "changed": {"lb1": 1}, "differing": ["lb1:/etc/a"]},
            "refusal",
        ),
        ({"may_refuse": True, "changed": {"lb1": 1}, "differing": ["lb1:/etc/a"]}, None),
        ({"unchanging": True, "changed": {"lb1": 1}}, "second run"),
        ({"unchanging": True, "differing": ["lb1:haproxy.service"]}, "second run"),
        ({"code": -9, "killed": True, "missing": ["lb2 is away"]}, None),
    ],
)
def test_a_playbook_says_what_is_so(run, promise):
    assert promises({**WELL, **run}) == ([promise] if promise else [])


def test_a_playbook_may_say_well_while_a_fault_stands():
    assert promises({**WELL, "missing": ["lb2 is away"]}, whole=False) == []


def test_of_two_runs_one_does_its_work():
    refused = {**WELL, "alone": False, "must": False, "may_refuse": True, "code": 2, "differing": ["lb1:/etc/a"]}
    assert promises(refused, {**refused, "code": 0}) == []
    assert promises(refused, refused) == ["two at once"]
    assert promises({**refused, "changed": {"lb1": 1}}, {**refused, "code": 0}) == ["refusal"]


def test_what_was_undone_leaves_a_whole_pair():
    settled = {"event": "settled", "missing": ["lb2 is away"]}
    assert promises(settled) == ["not whole"]
    assert promises({**settled, "missing": []}) == promises(settled, whole=False) == []


@pytest.mark.parametrize(
    ("code", "before", "after", "context", "lies"),
    [
        (0, [], [], {}, False),
        (0, ["lb2 is away"], ["lb2 is away"], {}, True),
        (0, ["lb2 is away"], [], {}, False),  # it came while status looked
        (0, [], [], {"faulty": True}, True),
        (2, ["lb2 is away"], [], {}, False),
        (2, [], [], {}, True),
        (2, [], [], {"whole": False}, False),
    ],
)
def test_status_tells_the_truth(code, before, after, context, lies):
    event = {"event": "status", "code": code, "before": before, "after": after, "said": ""}
    assert promises(event, **context) == (["status"] if lies else [])


def test_a_history_that_was_written_down_can_be_checked_again():
    context = json.loads(json.dumps(dataclasses.asdict(Context(4, Excuses(newcomers=1)))))
    written = [
        {"t": 0, "event": "step", "step": "deploy:8043"}, FAILED | {"t": 1}, {"t": 2, "event": "context", **context},
        {"t": 3, "event": "step", "step": "again"}, BROKEN | {"t": 4}, {"t": 5, "event": "context", **context},
    ]  # fmt: skip
    found = {step: [one.promise for one in violations] for step, violations in checker.check_again(written)}
    assert found == {"deploy:8043": [], "again": ["associations"]}
