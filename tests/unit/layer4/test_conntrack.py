# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What conntrack and ss print."""

from __future__ import annotations

from layer4 import conntrack


def test_flows_as_conntrack_writes_them():
    text = """\
tcp      6 431999 ESTABLISHED src=203.0.113.7 dst=198.51.100.10 sport=44320 dport=104 \
src=198.51.100.21 dst=198.51.100.10 sport=11112 dport=1044 [ASSURED] mark=0 use=1
tcp      6 119 TIME_WAIT src=203.0.113.7 dst=198.51.100.10 sport=44330 dport=104 packets=6 bytes=325 \
src=198.51.100.22 dst=198.51.100.10 sport=11112 dport=44330 packets=4 bytes=226 [ASSURED] mark=0 delta-time=1 use=1
tcp      6 18 SYN_SENT src=203.0.113.8 dst=198.51.100.10 sport=40002 dport=104 [UNREPLIED] \
src=198.51.100.21 dst=198.51.100.10 sport=11112 dport=40002 mark=0 use=1
tcp      6 9 CLOSE src=203.0.113.8 dst=198.51.100.10 sport=40003 dport=104 \
src=198.51.100.21 dst=198.51.100.10 sport=11112 dport=40003 [ASSURED] mark=0 use=1
tcp      6 59 CLOSE_WAIT src=2001:db8:1::7 dst=2001:db8::10 sport=54070 dport=104 packets=4 bytes=301 \
src=2001:db8::21 dst=2001:db8::10 sport=104 dport=54070 packets=3 bytes=234 [ASSURED] mark=0 delta-time=1 use=1
"""
    keys = ("client", "client_port", "address", "port", "node", "node_port", "ended")
    assert [(flow["established"], flow["age"]) for flow in conntrack.parse_flows(text)] == [
        (True, None),
        (False, 1),
        (False, None),
        (False, None),
        (False, 1),
    ]
    assert [tuple(flow[key] for key in keys) for flow in conntrack.parse_flows(text)] == [
        ("203.0.113.7", 44320, "198.51.100.10", 104, "198.51.100.21", 11112, False),
        ("203.0.113.7", 44330, "198.51.100.10", 104, "198.51.100.22", 11112, True),
        ("203.0.113.8", 40002, "198.51.100.10", 104, "198.51.100.21", 11112, False),
        ("203.0.113.8", 40003, "198.51.100.10", 104, "198.51.100.21", 11112, True),
        ("2001:db8:1::7", 54070, "2001:db8::10", 104, "2001:db8::21", 104, False),
    ]


def test_what_is_no_flow_is_passed_over():
    icmp = (
        "icmp     1 29 src=198.51.100.11 dst=198.51.100.1 type=8 code=0 id=7 "
        "src=198.51.100.1 dst=198.51.100.11 type=0 code=0 id=7 mark=0 use=1\n"
    )
    assert conntrack.parse_flows(icmp + "conntrack v1.4.7 (conntrack-tools): 1 flow entries have been shown.\n") == []
    assert conntrack.parse_flows("") == []


def test_connections_of_haproxy_as_ss_writes_them():
    # `ss -Htn state connected` keeps the column of the state.
    text = """\
ESTAB     0      0               198.51.100.10:104              203.0.113.7:58662
ESTAB     0      0               198.51.100.11:46368          198.51.100.21:104
TIME-WAIT 0      0               198.51.100.10:105              203.0.113.7:44330
ESTAB     0      0      [::ffff:198.51.100.10]:204     [::ffff:203.0.113.8]:46370
ESTAB     0      0              [2001:db8::10]:104          [2001:db8:1::7]:40202
ESTAB     0      0              [2001:db8::10]:80           [2001:db8:1::7]:40204
ESTAB     0      0               198.51.100.10:104      203.0.113.99%eth0:1
ESTAB     0      0               127.0.0.1:104                  127.0.0.1:58664
"""
    services = {("198.51.100.10", 104), ("198.51.100.10", 105), ("198.51.100.10", 204), ("2001:db8::10", 104)}
    assert conntrack.parse_sockets(text, services) == [
        ("203.0.113.7", 58662, "198.51.100.10", 104),
        ("203.0.113.7", 44330, "198.51.100.10", 105),
        ("203.0.113.8", 46370, "198.51.100.10", 204),
        ("2001:db8:1::7", 40202, "2001:db8::10", 104),
    ]
    assert conntrack.parse_sockets("\n", services) == []


def flow(port, established=True, age=60, ended=False):
    keys = {"client": "203.0.113.7", "address": "198.51.100.10", "port": 104, "node": "198.51.100.21", "node_port": 104}
    return {**keys, "client_port": port, "established": established, "age": age, "ended": ended}


def test_a_digest_is_the_same_on_both_hosts_whatever_the_order_and_the_age():
    flows = [flow(1), flow(2), flow(3, established=False), flow(4, age=9), flow(5, age=None)]
    flows.append(flow(6, established=False, ended=True))
    here = conntrack.digest(flows)
    assert here["established"] == sorted(map(conntrack.name, (flow(1), flow(2), flow(5))))
    assert here["others"] == sorted(map(conntrack.name, (flow(3), flow(4))))
    assert (here["ended"], here["until"]) == ([conntrack.name(flow(6))], conntrack.LAST)
    # A mirrored entry has the age of its copy.
    assert conntrack.digest([flow(2, age=1), flow(1)])["others"] == [conntrack.name(flow(2))]
    assert conntrack.digest([]) == {"established": [], "others": [], "ended": [], "until": conntrack.LAST}


def test_what_counts_as_old_may_be_said():
    flows = [flow(1, age=59), flow(2, age=60)]
    assert conntrack.digest(flows, 60)["established"] == [conntrack.name(flow(2))]
    assert len(conntrack.digest(flows)["established"]) == 2


def test_of_many_flows_both_hosts_tell_the_same():
    every = [flow(port) for port in range(1024, 1024 + 3 * conntrack.SAMPLE)]
    missing = {conntrack.name(one) for one in every[::100]}
    here, there = (
        conntrack.digest(every),
        conntrack.digest([one for one in every if conntrack.name(one) not in missing]),
    )
    assert len(here["established"]) == len(there["established"]) == conntrack.SAMPLE
    until = min(here["until"], there["until"])
    assert until == here["until"] < conntrack.LAST, "with fewer flows the same number reaches further"
    both = {name for name in here["established"] if name <= until}
    assert both - set(there["established"]) == both & missing and both & missing
