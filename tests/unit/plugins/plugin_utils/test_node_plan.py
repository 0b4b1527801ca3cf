# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A node out of service and back: what is refused, what is said, what is remembered, and who holds on."""

from __future__ import annotations

import pytest
from observations import HOSTS, NOW, node, pair, site

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils import _node_plan

SERVICES = ("web", "dicom", "query")


def asked(states=None, services=SERVICES, **run):
    """The site, and what was asked of the run."""
    defaults = {"node": "pacs1", "state": "maintenance", "service": None, "cut": False, "wait": 1800, "force": False}
    return {**site(services=services, states=states), "run": {**defaults, **run}}


@pytest.fixture
def observed():
    return pair(SERVICES)


def problems(of, observed):
    return _node_plan.plan(of, observed, HOSTS)["problems"]


def entry(state, since=5, by="ada", cut=False):
    return {"state": state, "since": since, "by": by, "cut": cut}


def test_what_will_be_done_is_said(observed):
    plan = _node_plan.plan(asked(), observed, HOSTS)
    assert plan["problems"] == []
    assert plan["says"] == [
        "lb1 and lb2 send no new connections to web, dicom and query on pacs1, known clients' neither.",
        "Waits until the last of those that it has is closed, for 30 min at most. Without any the node is in"
        " maintenance, otherwise it goes on draining.",
    ]
    assert plan["services"] == [*SERVICES] and plan["first"] == "drain"
    assert [check["nodes"] for check in plan["checks"]] == [[{"name": "pacs1", "address": "198.51.100.21"}]] * 3


@pytest.mark.parametrize(
    "run, sentence",
    [
        ({"node": None}, "infinitt_node is not set; give one of pacs1, pacs2."),
        ({"node": "pacs3"}, "infinitt_node is pacs3, which no service has; did you mean pacs2."),
        ({"state": None}, "infinitt_state is not set; give one of active, drain, maintenance."),
        (
            {"service": "mwl"},
            "infinitt_service is mwl, which pacs1 does not serve; give one of web, dicom, query.",
        ),
    ],
)
def test_a_question_that_cannot_be_answered(observed, run, sentence):
    assert problems(asked(**run), observed)[0].startswith(sentence[:-6])


def test_one_service(observed):
    assert _node_plan.plan(asked(service="query"), observed, HOSTS)["services"] == ["query"]


def test_the_last_healthy_node_of_a_service_stays(observed):
    observed["lb2"]["haproxy"]["services"]["query"]["pacs2"] = node("DOWN", "L4CON", False, name="pacs2")
    (sentence,) = problems(asked(), observed)
    assert sentence.startswith("pacs1 is the last healthy node of query;")
    assert problems(asked(service="web"), observed) == []
    assert problems(asked(force=True), observed) == []
    assert problems(asked(node="pacs2"), observed) == [], "one that is down serves nobody"


@pytest.mark.parametrize("out", [node("MAINT", "", False, name="pacs2"), {**node(name="pacs2"), "weight": 0}])
def test_a_node_that_takes_no_clients_is_no_other(observed, out):
    for host in observed.values():
        host["haproxy"]["services"]["dicom"]["pacs2"] = out
    assert "last healthy node of dicom" in problems(asked(), observed)[0]
    assert problems(asked(state="active"), observed) == []


def test_a_pair_that_is_not_healthy_stays_as_it_is(observed):
    observed["lb2"]["keepalived"]["instances"][0]["state"] = "FAULT"
    (sentence,) = problems(asked(), observed)
    assert sentence.endswith("[keepalived_fault]")


def test_a_node_that_is_down_is_no_reason_to_stop(observed):
    for host in observed.values():
        host["haproxy"]["services"]["dicom"]["pacs1"] = node("DOWN", "L4CON", False)
    assert problems(asked(), observed) == []


def test_other_changes_of_the_inventory_do_not_come_with_it(observed):
    observed["lb2"]["files"][0]["differs"] = True
    (sentence,) = problems(asked(), observed)
    assert sentence.startswith("This run would change more than the state of a node on lb2")
    begun = {name: {"pacs1": entry("drain")} for name in SERVICES}
    assert problems(asked(begun), observed) == [], "what was interrupted is brought to its end"


def test_files_that_an_interrupted_run_has_not_loaded_are_loaded_by_the_next(observed):
    for host in observed.values():
        host["haproxy"]["description"] = "the former one"
    assert [sentence[-17:] for sentence in problems(asked(), observed)] == ["[config_outdated]"] * 2
    begun = {name: {"pacs1": entry("drain")} for name in SERVICES}
    assert problems(asked(begun), observed) == []
    assert len(problems(asked(begun, state="active"), observed)) == 2, "another one was begun"


# --- what is remembered -----------------------------------------------------------------------------------------------


def test_what_it_has_already_keeps_its_moment():
    before = {"web": {"pacs1": entry("drain")}}
    after = _node_plan.changed(asked(before), "drain", NOW, "bob")
    assert after["web"]["pacs1"] == entry("drain")
    assert after["dicom"]["pacs1"] == after["query"]["pacs1"] == entry("drain", NOW, "bob")


def test_a_new_entry_is_the_newest_whatever_a_clock_has_said():
    future = {"web": {"pacs1": entry("maintenance", NOW + 500)}}
    assert _node_plan.changed(asked(future), "active", NOW, "bob")["web"]["pacs1"]["since"] == NOW + 501


def test_connections_are_cut_until_the_node_is_back():
    cut = _node_plan.changed(asked(service="web"), "drain", NOW, "bob", cut=True)
    out = _node_plan.changed(asked(cut, service="web"), "maintenance", NOW + 1, "bob")
    assert out["web"]["pacs1"] == entry("maintenance", NOW + 1, "bob", cut=True)
    assert _node_plan.plan(asked(out, service="web"), pair(SERVICES), HOSTS)["first"] == "maintenance"
    back = _node_plan.changed(asked(out, service="web"), "active", NOW + 2, "bob")
    assert back["web"]["pacs1"] == entry("active", NOW + 2, "bob")


# --- who holds on -----------------------------------------------------------------------------------------------------


def test_who_is_left_is_named_but_no_more_than_a_few():
    assert _node_plan.holds_on(asked(), []) == ""
    one = [{"client": "198.51.100.50", "service": "dicom", "sessions": 1}]
    assert _node_plan.holds_on(asked(), one) == "1 connection is left to pacs1: 198.51.100.50 (dicom)."
    many = [{"client": f"198.51.100.{n}", "service": "mwl", "sessions": 2} for n in range(50, 58)]
    said = _node_plan.holds_on(asked(), many)
    assert said.startswith("16 connections are left to pacs1: 198.51.100.50 (mwl, 2), ")
    assert said.endswith("198.51.100.54 (mwl, 2) and 3 more.")
