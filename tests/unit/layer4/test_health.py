# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a line of HAProxy's means."""

from __future__ import annotations

import pytest
from layer4 import health


@pytest.mark.parametrize(
    "status, check_status, state",
    [
        # HAProxy 2.6 and 3.0; an asterisk means that a check is on its way.
        ("UP", "L4OK", "up"),
        ("UP", "* L4OK", "up"),
        ("UP", "L7OK", "up"),
        ("UP 2/3", "L4CON", "up"),
        ("UP 1/3", "* L4TOUT", "up"),
        ("no check", "", "up"),
        ("DOWN", "L4CON", "down"),
        ("DOWN", "* L4TOUT", "down"),
        ("DOWN 1/2", "L4OK", "down"),
        ("DOWN (agent)", "L4OK", "down"),
        ("MAINT", "", "drain"),
        ("MAINT (via dicom/pacs1)", "", "drain"),
        ("MAINT (resolution)", "", "drain"),
        ("DRAIN", "L4OK", "drain"),
        ("DRAIN 1/3", "L4CON", "drain"),
        ("DRAIN (agent)", "L4OK", "drain"),
        ("NOLB", "L7OKC", "drain"),
        ("NOLB 1/2", "L7OKC", "drain"),
    ],
)
@pytest.mark.parametrize("former", ["up", "down", "drain", None])
def test_what_a_servers_line_means(status, check_status, state, former):
    assert health.read_state({"status": status, "check_status": check_status}, former) == state


@pytest.mark.parametrize("check_status", ["INI", "* INI"])
@pytest.mark.parametrize("former", ["up", "down", "drain", None])
def test_what_a_new_worker_has_not_checked_yet_stays_what_it_was(check_status, former):
    assert health.read_state({"status": "UP", "check_status": check_status}, former) == former


def nodes_in(name):
    """A service with two nodes."""
    ends = [{"name": node, "address": f"198.51.100.2{node[-1]}", "port": 104} for node in ("pacs1", "pacs2")]
    nodes = [{**end, "weight": None, "backup": False, "cut": False} for end in ends]
    return {"name": name, "address": "198.51.100.10", "port": 104, "nodes": nodes}


def rows(**states):
    return [
        {"pxname": service, "svname": node, "status": state, "check_status": "L4OK", "weight": "1"}
        for service in ("dicom", "query")
        for node, state in states.items()
    ]


def slots_of(known, node, service="dicom", now=0.0):
    maps, _dead = known.decide(now, 15, {})
    return {slot for slot, taken in enumerate(maps[service]) if taken and taken["name"] == node}


@pytest.fixture
def known():
    found = health.Health()
    found.configure([nodes_in("dicom"), nodes_in("query")])
    found.observe(rows(pacs1="UP", pacs2="UP"), 0)
    return found


def test_a_node_that_comes_back_from_maintenance_takes_its_slots_one_after_the_other(known):
    own = slots_of(known, "pacs1")
    known.observe(rows(pacs1="MAINT", pacs2="UP"), 1)
    assert slots_of(known, "pacs1") == set()
    former = set()
    for second in range(0, health.RETURN + 1):
        known.observe(rows(pacs1="UP", pacs2="UP"), 100 + second)
        taken = slots_of(known, "pacs1")
        assert former <= taken <= own, "a client that has come to it stays"
        assert taken == slots_of(known, "pacs1", "query"), "a client has one node"
        if second == 1:
            assert 0 < len(taken) < len(own) / 3
        former = taken
    assert former == own


def test_a_node_that_was_down_comes_back_at_once(known):
    own = slots_of(known, "pacs1")
    known.observe(rows(pacs1="DOWN", pacs2="UP"), 1)
    known.observe(rows(pacs1="UP", pacs2="UP"), 2)
    assert slots_of(known, "pacs1") == own


def test_who_is_connected_to_a_node_that_was_cut_off_is_told_by_the_host_with_the_vip_alone(known):
    cut = nodes_in("dicom")
    cut["nodes"][0]["cut"] = True
    known.configure([cut])
    known.observe(rows(pacs1="MAINT", pacs2="UP"), 1)
    assert known.decide(1, 15, {"198.51.100.10": 0.5})[1] == {("198.51.100.21", 104)}
    assert known.decide(1, 15, {})[1] == set()
