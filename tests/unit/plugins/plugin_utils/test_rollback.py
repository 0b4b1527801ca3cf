# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What was there before the last change, of the whole site."""

from __future__ import annotations

import pytest

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.rollback import ACT, Rollback

HOSTS = ("lb1", "lb2")
SITES = {name: {"hosts": dict.fromkeys(HOSTS), "states": {}, "is": name} for name in ("A", "B")}


def confirmed(change, when=1):
    return {"change": change, "act": "playbooks/site.yml", "by": "ops", "when": str(when), "site": SITES[change]}


def files(change, pending=False, act="playbooks/site.yml", when=1):
    return {"change": change, "pending": pending, "act": act, "by": "ops", "when": str(when)}


def records(**sets):
    """Both hosts serve B, and served A before; ``sets``: of each host, in place of what B has left."""
    usual = {"haproxy": files("B"), "keepalived": files("A")}
    kept = {"current": confirmed("B", 2), "former": confirmed("A", 1)}
    return {name: {**kept, "sets": {**usual, **sets.get(name, {})}} for name in HOSTS}


def test_one_change_is_undone_where_it_was_and_nowhere_else():
    found = Rollback(records(), HOSTS)
    assert found.refusals({}) == []
    assert found.undo == ["B"] and found.site["is"] == "A"
    assert "It is undone: haproxy on lb1; haproxy on lb2." in found.plan()[1]


def test_a_change_that_stopped_half_way_is_the_last_one():
    """And all attempts at it, on whichever host."""
    found = Rollback(
        records(lb2={"haproxy": files("C1", True, when=3), "keepalived": files("C2", True, when=4)}), HOSTS
    )
    assert found.refusals({}) == []
    assert found.undo == ["C1", "C2"] and found.site["is"] == "B" and found.last["change"] == "C2"


def test_a_rollback_that_stopped_half_way_is_continued():
    found = Rollback(records(lb2={"haproxy": files("R", True, act=ACT, when=3)}), HOSTS)
    assert found.undo == ["B"] and found.site["is"] == "A"
    assert "It is undone: haproxy on lb1." in found.plan()[1]


def changed(**changes):
    found = records()
    found["lb2"] = {**found["lb2"], **changes}
    return found


@pytest.mark.parametrize(
    "found, names, states, sentence",
    [
        (records(), (*HOSTS, "lb3"), {}, "This run leaves out lb3"),
        ({name: {**record, "former": {}} for name, record in records().items()}, HOSTS, {}, "No configuration is kept"),
        (changed(former=confirmed("B")), HOSTS, {}, "had different configurations before the last change"),
        (changed(former={}), HOSTS, {}, "had different configurations before the last change"),
        (records(), HOSTS[:1], {}, "the load balancers were lb1 and lb2, and the inventory has lb1; add or remove one"),
        (records(), HOSTS, {"dicom": {"pacs1": {}}}, "Nodes were taken out of service or brought back since then"),
    ],
)
def test_there_is_no_way_back_to_a_mixture(found, names, states, sentence):
    (said,) = Rollback(found, names).refusals(states)
    assert sentence in said


def test_a_change_of_some_hosts_is_taken_back_there_by_the_run_that_made_it():
    found = {"lb2": {**records()["lb2"], "sets": {"haproxy": files("C", True, when=3)}}}
    assert "This run leaves out lb1" in Rollback(found, HOSTS).refusals({})[0]
    assert Rollback(found, HOSTS).refusals({}, limited=True) == []
    assert Rollback(found, HOSTS).undo == ["C"] and Rollback(found, HOSTS).site["is"] == "B"
