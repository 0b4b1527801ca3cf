# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What stands in the way of a deployment."""

from __future__ import annotations

import copy

import pytest

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils import preflight

VIP, LB1, LB2 = "198.51.100.10", "198.51.100.11", "198.51.100.12"
SSHD = 'LISTEN 0 128 0.0.0.0:22 0.0.0.0:* users:(("sshd",pid=1,fd=3))'


def host(name, address, peers):
    return {
        "name": name,
        "interface": "eth0",
        "address": address,
        "vips": [{"address": VIP, "prefix": 24, "interface": "eth0"}],
        "peers": peers,
        "ports": [
            {"address": VIP, "port": 80, "for": "web"},
            {"address": address, "port": 1024, "for": "HAProxy's peers"},
        ],
    }


PEERS = [{"name": "lb1", "address": LB1}, {"name": "lb2", "address": LB2}]
SITE = {"peers": PEERS, "hosts": {"lb1": host("lb1", LB1, PEERS[1:]), "lb2": host("lb2", LB2, PEERS[:1])}}


def end(service="dicom", node="pacs1", reachable=True):
    error = None if reachable else {"kind": "refused", "text": "refused the connection"}
    return {
        "service": service,
        "node": node,
        "address": "198.51.100.21",
        "port": 104,
        "reachable": reachable,
        "error": error,
    }


@pytest.fixture
def seen():
    return {
        "lb1": {
            "endpoints": [end()],
            "owners": {"eth0": {VIP: [], LB2: ["02:00:00:00:00:12"]}},
            "listeners": [SSHD],
            "macs": ["02:00:00:00:00:11"],
        },
        "lb2": {
            "endpoints": [end()],
            "owners": {"eth0": {VIP: [], LB1: ["02:00:00:00:00:11"]}},
            "listeners": [SSHD],
            "macs": ["02:00:00:00:00:12"],
        },
    }


def test_nothing_stands_in_the_way_of_a_fresh_pair(seen):
    assert preflight.problems(SITE, seen, "all") == []


def test_a_vip_that_the_pair_holds_is_no_stranger(seen):
    seen["lb2"]["owners"]["eth0"][VIP] = ["02:00:00:00:00:11"]
    assert preflight.problems(SITE, seen, "all") == []


def test_under_limit_the_absent_holder_is_known_by_its_own_address(seen):
    del seen["lb2"]
    seen["lb1"]["owners"]["eth0"][VIP] = ["02:00:00:00:00:12"]
    assert preflight.problems(SITE, seen, "all") == []


def test_under_limit_a_lost_peer_need_not_answer(seen):
    del seen["lb2"]
    seen["lb1"]["owners"]["eth0"][LB2] = []
    assert preflight.problems(SITE, seen, "all") == []


def test_a_stranger_is_told_once_with_its_mac(seen):
    for name in seen:
        seen[name]["owners"]["eth0"][VIP] = ["02:00:00:00:00:99"]
    (told,) = preflight.problems(SITE, seen, "all")
    assert told.startswith(f"The VIP {VIP} is held by a stranger: 02:00:00:00:00:99 answers for it (asked from lb1)")


def test_a_stranger_beside_the_holder_is_seen(seen):
    seen["lb2"]["owners"]["eth0"][VIP] = ["02:00:00:00:00:11", "02:00:00:00:00:99"]
    assert "02:00:00:00:00:99" in preflight.problems(SITE, seen, "all")[0]


def test_a_peer_that_does_not_answer(seen):
    seen["lb1"]["owners"]["eth0"][LB2] = []
    (told,) = preflight.problems(SITE, seen, "all")
    assert told.startswith(f"lb1 does not reach lb2: nobody answers for its infinitt_address {LB2} on eth0")


@pytest.mark.parametrize(
    "line, taken",
    [
        ('LISTEN 0 511 0.0.0.0:80 0.0.0.0:* users:(("nginx",pid=7,fd=6))', True),
        ('LISTEN 0 511 *:80 *:* users:(("apache2",pid=7,fd=6))', True),
        (f'LISTEN 0 511 {VIP}:80 0.0.0.0:* users:(("nginx",pid=7,fd=6))', True),
        (f'LISTEN 0 511 {VIP}%eth0:80 0.0.0.0:* users:(("nginx",pid=7,fd=6))', True),
        ("LISTEN 0 511 0.0.0.0:80 0.0.0.0:*", True),
        (f'LISTEN 0 511 {LB1}:1024 0.0.0.0:* users:(("rpc",pid=7,fd=6))', True),
        ('LISTEN 0 511 127.0.0.1:80 0.0.0.0:* users:(("nginx",pid=7,fd=6))', False),
        ('LISTEN 0 511 [::]:80 [::]:* users:(("nginx",pid=7,fd=6))', False),
        ('LISTEN 0 511 0.0.0.0:8080 0.0.0.0:* users:(("nginx",pid=7,fd=6))', False),
        (f'LISTEN 0 511 {VIP}:80 0.0.0.0:* users:(("haproxy",pid=7,fd=6))', False),
    ],
)
def test_ports_that_somebody_else_has(seen, line, taken):
    seen["lb1"]["listeners"].append(line)
    told = preflight.problems(SITE, seen, "all")
    assert bool(told) == taken, told
    assert all(sentence.startswith("Port ") and " of lb1, which " in sentence for sentence in told)


def test_an_ipv6_vip_minds_ipv6_listeners(seen):
    site = copy.deepcopy(SITE)
    site["hosts"]["lb1"]["ports"] = [{"address": "2001:db8::10", "port": 80, "for": "web"}]
    seen["lb1"]["listeners"] = ['LISTEN 0 511 [::]:80 [::]:* users:(("nginx",pid=7,fd=6))']
    assert len(preflight.problems(site, seen, "all")) == 1


@pytest.mark.parametrize(
    "require, answers, sentences",
    [("all", [True, False], 1), ("any", [True, False], 0), ("any", [False, False], 1), ("none", [False, False], 0)],
)
def test_how_many_nodes_must_answer(seen, require, answers, sentences):
    seen["lb2"]["endpoints"] = [end(node=f"pacs{number}", reachable=answer) for number, answer in enumerate(answers)]
    assert len(preflight.problems(SITE, seen, require)) == sentences


@pytest.mark.parametrize(
    "seconds, refused", [("600", True), ("86399", True), ("86400", False), ("432000", False), ("", False)]
)
def test_a_kernel_that_forgets_silent_connections(seen, seconds, refused):
    seen["lb1"]["established_timeout"] = seconds
    told = preflight.problems({**SITE, "layer4_services": [{"name": "dicom"}]}, seen, "all")
    assert [f"nf_conntrack_tcp_timeout_established of lb1 is {seconds} s" in sentence for sentence in told] == [
        True
    ] * refused
    # At layer 7 the kernel has nothing to remember.
    assert preflight.problems(SITE, seen, "all") == []
