# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A record of each connection that has ended, on one load balancer alone: a pair in network namespaces."""

from __future__ import annotations

import collections
import contextlib
import json
import re
import sys
import time

import namespaces
import pytest
import tcp_clients
from namespaces import until

if namespaces.missing():
    pytest.skip(namespaces.missing(), allow_module_level=True)


# Closes a connection by a reset (SO_LINGER).
RESETS = """
import socket, struct, sys
with socket.create_connection((sys.argv[1], 104)) as one:
    one.sendall(b"0\\n")
    one.recv(9)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
"""

LITTLE = 1 << 15  # bytes, less than the kernel has to say of some hundred connections


@pytest.fixture(scope="module")
def recorded(mirrored_pair, tmp_path_factory):
    pair = namespaces.Pair(mirrored_pair, tmp_path_factory.mktemp("pair"), dead_after=1)
    try:
        for balancer in (pair.lb1, pair.lb2):
            balancer.record()
            pair.move(balancer)
            assert until(lambda here=balancer: ports(pair.sessions(1, 1)) and here.journal.records)  # it listens
        yield pair
    finally:
        pair.end()


@pytest.fixture
def pair(recorded):
    """lb1 has the VIP, and nothing is recorded yet."""
    recorded.move(recorded.lb1)
    both = (recorded.lb1, recorded.lb2)
    for balancer in both:
        balancer.journal.records.clear()
    table = recorded.lb1("conntrack", "--dump", "--dst", namespaces.VIP)
    half_closed = len(re.findall("FIN_WAIT|CLOSE_WAIT|LAST_ACK", table))
    for balancer in both:
        balancer("conntrack", "--flush")
    # What a move has left half-closed belongs to the test before, and is recorded a second or two after it is deleted.
    until(lambda: len(records(recorded)) >= half_closed, 5)
    for balancer in both:
        balancer.journal.records.clear()
    return recorded


def records(pair):
    return [*pair.lb1.journal.records, *pair.lb2.journal.records]


def settled(pair, number):
    """The records, once there are so many, and a second later.

    One of whose end a move has hidden a part is forgotten within two minutes (FIN_WAIT), or a little more.
    """
    until(lambda: len(records(pair)) >= number, 200)
    time.sleep(1)
    return records(pair)


def ports(client):
    """Those of the sessions of a client that has ended."""
    return collections.Counter(json.loads(client.stdout.readline()))


def of(pair):
    return collections.Counter(record["client_port"] for record in records(pair))


@contextlib.contextmanager
def the_nodes_rule(pair, hook, rule):
    """A fault: a rule of nftables on both nodes."""
    table = f"table inet fault {{ chain {hook} {{ type filter hook {hook} priority 0; {rule}; }}; }}"
    for node in pair.nodes:
        node("nft", "--file", "-", stdin=table)
    try:
        yield
    finally:
        for node in pair.nodes:
            node("nft", "delete", "table", "inet", "fault")


def answered_once(pair):
    """A connection that has been used."""
    connections = pair.connect(1)
    connections.ask()
    assert connections.answers() == ["answered"]
    return connections


def test_a_connection_that_ends_is_recorded_where_it_was_forwarded(pair):
    connections = pair.connect(1)
    connections.ask(1)
    assert connections.answers() == ["answered"]
    connections.close()
    (record,) = settled(pair, 1)
    assert pair.lb1.journal.records == [record]
    assert list(record) == [
        *(
            "time",
            "load_balancer",
            "layer",
            "service",
            "vip",
            "client",
            "client_port",
            "node",
            "calling_ae",
            "called_ae",
        ),
        *("received_bytes", "sent_bytes", "seconds", "ended", "taken_over"),
    ]
    assert (record["load_balancer"], record["layer"], record["service"]) == ("lb1", 4, "dicom")
    assert (record["vip"], record["client"]) == (namespaces.VIP, pair.client.address)
    assert record["node"] in ("pacs1", "pacs2") and record["client_port"] > 1023
    assert record["received_bytes"] > 100 and record["sent_bytes"] > 100
    assert 1 <= record["seconds"] < 5 and (record["ended"], record["taken_over"]) == ("closed", False)


def test_one_that_two_have_carried_is_recorded_by_the_second_which_says_so(pair):
    connections = answered_once(pair)
    pair.move(pair.lb2)
    connections.ask()
    assert connections.answers() == ["answered"]
    connections.close()
    (record,) = settled(pair, 1)
    assert (record["load_balancer"], record["ended"], record["taken_over"]) == ("lb2", "closed", True)


def test_a_reset_is_one_end_and_a_dead_node_another(pair):
    pair.client(sys.executable, "-c", RESETS, namespaces.VIP)
    (record,) = settled(pair, 1)
    assert record["ended"] == "reset"
    connections = pair.connect(3)
    for balancer in (pair.lb1, pair.lb2):
        balancer.haproxy.states.update(pacs1="DOWN", pacs2="DOWN")
    try:
        connections.ask(30)
        assert connections.answers() == ["ConnectionResetError"] * 3
        until(lambda: not pair.lb1.forwarded())
        ends = [record["ended"] for record in settled(pair, 4)]
        assert ends == ["reset", *["node_down"] * 3] and len(pair.lb1.journal.records) == 4
    finally:
        for balancer in (pair.lb1, pair.lb2):
            balancer.haproxy.states.update(pacs1="UP", pacs2="UP")
        assert until(pair.lb1.is_ready)


def test_one_that_is_forgotten_because_nobody_sends_is_recorded_by_the_holder(pair):
    connections = answered_once(pair)
    assert until(lambda: len(pair.lb2.forwarded()) == 1)
    for balancer in (pair.lb1, pair.lb2):
        balancer("conntrack", "--update", "--dst", namespaces.VIP, "--timeout", "1")
    (record,) = settled(pair, 1)
    assert (record["load_balancer"], record["ended"]) == ("lb1", "timeout")
    connections.process.kill()


def is_read(balancer):
    """Has the recorder read all that its kernel has said? (NETLINK_NETFILTER is 12; proc_net(5), column Rmem)"""
    rows = [line.split() for line in balancer("cat", "/proc/net/netlink").splitlines()]
    return all(row[4] == "0" for row in rows if row[1] == "12")


@pytest.mark.parametrize("ends", [False, True], ids=["", "though the recorder ends before it is sure"])
def test_one_that_conntrackd_deletes_while_it_is_being_closed_is_recorded(pair, ends):
    """A move may hide a half of its end from each of the two; the one without the VIP forgets it first."""
    connections = answered_once(pair)
    with the_nodes_rule(pair, "output", "tcp flags fin drop"):
        connections.close()
        assert until(lambda: re.search("(FIN|CLOSE)_WAIT", pair.lb1("conntrack", "--dump", "--dst", namespaces.VIP)))
        pair.lb1("conntrack", "--delete", "--dst", namespaces.VIP)
        if ends:
            assert until(lambda: is_read(pair.lb1))  # for a second it has doubts
            pair.lb1.signal_recorder("SIGTERM")
        (record,) = settled(pair, 1)
        assert (record["load_balancer"], record["ended"]) == ("lb1", "timeout")


def test_what_no_node_has_answered_is_no_session(pair):
    calls = [[pair.client.address, namespaces.VIP, 104]] * 20
    with the_nodes_rule(pair, "input", "tcp dport 104 reject with tcp reset"):
        pair.client(*tcp_clients.COMMAND, "call", stdin=json.dumps(calls))
        assert settled(pair, 0) == []


def test_each_of_a_burst_is_recorded_once_whoever_of_the_two_forwards_it(pair):
    client = pair.sessions(2000, 20)
    for host in (pair.lb2, pair.lb1):
        seen = len(records(pair))
        assert until(lambda least=seen + 500: len(records(pair)) > least, 60)
        pair.move(host)
    wanted = ports(client)
    settled(pair, 2000)
    assert wanted.total() == 2000 and of(pair) == wanted
    assert pair.lb1.journal.records and pair.lb2.journal.records


@pytest.mark.parametrize("room", [namespaces.ROOM, LITTLE])
def test_a_recorder_that_is_late_at_a_move_records_nothing_twice_and_all_that_it_is_told(pair, room):
    """By then the new holder has put its copies in place of what had ended on the other one."""
    client = pair.sessions(2000, 20)
    assert until(lambda: len(records(pair)) > 100, 60)
    for balancer in (pair.lb1, pair.lb2):
        balancer.signal_recorder("SIGSTOP", room=room)
    assert until(lambda: len(pair.lb1.forwarded()) > 500, 60)
    pair.move(pair.lb2)
    for balancer in (pair.lb1, pair.lb2):
        balancer.signal_recorder("SIGCONT")
    wanted = ports(client)
    settled(pair, 2000 if room > LITTLE else 0)
    assert wanted.total() == 2000 and not of(pair) - wanted
    assert room == LITTLE or (of(pair) == wanted and pair.lb2.journal.records)


@pytest.fixture
def few_ports(pair):
    """The client takes its ports again as soon as TCP allows it."""
    names = ("ip_local_port_range", "tcp_tw_reuse")
    before = {name: pair.client("sysctl", "-n", f"net.ipv4.{name}").strip() for name in names}
    for name, value in zip(names, ("40000 40029", "1")):
        pair.client("sysctl", "-w", f"net.ipv4.{name}={value}")
    yield
    for name, value in before.items():
        pair.client("sysctl", "-w", f"net.ipv4.{name}={value}")


def test_sessions_from_the_same_port_are_different_ones_wherever_the_former_ones_ended(pair, few_ports):
    """The kernel goes on with the entry of a former one, where that is a copy."""
    wanted = collections.Counter()
    for host in (pair.lb1, pair.lb2, pair.lb1, pair.lb1):
        pair.move(host)
        wanted += ports(pair.sessions(24, 4))
        settled(pair, wanted.total())  # and its client may take its port again
    assert of(pair) == wanted and max(wanted.values()) > 2
    assert not [record for record in records(pair) if record["taken_over"]]


@pytest.mark.parametrize("by, lost", [("TERM", 0), ("KILL", 1)])
def test_what_ends_while_the_recorder_is_replaced_is_recorded_by_the_next_one(pair, by, lost):
    """One that is killed takes with it the connection of which it was just told."""
    client = pair.sessions(1000, 20)
    for seen in (200, 500):
        assert until(lambda least=seen: len(records(pair)) > least, 60)
        pair.lb1.signal_recorder(f"SIG{by}", 0.5)
    wanted = ports(client)
    settled(pair, 1000 - 2 * lost)
    assert wanted.total() == 1000 and not of(pair) - wanted
    assert (wanted - of(pair)).total() <= 2 * lost


def test_what_the_kernel_had_no_room_to_say_is_found_in_its_table(pair):
    """It says nothing of what ends until the recorder has read what there was room for."""
    client = pair.sessions(1000, 20)
    assert until(lambda: len(records(pair)) > 100, 60)
    pair.lb1.signal_recorder("SIGSTOP", room=LITTLE)
    assert until(lambda: len(pair.lb1.forwarded()) > 500, 60)
    pair.lb1.signal_recorder("SIGCONT")
    wanted = ports(client)
    settled(pair, 1000)
    assert wanted.total() == 1000 and of(pair) == wanted
    assert "records may be missing" in pair.lb1.log.read_text()
