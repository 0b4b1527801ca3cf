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
        "haproxy": {
            "running": True,
            "msg": "",
            "services": {"web": {"pacs1": {"up": up, "status": "UP" if up else "DOWN", "check_status": "L7OK"}}},
        },
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
    assert (
        "it answers, so lb1 holds it" in verdict["unchecked"][0] and "lb1 could take the VIP" in verdict["unchecked"][1]
    )


def test_a_survivor_asks_itself_and_says_so(seen):
    del seen["lb2"]
    assert asker(SITE, seen) == "lb1"
    assert any(
        "lb1 holds the VIP and asked itself" in sentence for sentence in verify(SITE, seen, "lb1", THROUGH)["unchecked"]
    )


def test_a_service_that_does_not_answer(seen):
    silent = [{**THROUGH[0], "reachable": False, "error": {"kind": "refused", "text": "refused the connection"}}]
    (told,) = verify(SITE, seen, "lb2", silent)["broken"]
    assert told == f"Answers: web on the VIP {VIP} port 80 does not answer, asked from lb2: refused the connection."


def test_a_daemon_that_is_not_well(seen):
    seen["lb2"]["keepalived"]["instances"][0]["state"] = "FAULT"
    seen["lb1"]["haproxy"].update(running=False, msg="it is stopped.")
    told = verify(SITE, seen, "lb2", THROUGH)["broken"]
    assert (
        told[0] == "HAProxy: it does not run on lb1: it is stopped."
        and "lb2 cannot take the VIP, its state is FAULT" in told[1]
    )


@pytest.mark.parametrize(
    "up, reachable, agree",
    [(True, True, True), (False, False, True), (False, True, False), (True, False, False), (None, True, False)],
)
def test_haproxy_and_the_host_see_a_node_alike(up, reachable, agree):
    saw = load_balancer("MASTER", up)
    error = None if reachable else {"kind": "timeout", "text": "timed out"}
    saw["endpoints"][0].update(reachable=reachable, error=error)
    assert agrees(saw["haproxy"]["services"], saw["endpoints"]) == agree
    broken = verify(SITE, {"lb1": saw, "lb2": load_balancer("BACKUP")}, "lb2", THROUGH)["broken"]
    assert bool(broken) != agree


def test_a_node_that_haproxy_does_not_know():
    assert not agrees({}, [{"service": "web", "node": "pacs1", "reachable": True}])


# --- layer 4 -----------------------------------------------------------------------------------------------------------

ENDS = {"lb1": ("198.51.100.11", "198.51.100.12"), "lb2": ("198.51.100.12", "198.51.100.11")}
FORWARDED = {
    **SITE,
    "layer4_services": [{"name": "web"}],
    "hosts": {name: {**HOST, "mirror": {"address": address, "peer": peer}} for name, (address, peer) in ENDS.items()},
}
ASKED = [{**THROUGH[0], "source": {"address": "198.51.100.12", "port": 40312}}]
WAYS = {"lb1": [{"client_port": 40312, "node": "198.51.100.21"}], "lb2": []}


@pytest.fixture
def forwarding(seen):
    for name, saw in seen.items():
        status = {"running": True, "fault": "", "current": True, "obstacles": []}
        saw["layer4"] = {"status": status, "beacon": f"beacon of {name}", "heard": ["beacon of lb1", "beacon of lb2"]}
    return seen


def test_an_answer_by_the_kernel_and_a_mirror(forwarding):
    verdict = verify(FORWARDED, forwarding, "lb2", ASKED, WAYS)
    assert verdict["broken"] == verdict["unchecked"] == []
    assert verdict["kept"][2:] == [
        "web goes through the kernel of lb1 to 198.51.100.21.",
        "Connections are mirrored between lb1 and lb2, both ways.",
    ]


def test_an_answer_by_haproxy_is_none_of_the_kernels(forwarding):
    # An entry of another connection proves nothing, nor does one on the host that does not hold the VIP.
    for ways in (
        {"lb1": [], "lb2": WAYS["lb1"]},
        {"lb1": [{"client_port": 40313, "node": "198.51.100.21"}], "lb2": []},
    ):
        (told,) = verify(FORWARDED, forwarding, "lb2", ASKED, ways)["broken"]
        assert told.startswith("Layer 4: web was answered by HAProxy on lb1 and not through its kernel")


def test_rules_of_the_sites_own_are_named(forwarding):
    forwarding["lb1"]["layer4"]["status"]["obstacles"] = [
        {"table": "ip filter", "chain": "FORWARD", "rule": "iptables -I FORWARD ..."}
    ]
    silent = [{**ASKED[0], "reachable": False, "error": {"kind": "timeout", "text": "timed out"}, "source": None}]
    (told,) = verify(FORWARDED, forwarding, "lb2", silent, WAYS)["broken"]
    assert "on lb1 may drop it, in table ip filter, chain FORWARD; to let it pass: iptables -I FORWARD" in told


def test_a_host_that_asks_itself_says_nothing_of_the_kernel(forwarding):
    del forwarding["lb2"]
    verdict = verify(FORWARDED, forwarding, "lb1", ASKED, WAYS)
    assert verdict["broken"] == []
    assert any(
        "the kernel's way to web. lb1 holds the VIP and reaches HAProxy" in told for told in verdict["unchecked"]
    )
    assert any("the mirror between lb1 and lb2. This run reached lb1 alone" in told for told in verdict["unchecked"])


def test_a_mirror_that_is_silent_one_way(forwarding):
    forwarding["lb2"]["layer4"]["heard"].remove("beacon of lb1")
    (told,) = verify(FORWARDED, forwarding, "lb2", ASKED, WAYS)["broken"]
    assert told.startswith("Mirror: what lb1 has in its connection table does not appear on lb2 within 1 s")
    assert "UDP port 3780 passes from 198.51.100.11 to 198.51.100.12" in told


@pytest.mark.parametrize(
    "status, sentence",
    [
        ({}, "layer4.service does not run on lb2"),
        ({"running": False, "fault": "", "current": True, "obstacles": []}, "layer4.service does not run on lb2"),
        (
            {"running": True, "fault": "nft refuses the rules", "current": True, "obstacles": []},
            "on lb2 nft refuses the rules.",
        ),
        (
            {"running": True, "fault": "", "current": False, "obstacles": []},
            "layer4.service on lb2 does not run what was written",
        ),
    ],
)
def test_a_unit_that_is_not_well(forwarding, status, sentence):
    forwarding["lb2"]["layer4"]["status"] = status
    (told,) = verify(FORWARDED, forwarding, "lb2", ASKED, WAYS)["broken"]
    assert sentence in told
