# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A planned move of the VIP: who gets it, and who never does."""

from __future__ import annotations

import pytest
from observations import NOW, VIP, forwarders, host, layer4, node, pair, site

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis import handover

THREE = ("lb1", "lb2", "lb3")


def refused(observed, to="", **more):
    move = handover.plan(site(**more), observed, to)
    assert (move.holder, move.to) == ("", "")
    return [problem.code for problem in move.obstacles]


def test_the_healthy_standby_gets_it():
    move = handover.plan(site(), pair(), "")
    assert move == ("lb1", "lb2", [], [])
    assert handover.in_words(site(), move)[0] == f"The VIP {VIP} moves from lb1 to lb2."


def test_nothing_moves_where_it_is_there_already():
    move = handover.plan(site(), pair(), "lb1")
    assert move == ("lb1", "lb1", [], [])
    assert handover.in_words(site(), move) == [f"The VIP {VIP} is on lb1 already. Nothing is changed."]


def test_of_three_the_one_that_is_asked_for_gets_it_and_the_other_must_not():
    observed = {**pair(), "lb3": host("BACKUP")}
    assert handover.plan(site(names=THREE), observed, "lb3") == ("lb1", "lb3", ["lb2"], [])


def test_of_three_the_healthy_one_gets_it():
    observed = {**pair(), "lb3": host("BACKUP")}
    observed["lb2"]["keepalived"]["instances"][0]["state"] = "FAULT"
    assert handover.plan(site(names=THREE), observed, "") == ("lb1", "lb3", ["lb2"], [])


def test_no_standby_that_is_not_well():
    observed = pair()
    observed["lb2"]["haproxy"].update(running=False, msg="It is not running.")
    observed["lb2"]["keepalived"]["instances"][0]["state"] = "FAULT"
    assert refused(observed) == ["keepalived_fault", "haproxy_down"]


@pytest.mark.parametrize("up", [False, None])
def test_no_standby_that_does_not_see_the_nodes(up):
    observed = pair()
    for name in ("pacs1", "pacs2"):
        observed["lb2"]["haproxy"]["services"]["dicom"][name] = node("DOWN", "L4TOUT", up, name=name)
    assert refused(observed) == ["successor_without_nodes"]


def test_a_service_that_is_down_on_both_keeps_nothing_here():
    observed = pair()
    for its in observed.values():
        for name in ("pacs1", "pacs2"):
            its["haproxy"]["services"]["dicom"][name] = node("DOWN", "L4TOUT", False, name=name)
    assert handover.plan(site(), observed, "").to == "lb2"


def test_no_standby_that_does_not_forward():
    observed = forwarders()
    observed["lb2"]["layer4"] = {**layer4(), "running": False}
    assert refused(observed, layer4=("dicom",)) == ["layer4_hung"]


def test_nothing_moves_where_two_have_it():
    observed = pair()
    observed["lb2"]["keepalived"]["addresses"][VIP] = NOW
    assert refused(observed) == ["vip_two_holders"]


def test_who_is_asked_for_must_be_there():
    assert refused(pair(), "lb9") == ["load_balancer_unknown"]
    assert refused({"lb1": host()}, "lb2") == ["host_unreachable"]


def test_the_only_one_keeps_it():
    assert refused({"lb1": host()}, names=("lb1",)) == ["no_successor"]


def test_what_the_kernel_forwards_is_not_held():
    mixed = site(services=("web", "dicom"), layer4=("dicom",))
    assert [(it["name"], it["mode"], it["forwarded"]) for it in handover.services(mixed)] == [
        ("web", "http", False),
        ("dicom", "tcp", True),
    ]
    words = handover.in_words(mixed, handover.plan(mixed, forwarders(("web", "dicom")), ""))
    assert "Connections to dicom go on" in words[1] and "Connections to web end in HAProxy" in words[2]
