# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whoever comes while a node does not answer: the real rules in a kernel, between clients and nodes in namespaces.

A client sends its SYN again after 1 s, and since Linux 6.5 after 2 s, 3 s and 4 s; before that after 3 s and 7 s.
"""

from __future__ import annotations

import json
import time

import pytest
from namespaces import until
from network import FAULTS, NODES, Network
from tcp_clients import CALLS, hold_from

# A machine under load adds to the 1 s after which a client sends its SYN again; the next one comes after 2 s.
FIRST_RETRANSMISSION = 1.9


def answers(results):
    return [result["answer"] for result in results]


def longest(results):
    return max(result["seconds"] for result in results)


@pytest.fixture(scope="module")
def one_network(segment, dual_stack):
    return Network(segment, dual_stack)


@pytest.fixture
def network(one_network):
    """All nodes healthy, and in the map."""
    one_network.start()
    one_network.load()
    return one_network


@pytest.fixture(scope="module")
def homes(one_network):
    """Each client's node, and the one that it has without pacs1."""
    one_network.start()
    homes = []
    for names in (NODES, ("pacs2", "pacs3")):
        one_network.load(names=names)
        homes.append(answers(one_network.call()))
    assert set(homes[0]) == set(NODES), "each node has clients"
    return homes


def test_who_meets_a_healthy_node_is_no_newcomer_any_more(homes, network):
    results = network.call()
    assert answers(results) == homes[0] and longest(results) < 0.9
    assert network.newcomers() == 0
    counted, _bytes = network.counted()
    assert set(counted.values()) == {0}


def test_whom_haproxy_serves_is_no_newcomer_any_more(network):
    """Or it would come to its second choice, where it uses the same port again once the map is back."""
    network.load(names=())
    results = network.call()
    assert set(answers(results)) == {"balancer"} and longest(results) < 0.9
    assert network.newcomers() == 0


@pytest.mark.parametrize("fault", FAULTS)
def test_the_first_retransmission_reaches_another_node(fault, homes, network):
    before, without_pacs1 = homes
    network.fail("pacs1", fault)
    results = network.call()
    network.repair("pacs1", fault)
    counted, _bytes = network.counted()
    assert counted == {"retried": before.count("pacs1"), "given_to_haproxy": 0}
    assert answers(results) == without_pacs1, "the one that the client has once HAProxy calls it down"
    assert longest(results) < FIRST_RETRANSMISSION
    others = [result for result, home in zip(results, before) if home != "pacs1"]
    assert answers(others) == [home for home in before if home != "pacs1"] and longest(others) < 0.9


@pytest.mark.parametrize("fault", ["refuses", "silent"])
def test_the_second_retransmission_reaches_haproxy(fault, network):
    for name in NODES:
        network.fail(name, fault)
    results = network.call()
    for name in NODES:
        network.repair(name, fault)
    assert set(answers(results)) == {"balancer"} and longest(results) < 5
    counted, _bytes = network.counted()
    assert counted == {"retried": len(CALLS), "given_to_haproxy": len(CALLS)}
    assert network.newcomers() == 0


def test_a_refusal_by_all_of_them_reaches_the_client(network):
    network.stop(*NODES, "balancer")
    results = network.call()
    assert {result["error"] for result in results} == {"ConnectionRefusedError"} and longest(results) < 5


def test_where_no_second_node_is_haproxy_takes_its_place(network):
    network.load(names=["pacs1"])
    network.stop("pacs1")
    results = network.call()
    assert set(answers(results)) == {"balancer"} and longest(results) < FIRST_RETRANSMISSION
    network.stop("balancer")
    results = network.call()
    assert {result["error"] for result in results} == {"ConnectionRefusedError"}
    assert longest(results) < FIRST_RETRANSMISSION


def test_a_connection_that_was_accepted_is_reset_at_once(network):
    results = network.call("reset")
    assert {result["error"] for result in results} == {"ConnectionResetError"} and longest(results) < 0.9


def test_a_connection_with_an_unanswered_packet_is_remembered_for_days(network):
    program = hold_from(network.hosts["client"], 30, CALLS[::20])

    def seconds():
        rows = [line.split() for line in network.balancer("cat", "/proc/net/nf_conntrack").splitlines()]
        return [int(row[4]) for row in rows if row[5] == "ESTABLISHED"]

    assert until(lambda: len(seconds()) == 10)
    for name in NODES:
        network.fail(name, "silent")
    time.sleep(1)
    remembered = seconds()
    for name in NODES:
        network.repair(name, "silent")
    network.hosts["client"].stop(program)
    assert len(remembered) == 10 and min(remembered) > 86400, remembered


@pytest.mark.parametrize("where", [CALLS[0], CALLS[-1]], ids=["IPv4", "IPv6"])
def test_the_bytes_of_each_node_are_counted_both_ways(network, where):
    (result,) = json.loads(hold_from(network.hosts["client"], 1, [where]).stdout.read())
    _counted, sets = network.counted()
    version, prefix = ("6", "2001:db8::2") if ":" in where[0] else ("4", "198.51.100.2")
    endpoint = (prefix + result["answer"][-1], where[2])
    sent, received = (sets[f"{way}_nodes{version}"][endpoint] for way in ("from", "to"))
    # With the headers, and with what was on its way when the client had enough.
    assert result["bytes"] < sent < 1.2 * result["bytes"] + 8_000_000 and 0 < received < sent
    # The last packets of another test's connections may come still.
    assert sum(number for ends in sets.values() for number in ends.values()) < sent + received + 100_000


def test_a_full_set_refuses_and_never_swallows(network):
    network.load(lambda text: text.replace("size 65535", "size 16"))
    results = network.call()
    assert {result["error"] for result in results} == {None} and longest(results) < 0.9
    network.stop("pacs1")
    results = network.call()
    assert "ConnectionRefusedError" in {result["error"] for result in results}
    assert longest(results) < FIRST_RETRANSMISSION
