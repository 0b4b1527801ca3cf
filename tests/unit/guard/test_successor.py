# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When a holder that no node answers hands the VIP over, and to whom."""

from __future__ import annotations

import pytest
from keepalived_guard import paths, successor
from keepalived_guard.successor import LASTS, PAUSE, Candidate

PEER, THIRD = "198.51.100.12", "198.51.100.9"
READY = {"state": "BACKUP", "priority": 253, "node_answers": True, "handed_over": None}


def row(status="UP", check="L4OK"):
    return {"status": status, "check_status": check}


@pytest.mark.parametrize(
    "rows, answers",
    [
        ([row(), row("DOWN", "L4TOUT")], True),
        ([row("UP 1/3", "L4TOUT"), row("DOWN", "L4CON")], False),
        ([row("DOWN", "* L4TOUT"), row("DOWN", "L7STS")], False),
        ([row("DOWN 1/2", "* L7OK")], True),
        ([row("DRAIN", "L7OKC")], True),
        ([row("MAINT"), row("DOWN", "L4TOUT")], False),
        ([row("MAINT"), row("MAINT", "L4TOUT")], None),
        ([row("UP", "INI"), row("DOWN", "L4TOUT")], None),
        ([row("UP", "* INI")], None),
        ([row("no check", "")], None),
        ([{}], None),
        ([], None),
    ],
)
def test_whether_a_node_answers_this_host_is_what_the_last_checks_say(rows, answers):
    assert successor.node_answers(rows) is answers


@pytest.mark.parametrize(
    "change, found",
    [
        ({}, PEER),
        ({"state": "FAULT"}, ""),
        ({"state": "MASTER"}, ""),
        ({"state": ""}, ""),
        ({"node_answers": False}, ""),
        ({"node_answers": None}, ""),
        ({"node_answers": "yes"}, ""),
        ({"priority": None}, PEER),
    ],
)
def test_the_successor_is_on_standby_and_a_node_answers_it(change, found):
    assert successor.successor({PEER: {**READY, **change}}) == found


def test_who_says_nothing_is_no_successor():
    assert successor.successor({}) == "" and successor.successor({PEER: {}}) == ""


def test_of_several_the_one_that_would_take_it_must_be_answered():
    others = {PEER: READY, THIRD: {**READY, "priority": 252}}
    assert successor.successor(others) == PEER
    assert successor.successor({**others, PEER: {**READY, "node_answers": False}}) == "", (
        "it would take it all the same"
    )
    assert successor.successor({**others, PEER: {**READY, "state": "FAULT"}}) == THIRD
    assert successor.successor({PEER: READY, THIRD: READY}) == PEER, "the higher address, as a number"


def test_it_must_be_the_same_one_for_a_while_without_a_break():
    candidate = Candidate()
    assert not candidate.lasts(PEER, 10)
    assert not candidate.lasts(PEER, 10 + LASTS - 0.1)
    assert candidate.lasts(PEER, 10 + LASTS)
    assert not candidate.lasts("", 16)
    assert not candidate.lasts(PEER, 17) and not candidate.lasts(THIRD, 30)
    assert candidate.lasts(THIRD, 30 + LASTS)


@pytest.mark.parametrize(
    "ages, left",
    [([None, None], 0), ([PAUSE, None], 0), ([10, None], PAUSE - 10), ([None, 20], PAUSE - 20), ([9, 5], 295)],
)
def test_whoever_has_handed_over_last_there_is_a_pause(ages, left):
    assert successor.pause(ages) == left


def test_where_the_nodes_are():
    rows = [{"addr": "198.51.100.21:104"}, {"addr": "[2001:db8::21]:104"}, {"addr": ""}, {}]
    assert successor.addresses(rows) == {"198.51.100.21", "2001:db8::21"}


def test_an_interface_that_does_not_exist_is_down_and_none_is_not_known():
    assert paths.devices_to(["127.0.0.1", "::1", "/run/a-socket", "a name"]) == {"lo"}
    assert paths.are_down(["gone0"]) and not paths.are_down(["gone0", "lo"]) and not paths.are_down([])
