# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a failover would find every forwarded connection on the other load balancer."""

from __future__ import annotations

import json

import pytest
from keepalived_guard import handover
from observations import NOW, connections, forwarders, host, layer4, site

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis import mirror, status, verify

SITE = site(layer4=("dicom",))


@pytest.fixture
def observed():
    return forwarders()


def test_entries_that_are_missing_on_the_standby(observed):
    observed["lb2"]["layer4"]["connections"] = connections("aa")
    (problem,) = mirror.incomplete(SITE, observed)
    assert (problem.code, problem.where) == ("mirror_incomplete", "lb2")
    assert problem.text.startswith("2 of 3 connections that lb1 forwards are missing on lb2")
    for found in (status.problems(SITE, observed, ["lb1", "lb2"]), verify.verify(SITE, observed, "lb2", []).broken):
        assert problem in found


def test_what_the_standby_has_beyond_is_no_problem(observed):
    observed["lb1"]["layer4"]["connections"] = connections("aa")
    assert [*mirror.incomplete(SITE, observed)] == []


def test_a_silent_mirror_is_not_called_incomplete_too(observed):
    observed["lb2"]["layer4"].update(received=[], connections=connections())
    assert [problem.code for problem in status.problems(SITE, observed, ["lb1", "lb2"])] == ["mirror_silent"]


@pytest.mark.parametrize(
    "active, standby, result",
    [
        (connections("aa", "bb"), connections("aa", "bb"), (2, 0)),
        (connections("aa", "bb"), connections("aa"), (2, 1)),
        # In flight: it begins or ends on one of them.
        (connections("aa", others=["bb"]), connections("aa"), (1, 0)),
        (connections("aa", "bb"), connections("aa", others=["bb"]), (2, 0)),
        (connections("aa", "bb", "cc"), connections("aa", ended=["bb"]), (3, 1)),
        # Of many only the smallest hashes are known, and not equally many of each host.
        (connections("aa", "bb", "cc", until="cc"), connections("aa", "bb", until="bb"), (2, 0)),
        (connections("aa", "bb", "cc", until="cc"), connections("aa", "cc", "dd", until="dd"), (3, 1)),
        # Nothing is forwarded, or nothing was asked.
        (connections(), connections("aa"), (0, 0)),
        ({}, connections("aa"), (0, 0)),
        (connections("aa"), {}, (0, 0)),
    ],
)
def test_what_is_compared(active, standby, result):
    assert mirror.compare(active, standby) == result


# --- as a load balancer sees it by itself -----------------------------------------------------------------------------

MANY = sorted(f"{number * 7919 % 65536:04x}" for number in range(100))


def answer(established, others=(), at=NOW - 20, until="ff"):
    told = mirror.sample(connections(*established, others=others, until=until))
    return {"state": "BACKUP", "at": at, "problems": [], "connections": told}


@pytest.mark.parametrize(
    ("ours", "theirs", "result"),
    [
        (["aa", "bb"], answer(["aa", "bb"]), (2, 0)),
        (["aa", "bb"], answer(["aa"]), (2, 1)),
        (["aa", "bb"], answer(["aa"], ["bb"]), (2, 0)),
        (MANY, answer(MANY), (40, 0)),
        # With fewer, theirs reach further.
        (MANY, answer(MANY[1::2]), (40, 20)),
        (["aa"], answer([], at=NOW - 55), None),
        (["aa"], answer([], at=NOW + 55), None),
        (["aa"], {"state": "BACKUP", "at": NOW, "problems": []}, None),
    ],
)
def test_what_another_one_lacks_of_a_sample(ours, theirs, result):
    active = {**host(), "layer4": {**layer4(), "connections": connections(*ours)}}
    assert mirror.compared(active, theirs, NOW) == result


def test_who_has_no_vip_or_no_mirror_asks_for_nothing_and_tells_only_what_it_mirrors():
    theirs = answer([])
    assert mirror.compared({**host("BACKUP"), "layer4": layer4()}, theirs, NOW) is None
    assert mirror.compared({**host(), "layer4": layer4(mirror=False)}, theirs, NOW) is None
    assert mirror.compared(host(), theirs, NOW) is None
    assert mirror.told({**host(), "layer4": layer4(mirror=False)}) is None and mirror.told(host()) is None
    assert mirror.told({**host("BACKUP"), "layer4": layer4()})["established"] == ["aa", "bb", "cc"]


def test_short_associations_that_have_ended_leave_room_for_one_that_lasts():
    digest = connections("fe", ended=MANY)
    assert mirror.compare(mirror.sample(digest), mirror.sample(connections(ended=MANY))) == (1, 1)
    assert mirror.compare(mirror.sample(digest), mirror.sample(digest)) == (1, 0)


def test_a_host_that_is_not_upgraded_yet_tells_what_has_ended_among_the_others():
    older = {key: value for key, value in connections("aa", others=["bb"]).items() if key != "ended"}
    assert mirror.compare(connections("aa", "bb", "cc"), older) == (3, 1)


def test_a_sample_fits_into_a_datagram_with_everything_else():
    names = [f"{number:012x}" for number in range(2000)]
    told = mirror.sample(connections(*names, until="f" * 12))
    assert len(told["established"]) == mirror.SAMPLE and told["until"] == told["established"][-1]
    assert len(json.dumps(told)) + handover.ROOM < 4096 - 300
