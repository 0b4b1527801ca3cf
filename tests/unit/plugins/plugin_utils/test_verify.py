# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which promises a deployed pair keeps and breaks."""

from __future__ import annotations

import copy

import pytest
from observations import ADDRESSES, MACS, VIP, endpoint, forwarders, node, pair, site, through, undeployed

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis import verify

SITE = site()
THROUGH = (through(),)
REFUSED = ("refused", "refused the connection")


@pytest.fixture
def observed():
    return pair()


def verdict(observed, prober="lb2", asked=THROUGH):
    return verify.verify(SITE, observed, prober, asked)


ONE_ANSWERS = "One machine answers for each VIP, asked from lb1 and lb2."


def test_a_pair_that_keeps_all(observed):
    assert verify.vip_prober(SITE, observed) == "lb2"
    assert verdict(observed) == (
        [f"lb1 holds the VIP {VIP}.", ONE_ANSWERS, "dicom answers through the VIP, asked from lb2."],
        [],
        [],
        [],
    )


def test_two_holders(observed):
    observed["lb2"]["keepalived"]["addresses"][VIP] = 3
    (problem,) = verdict(observed).broken
    assert problem.code == "vip_two_holders"
    assert problem.text == f"lb1 and lb2 hold the VIP {VIP} at the same time."


def test_a_stranger_that_answers_as_well(observed):
    for name, macs in (("lb1", ["02:00:00:00:00:99"]), ("lb2", [MACS["lb1"], "02:00:00:00:00:99"])):
        observed[name]["owners"]["eth0"][VIP] = macs
    (problem,) = verdict(observed).broken
    assert problem.code == "vip_answered_twice" and "asked from lb1: lb1 and 02:00:00:00:00:99." in problem.text
    assert ONE_ANSWERS not in verdict(observed).kept


def test_another_load_balancer_that_answers_as_well_is_named(observed):
    observed["lb1"]["owners"]["eth0"] |= {VIP: [MACS["lb2"]], "198.51.100.12": [MACS["lb2"]]}
    (problem,) = verdict(observed).broken
    assert problem.code == "vip_answered_twice" and "asked from lb1: lb1 and lb2." in problem.text


def test_a_standby_that_does_not_see_the_vip(observed):
    observed["lb2"]["owners"]["eth0"][VIP] = []
    (problem,) = verdict(observed).broken
    assert (problem.code, problem.text) == ("vip_unheard", f"Nobody answers lb2 for the VIP {VIP}, which is on lb1.")


def test_no_holder(observed):
    del observed["lb1"]["keepalived"]["addresses"][VIP]
    problem = verdict(observed).broken[0]
    assert (problem.code, problem.text) == ("vip_no_holder", f"No load balancer holds the VIP {VIP}.")


def test_what_limit_leaves_unchecked(observed):
    del observed["lb1"]
    found = verdict(observed)
    assert found.broken == []
    assert "It answers, so it is on lb1" in found.unchecked[0]
    assert "whether lb1 could take over the VIP" in found.unchecked[1]


def test_a_survivor_asks_itself_and_says_so(observed):
    del observed["lb2"]
    assert verify.vip_prober(SITE, observed) == "lb1"
    assert any("lb1 holds the VIP and asked itself" in text for text in verdict(observed, "lb1").unchecked)


def test_a_service_that_does_not_answer(observed):
    found = verdict(observed, asked=[through(error=REFUSED)])
    (problem,) = found.broken
    assert problem.code == "vip_service_silent"
    assert problem.text == f"dicom does not answer on the VIP {VIP} port 104 (asked from lb2): refused the connection."
    assert not any("answers through" in text for text in found.kept)


def test_a_daemon_that_is_not_healthy(observed):
    observed["lb2"]["keepalived"]["instances"][0]["state"] = "FAULT"
    observed["lb1"]["haproxy"].update(running=False, msg="it is stopped.")
    found = verdict(observed).broken
    assert [problem.code for problem in found] == ["haproxy_down", "keepalived_fault"]
    assert found[0].text == "No answer from HAProxy on lb1: it is stopped."
    assert found[1].text == "Keepalived on lb2 is in state FAULT and cannot take over the VIP."


@pytest.mark.parametrize(
    "up, reachable, agree",
    [(True, True, True), (False, False, True), (False, True, False), (True, False, False), (None, True, False)],
)
def test_haproxy_and_the_host_see_a_node_alike(observed, up, reachable, agree):
    host = observed["lb1"]
    host["haproxy"]["services"]["dicom"]["pacs1"] = node("UP" if up else "DOWN", up=up)
    host["endpoints"][0] = endpoint(error=None if reachable else ("timeout", "timed out"))
    assert verify.haproxy_settled(host["haproxy"], SITE, host["endpoints"], ()) == agree
    assert [problem.code for problem in verdict(observed).broken] == ([] if agree else ["node_disputed"])


@pytest.mark.parametrize(
    "peers, settled", [({"lb2": True}, True), ({"lb2": False}, False), ({"lb3": False, "lb2": True}, True), ({}, True)]
)
def test_haproxy_waits_for_those_peers_that_take_part(observed, peers, settled):
    host = observed["lb1"]
    host["haproxy"]["peers"] = peers
    assert verify.haproxy_settled(host["haproxy"], SITE, host["endpoints"], ["lb1", "lb2"]) == settled


def test_a_node_that_haproxy_does_not_know(observed):
    assert not verify.haproxy_settled({"services": {}, "peers": {}}, SITE, [endpoint()], ())
    del observed["lb2"]["haproxy"]["services"]["dicom"]["pacs2"]
    (problem,) = verdict(observed).broken
    assert (problem.code, problem.text) == ("node_unknown", "HAProxy on lb2 does not serve dicom on pacs2.")


# --- layer 4 ---------------------------------------------------------------------------------------------------------

FORWARDED = site(layer4=("dicom",))
PATHS = {"lb1": [{"client_port": 40312, "node": "198.51.100.21"}], "lb2": []}


@pytest.fixture
def forwarding():
    return forwarders()


def judged(forwarding, prober="lb2", asked=THROUGH, paths=None, of=FORWARDED):
    paths = PATHS if paths is None else paths
    return verify.verify(of, forwarding, prober, asked, paths)


def test_an_answer_by_the_kernel_and_a_mirror(forwarding):
    found = judged(forwarding)
    assert found.broken == found.unchecked == found.notices == []
    assert found.kept[3:] == [
        "dicom is forwarded by the kernel of lb1 to 198.51.100.21.",
        "Connections are mirrored between lb1 and lb2, in both directions.",
    ]


def test_an_answer_by_haproxy_is_none_of_the_kernels(forwarding):
    # An entry of another connection proves nothing, nor does one on the host that does not hold the VIP.
    for paths in (
        {"lb1": [], "lb2": PATHS["lb1"]},
        {"lb1": [{"client_port": 40313, "node": "198.51.100.21"}], "lb2": []},
    ):
        (problem,) = judged(forwarding, paths=paths).broken
        assert problem.code == "layer4_bypassed"
        assert problem.text == "dicom was answered by HAProxy on lb1 and was not forwarded by its kernel."


def test_rules_of_the_sites_own_are_named(forwarding):
    forwarding["lb1"]["layer4"]["obstacles"] = [
        {"table": "ip filter", "chain": "FORWARD", "rule": "iptables -I FORWARD ..."}
    ]
    assert judged(forwarding).broken == [], "they are a reason, where something does not get through"
    silent, firewall = judged(forwarding, asked=[through(error=("timeout", "timed out"))]).broken
    assert (silent.code, firewall.code) == ("vip_service_silent", "firewall_drops")
    assert firewall.text == "The firewall of lb1 may drop forwarded connections (table ip filter, chain FORWARD)."
    assert firewall.remedy == "Allow them: iptables -I FORWARD ..."


def test_a_host_that_asks_itself_says_nothing_of_the_kernel(forwarding):
    del forwarding["lb2"]
    found = judged(forwarding, "lb1")
    assert found.broken == []
    assert any("whether dicom is forwarded by the kernel; lb1 holds the VIP" in text for text in found.unchecked)
    assert any("the mirror to and from lb2, which this run left out" in text for text in found.unchecked)


def test_a_single_load_balancer_mirrors_nothing(forwarding):
    del forwarding["lb2"]
    forwarding["lb1"]["layer4"]["mirror"]["wanted"] = False
    found = judged(forwarding, "lb1", of=site(layer4=("dicom",), names=["lb1"]))
    assert found.broken == [] and found.unchecked[-1].startswith("Not mirrored: there is one load balancer")


def test_a_mirror_that_is_silent_one_way(forwarding):
    forwarding["lb2"]["layer4"]["received"].remove("4711")
    found = judged(forwarding)
    (problem,) = found.broken
    assert problem.code == "mirror_silent"
    assert problem.text == "Connections are not mirrored from lb1 to lb2: a test entry did not arrive within 1 s."
    assert f"UDP port 3780 passes from {ADDRESSES['lb1']} to {ADDRESSES['lb2']}" in problem.remedy
    assert not any("mirrored" in text for text in found.kept)
    (problem,) = judged(forwarding, of=site(layer4=("dicom",), infinitt_mirror_encrypted=True)).broken
    assert problem.code == "mirror_silent" and problem.remedy == (
        "Check that UDP port 3781 passes from 198.51.100.11 to 198.51.100.12, and 3780 on layer4-mirror (wg show says"
        " when it last had an answer), then restart layer4-mirror on lb2 and after that on lb1: systemctl restart"
        " layer4-mirror."
    )


def test_a_mirror_of_three_names_the_two_of_whom_one_does_not_hear_the_other(forwarding):
    of = site(layer4=("dicom",), names=[*ADDRESSES])
    entries = [host["layer4"]["test_entry"] for host in forwarding.values()]
    forwarding["lb3"] = copy.deepcopy(forwarding["lb2"])
    forwarding["lb3"]["layer4"].update(test_entry="4713", received=entries)
    for name in ("lb1", "lb2"):
        forwarding[name]["layer4"]["received"].append("4713")
    assert "Connections are mirrored between lb1, lb2 and lb3, in all directions." in judged(forwarding, of=of).kept
    forwarding["lb3"]["layer4"]["received"].remove("4711")
    (problem,) = judged(forwarding, of=of).broken
    assert problem.text == "Connections are not mirrored from lb1 to lb3: a test entry did not arrive within 1 s."
    assert "UDP port 3780 passes from 198.51.100.11 to 224.0.0.254 on the way to lb3" in problem.remedy
    del forwarding["lb3"]
    assert any("the mirror to and from lb3, which" in text for text in judged(forwarding, of=of).unchecked)


@pytest.mark.parametrize(
    "change, code, text",
    [
        (undeployed(), "layer4_down", "No answer from layer 4 on lb2: /usr/local/sbin/layer4 is not installed."),
        ({"running": False}, "layer4_hung", "layer4.service on lb2 is running but no longer updates the map."),
        ({"fault": "nft refuses the rules"}, "layer4_fault", "on lb2 cannot forward: nft refuses the rules."),
        ({"current": False}, "config_outdated", "layer4.service on lb2 is running an outdated configuration."),
    ],
)
def test_a_unit_that_is_not_healthy(forwarding, change, code, text):
    forwarding["lb2"]["layer4"] |= change
    (problem,) = judged(forwarding).broken
    assert problem.code == code and text in problem.text


def test_what_does_not_outlive_a_flush_is_said_and_breaks_nothing(forwarding):
    forwarding["lb2"]["layer4"]["guard"] = False
    found = judged(forwarding)
    assert found.broken == [] and [notice.code for notice in found.notices] == ["layer4_unguarded"]


def test_what_a_forwarded_web_loses_is_said_and_breaks_nothing():
    found = judged(forwarders(("web",)), asked=[through("web", 80)], of=site(services=("web",), layer4=("web",)))
    assert found.broken == [] and [notice.code for notice in found.notices] == ["web_forwarded"]
