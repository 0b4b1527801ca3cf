# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`nft flush ruleset` under forwarded connections: the real daemon in a namespace, its kernel, and what it hears."""

from __future__ import annotations

import ctypes
import json
import signal
import statistics
import struct
import sys
import time

import pytest
import tcp_clients
from layer4 import guard
from namespaces import LIB, FakeHAProxy, until
from running import stop
from tcp_clients import hold_from, serve_on

# A table that is back before the next refresh was missed, and not only refreshed.
RUN = f"import sys; sys.path.insert(0, '{LIB}'); from layer4 import daemon; daemon.REFRESH = 4.0; daemon.serve()"
STATE = "/run/layer4/state.json"
CALLS = tcp_clients.CALLS[::2] + tcp_clients.CALLS[:1]  # 100 associations, half of them in IPv6, and a stream


class Balancer:
    """The load balancer, on which the daemon runs."""

    def __init__(self, host):
        self.host = host
        self.start()

    def start(self):
        self.host("rm", "-f", STATE)
        self.daemon = self.host.start(sys.executable, "-BIS", "-c", RUN)
        assert until(lambda: self.state().get("fault") == "")

    def state(self):
        return json.loads(self.host("cat", STATE, check=False) or "{}")

    def tables(self):
        said = json.loads(self.host("nft", "--json", "list", "tables"))
        return {item["table"]["name"] for item in said["nftables"] if "table" in item}

    def flush(self):
        self.host("nft", "flush", "ruleset")

    def hold(self, client, seconds):
        """Keep connections, which are there when this returns."""
        program = hold_from(client, seconds, CALLS)
        table = "/proc/net/nf_conntrack"
        assert until(lambda: self.host("cat", table).count(" ESTABLISHED ") >= len(CALLS))
        return program


@pytest.fixture(scope="module")
def network(segment, dual_stack, tmp_path_factory):
    """The hosts: the nodes serve, HAProxy answers, and what the role writes is written."""
    for name in ("pacs1", "pacs2", "pacs3"):
        serve_on(segment[name], name, 104, 204)
    path = str(tmp_path_factory.mktemp("layer4") / "haproxy")
    configuration = {**json.loads(dual_stack["configuration"]), "haproxy_socket": path}
    haproxy = FakeHAProxy(path, configuration["services"])
    segment["balancer"].write("/etc/layer4/layer4.nft", dual_stack["layer4"])
    segment["balancer"].write("/etc/layer4/layer4.json", json.dumps(configuration))
    yield segment
    haproxy.listener.close()


@pytest.fixture
def balancer(network):
    one = Balancer(network["balancer"])
    yield one
    one.host.stop(one.daemon)


def test_no_connection_breaks_while_the_table_is_away_for_a_second(network, balancer):
    program = balancer.hold(network["client"], 3)
    stop(balancer.daemon.pid)
    balancer.flush()
    time.sleep(1)
    assert balancer.tables() == {"layer4_guard"}
    balancer.daemon.send_signal(signal.SIGCONT)
    assert until(lambda: "layer4" in balancer.tables())
    results = json.loads(program.stdout.read())
    assert {result["error"] for result in results} == {None} and len(results) == 101
    # Of most of them: on a busy machine a client that waits for a processor pauses, too.
    assert statistics.median(result["pause"] for result in results) < 0.5
    assert {result["answer"] for result in results} <= {"pacs1", "pacs2", "pacs3"}


def test_the_table_is_back_at_once_however_often_it_goes(network, balancer):
    program = balancer.hold(network["client"], 3)
    for _flush in range(5):
        balancer.flush()
        assert until(lambda: "layer4" in balancer.tables(), 2)  # some 0.1 s on an idle machine
    assert {result["error"] for result in json.loads(program.stdout.read())} == {None}
    assert balancer.state()["guard"] is True


def test_the_guard_goes_with_the_daemon_and_comes_with_the_next_one(balancer):
    assert balancer.tables() == {"layer4", "layer4_guard"}
    balancer.host.stop(balancer.daemon)
    assert until(lambda: balancer.tables() == {"layer4"})
    balancer.flush()
    assert balancer.tables() == set()
    balancer.start()
    assert balancer.tables() == {"layer4", "layer4_guard"}


# --- without a kernel -------------------------------------------------------------------------------------------------


def test_without_libnftables_there_is_no_guard_and_a_sentence(monkeypatch):
    def missing(name):
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(ctypes, "CDLL", missing)
    one = guard.Guard()
    assert one.hold() == "libnftables.so.1: cannot open shared object file" and not one.held


def message(kind, family=1, name="layer4"):
    """An nlmsghdr, an nfgenmsg, and attributes: NFTA_TABLE_NAME, and NFTA_TABLE_FLAGS."""
    attributes = b"".join(
        struct.pack("=HH", 4 + len(value), number) + value + bytes(-len(value) % 4)
        for number, value in ((1, name.encode() + b"\0"), (2, bytes(4)))
    )
    body = struct.pack("=BBH", family, 0, 7) + attributes
    return struct.pack("=IHHII", 16 + len(body), kind, 0, 1, 0) + body


NEW, DELETED, ELEMENT = 0x0A00, 0x0A02, 0x0A0C


@pytest.mark.parametrize(
    "messages, gone",
    [
        ([message(DELETED)], True),
        ([message(ELEMENT), message(DELETED), message(ELEMENT)], True),
        ([message(DELETED), message(NEW)], False),  # our own loading of the rules
        ([message(NEW), message(DELETED)], True),
        ([message(ELEMENT), message(ELEMENT)], False),
        ([message(DELETED, name="layer4_guard"), message(DELETED, name="filter")], False),
        ([message(DELETED, family=2)], False),  # ip layer4
        ([message(DELETED)[:19]], False),
        ([message(DELETED)[:22]], False),
        ([bytes(64)], False),
    ],
)
def test_the_last_word_on_our_table_counts(messages, gone):
    watch = guard.Watch()
    watch.take(b"".join(messages))
    assert watch.gone is gone


def test_who_does_not_listen_hears_nothing():
    watch = guard.Watch()
    watch.read()
    assert not watch.gone
