# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A pair in network namespaces: what becomes of connections when one host is blind, loses its copies, or its power."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import time

import namespaces
import pytest
import tcp_clients
from namespaces import until

if namespaces.missing():
    pytest.skip(namespaces.missing(), allow_module_level=True)


def test_a_standby_that_is_blind_to_a_node_ends_nothing_and_breaks_nothing_when_it_takes_over(make_pair):
    pair = make_pair(dead_after=1)
    # Whoever was master while a connection was opened has it in conntrackd's list.
    pair.move(pair.lb2)
    first = pair.connect(10)
    pair.move(pair.lb1)
    second = pair.connect(10)
    known = until(lambda: len(pair.lb1.forwarded()) >= 20 and pair.lb1.forwarded())
    assert until(lambda: pair.lb2.forwarded() == known)
    pair.lb2.haproxy.states.update(pacs1="DOWN", pacs2="DOWN")
    waiting = [first, second]
    for connections in waiting:
        connections.ask(9)
    time.sleep(6)  # dead_after, and what ending takes
    assert pair.lb1.forwarded() == pair.lb2.forwarded() == known
    pair.lb2.haproxy.states.update(pacs1="UP", pacs2="UP")
    pair.lb1.power_off()
    pair.move(pair.lb2)
    assert [connections.answers() for connections in waiting] == [["answered"] * 10] * 2


@contextlib.contextmanager
def apart(pair, host, others):
    """Frames do not pass between the host and the others."""
    here, *there = (f'"p{one.address.rpartition(".")[2]}"' for one in (host, *others))
    beyond = f"{{ {', '.join(there)} }}"
    rules = f"iifname {here} oifname {beyond} drop; iifname {beyond} oifname {here} drop;"
    pair.switch("nft", f"table bridge apart {{ chain in {{ type filter hook forward priority 0; {rules} }}; }}")
    yield
    pair.switch("nft", "delete table bridge apart")


def mirrored(pair, number):
    """Open connections; return what both load balancers know of them."""
    connections = pair.connect(number)
    known = until(lambda: len(pair.lb1.forwarded()) == number and pair.lb1.forwarded())
    assert until(lambda: pair.lb2.forwarded() == known)
    return connections, known


@contextlib.contextmanager
def cut_off(pair, others, names):
    """Nothing of these hosts reaches lb2, which has the VIP too meanwhile and takes these nodes for dead."""
    with apart(pair, pair.lb2, (pair.lb1, pair.client, *others)):
        pair.lb2.haproxy.states.update(dict.fromkeys(names, "DOWN"))
        pair.lb2("ip", "address", "add", f"{namespaces.VIP}/24", "dev", "eth0")
        pair.lb2.layer4("master")
        yield
    pair.lb2("ip", "address", "del", f"{namespaces.VIP}/24", "dev", "eth0")
    pair.lb2.haproxy.states.update(dict.fromkeys(names, "UP"))


def test_a_standby_that_is_cut_off_ends_nothing_on_the_other_one_when_it_is_back(make_pair):
    """It has the VIP too meanwhile, and sees no node."""
    pair = make_pair(dead_after=5)
    connections, known = mirrored(pair, 10)
    with cut_off(pair, pair.nodes, ("pacs1", "pacs2")):
        time.sleep(12)  # dead_after, until it takes itself for cut off, and what ending takes
        assert pair.lb2.forwarded() == known
        connections.ask(1)
    assert connections.answers() == ["answered"] * 10
    assert pair.lb1.forwarded() == known


def test_two_halves_of_a_network_end_nothing_in_each_other(make_pair):
    """Each has the VIP, and a node."""
    pair = make_pair(dead_after=1)
    connections, known = mirrored(pair, 10)
    there = pair.lb1("conntrack", "--dump", "--proto", "tcp")
    ((name, node),) = (its for its in zip(("pacs1", "pacs2"), pair.nodes) if f"src={its[1].address} " in there)
    with cut_off(pair, [node], [name]):
        assert until(lambda: not pair.lb2.forwarded())
        # What conntrackd has to say of that it would keep for lb1, and deliver once they are connected again.
        queues = pair.lb2("conntrackd", "-C", "/etc/layer4/conntrackd.conf", "-s", "queue")
        assert int(re.search(r"queue rsqueue:\s+current elements:\s+(\d+)", queues)[1]) < len(known)
        connections.ask(1)
    assert connections.answers() == ["answered"] * 10
    assert pair.lb1.forwarded() == known


def test_where_all_nodes_are_down_and_another_load_balancer_answers_connections_end(make_pair):
    pair = make_pair(dead_after=1)
    connections = pair.connect(10)
    connections.ask(30)
    for balancer in (pair.lb1, pair.lb2):
        balancer.haproxy.states.update(pacs1="DOWN", pacs2="DOWN")
    assert connections.answers() == ["ConnectionResetError"] * 10


def test_a_mirror_that_lost_entries_gets_them_back_by_itself(make_pair):
    pair = make_pair(resync=1)
    connections, known = mirrored(pair, 20)
    pair.lb2("conntrack", "--flush")
    assert until(lambda: pair.lb2.forwarded() == known)
    assert pair.lb1.forwarded() == known
    connections.ask(2)
    pair.lb1.power_off()
    pair.move(pair.lb2)
    assert connections.answers() == ["answered"] * 20


def test_what_came_to_another_host_while_two_had_the_vip_is_mirrored_back_to_it(make_pair):
    pair = make_pair(resync=1)
    pair.move(pair.lb2)
    connections = pair.connect(20)
    known = until(lambda: len(pair.lb1.forwarded()) == 20 and pair.lb1.forwarded())
    pair.move(pair.lb1, unnoticed=True)
    for balancer in (pair.lb1, pair.lb2):  # what another host gave is not in lb1's list, and lb2 as a standby has none
        balancer("conntrackd", "-C", "/etc/layer4/conntrackd.conf", "-f", "internal")
    pair.lb2("conntrack", "--flush")
    assert until(lambda: pair.lb2.forwarded() == known)
    connections.ask(2)
    pair.lb1.power_off()
    pair.move(pair.lb2)
    assert connections.answers() == ["answered"] * 20


def test_what_a_standby_asks_for_again_and_again_is_right_whenever_it_takes_over(make_pair):
    pair = make_pair(resync=0)
    busy, waiting = pair.connect(20), pair.connect(20)
    for turn in range(6):
        waiting.ask(1)
        for _word in range(5):
            busy.ask()
            assert busy.answers() == ["answered"] * 20, turn
        pair.move(pair.lb1 if pair.holder is pair.lb2 else pair.lb2)
        assert waiting.answers() == ["answered"] * 20, turn


def test_what_has_ended_does_not_come_back_when_the_vip_does(make_pair):
    pair = make_pair()
    pair.connect(10)
    assert until(lambda: len(pair.lb2.forwarded()) == 10)
    pair.move(pair.lb2)
    pair.lb2("conntrack", "--delete", "--dst", namespaces.VIP)
    assert until(lambda: not pair.lb1.forwarded()), "a holder that deletes tells its peer"
    pair.move(pair.lb1)
    time.sleep(0.5)
    assert not pair.lb1.forwarded() and not pair.lb2.forwarded()


def test_what_no_node_has_answered_yet_is_not_mirrored(make_pair):
    pair = make_pair()
    for node in pair.nodes:
        node(
            "nft",
            "--file",
            "-",
            stdin="table inet fault { chain input { type filter hook input priority 0; tcp dport 104 drop; }; }",
        )
    client = pair.client.start(*tcp_clients.COMMAND, "call", stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    client.stdin.write(json.dumps([[pair.client.address, namespaces.VIP, 104]] * 20))
    client.stdin.close()

    def waiting(balancer):
        return balancer("cat", "/proc/net/nf_conntrack").count(" SYN_SENT ")

    assert until(lambda: waiting(pair.lb1) == 20)
    time.sleep(0.5)
    assert waiting(pair.lb2) == 0
