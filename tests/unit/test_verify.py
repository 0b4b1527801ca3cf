# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which promises a deployed pair keeps and breaks."""

from __future__ import annotations

import pytest
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils.verify import agrees, asker, verify

VIP = "198.51.100.10"
HOST = {"vips": [{"address": VIP}]}
SITE = {"peers": [{"name": "lb1"}, {"name": "lb2"}], "hosts": {"lb1": HOST, "lb2": HOST}}
THROUGH = [{"service": "web", "address": VIP, "port": 80, "reachable": True, "error": None}]


def load_balancer(state, up=True):
    addresses = {"198.51.100.11": 1, **({VIP: 2} if state == "MASTER" else {})}
    return {
        "endpoints": [{"service": "web", "node": "pacs1", "reachable": True, "error": None}],
        "haproxy": {"running": True, "msg": "", "services": {"web": {"pacs1": {"up": up, "status": "UP" if up else "DOWN", "check_status": "L7OK"}}}},
        "keepalived": {"running": True, "msg": "", "addresses": addresses, "instances": [{"state": state}]},
    }


@pytest.fixture
def seen():
    return {"lb1": load_balancer("MASTER"), "lb2": load_balancer("BACKUP")}


def test_a_pair_that_keeps_all(seen):
    assert asker(SITE, seen) == "lb2"
    assert verify(SITE, seen, "lb2", THROUGH) == {
        "kept": [f"lb1 holds the VIP {VIP}.", "web answer through it, asked from lb2."],
        "broken": [],
        "unchecked": [],
    }


def test_two_holders(seen):
    seen["lb2"]["keepalived"]["addresses"][VIP] = 3
    assert f"One holder: lb1 and lb2 hold the VIP {VIP} at once" in verify(SITE, seen, "lb1", THROUGH)["broken"][0]


def test_no_holder(seen):
    del seen["lb1"]["keepalived"]["addresses"][VIP]
    assert verify(SITE, seen, "lb1", THROUGH)["broken"][0].startswith(f"One holder: nobody holds the VIP {VIP}")


def test_what_limit_leaves_unchecked(seen):
    del seen["lb1"]
    verdict = verify(SITE, seen, "lb2", THROUGH)
    assert verdict["broken"] == []
    assert "it answers, so lb1 holds it" in verdict["unchecked"][0] and "lb1 could take the VIP" in verdict["unchecked"][1]


def test_a_survivor_asks_itself_and_says_so(seen):
    del seen["lb2"]
    assert asker(SITE, seen) == "lb1"
    assert any("lb1 holds the VIP and asked itself" in sentence for sentence in verify(SITE, seen, "lb1", THROUGH)["unchecked"])


def test_a_service_that_does_not_answer(seen):
    silent = [{**THROUGH[0], "reachable": False, "error": {"kind": "refused", "text": "refused the connection"}}]
    (told,) = verify(SITE, seen, "lb2", silent)["broken"]
    assert told == f"Answers: web on the VIP {VIP} port 80 does not answer, asked from lb2: refused the connection."


def test_a_daemon_that_is_not_well(seen):
    seen["lb2"]["keepalived"]["instances"][0]["state"] = "FAULT"
    seen["lb1"]["haproxy"].update(running=False, msg="it is stopped.")
    told = verify(SITE, seen, "lb2", THROUGH)["broken"]
    assert told[0] == "HAProxy: it does not run on lb1: it is stopped." and "lb2 cannot take the VIP, its state is FAULT" in told[1]


@pytest.mark.parametrize("up, reachable, agree", [(True, True, True), (False, False, True), (False, True, False), (True, False, False), (None, True, False)])
def test_haproxy_and_the_host_see_a_node_alike(up, reachable, agree):
    saw = load_balancer("MASTER", up)
    error = None if reachable else {"kind": "timeout", "text": "timed out"}
    saw["endpoints"][0].update(reachable=reachable, error=error)
    assert agrees(saw["haproxy"]["services"], saw["endpoints"]) == agree
    broken = verify(SITE, {"lb1": saw, "lb2": load_balancer("BACKUP")}, "lb2", THROUGH)["broken"]
    assert bool(broken) != agree


def test_a_node_that_haproxy_does_not_know():
    assert not agrees({}, [{"service": "web", "node": "pacs1", "reachable": True}])
