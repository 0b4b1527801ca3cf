# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the real HAProxy makes of clients that want too much, and of nodes that take only so much."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import peers
import pytest
import rendering
from factories import NODES, build
from running import accepts, haproxy, unchecked, until

from ansible_collections.pacs.loadbalancer.plugins.module_utils._dicom.association import Requestor
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.output import as_dict

pytestmark = pytest.mark.skipif(
    not shutil.which("haproxy") or os.getuid() != 0, reason="haproxy is not installed, or this is not root"
)
AT_ONCE, RATED, LIMITED, LOOPED = 13104, 13105, 13204, 13206
SERVICES = {
    "web": {"enabled": False},
    "dicom": {"port": AT_ONCE, "client_connections": 3},
    "query": {"port": RATED, "client_rate": 5, "client_connections": 0},
    "mwl": {"port": LIMITED, "client_connections": 0},
    "store": {
        "port": LOOPED,
        "nodes": [{"name": "pacs9", "address": "198.51.100.29", "max_connections": 3}],
    },
}
ROOM = 2  # associations that each node of mwl takes


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    nodes = [{**node, "max_connections": ROOM} for node in NODES]
    site = build(infinitt_nodes=nodes, infinitt_services=SERVICES)
    assert site.problems == []
    text = rendering.render({"": ({}, as_dict(site))})[""]["lb1"]["haproxy"]
    # A check takes a place for an instant; what is tried here is the queue.
    with haproxy(unchecked(text), tmp_path_factory.mktemp("limits")):
        until(lambda: accepts("127.51.100.10", AT_ONCE))
        yield


def come(source, port, number, meanwhile=lambda: None):
    """How many of so many connections of an address are still open, all at once; meanwhile, something is done."""
    with contextlib.ExitStack() as stack:
        clients = []
        for _client in range(number):
            with contextlib.suppress(OSError):
                client = socket.create_connection(("127.51.100.10", port), 30, (source, 0))
                clients.append(stack.enter_context(client))
        end = time.monotonic() + 2
        while clients and (left := end - time.monotonic()) > 0:
            # Nobody says anything: who is readable is closed.
            closed = select.select(clients, [], [], left)[0]
            clients = [client for client in clients if client not in closed]
        meanwhile()
        return len(clients)


@pytest.fixture(scope="module")
def silent():
    """Nodes of the two limited services that take connections, and say nothing."""
    with contextlib.ExitStack() as stack:
        for node in NODES:
            for port in (AT_ONCE, RATED):
                address = node["address"].replace("198.", "127.")
                stack.enter_context(socket.create_server((address, port), backlog=100))
        yield


def test_an_address_has_so_many_connections_at_once_and_may_come_again(running, silent):
    assert come("127.51.100.60", AT_ONCE, 6) == 3
    until(lambda: come("127.51.100.60", AT_ONCE, 1) == 1)


def test_one_address_takes_nothing_from_another(running, silent):
    another = []
    # HAProxy's threads take connections side by side: which of the four is refused is open.
    assert come("127.51.100.61", AT_ONCE, 4, lambda: another.append(come("127.51.100.62", AT_ONCE, 1))) == 3
    assert another == [1]


def test_an_address_opens_so_many_in_a_second_and_a_load_balancer_any_number(running, silent):
    assert 5 <= come("127.51.100.63", RATED, 12) < 12
    # Whoever is refused counts as well: it gets in again once it asks less often.
    until(lambda: time.sleep(1.1) or come("127.51.100.63", RATED, 1) == 1)
    assert come("127.51.100.12", RATED, 12) == 12, "most of them wait for a node"


class Full:
    """A node that rejects an association beyond its limit; it counts those that it has, and those that it rejected."""

    REJECT = bytes.fromhex("03000000000400020302")  # transient, presentation, local limit exceeded

    def __init__(self, host, port, room):
        self.now = self.most = self.rejected = 0
        self.room = room
        self.lock = threading.Lock()
        self.server = peers.Server(self.talk, host, port)

    def talk(self, connection):
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
            is_full = self.now > self.room
            self.rejected += is_full
        try:
            connection.recv(65536) and connection.sendall(self.REJECT) if is_full else peers.verification_scp(
                connection
            )
        finally:
            with self.lock:
                self.now -= 1


def echo(port):
    """What a client of five C-ECHOs gets, in words."""
    requestor = Requestor()
    with socket.create_connection(("127.51.100.10", port), 60) as client:

        def ask(data):
            client.sendall(data)
            while data := client.recv(65536):
                if requestor.receive(data):
                    return
            raise ConnectionError("closed")

        try:
            ask(requestor.associate())
            for _echo in range(5):
                ask(requestor.echo())
            ask(requestor.release())
        except (OSError, ValueError) as error:
            return f"{type(error).__name__}: {error}"
    return "served"


def test_clients_wait_for_a_node_that_has_as_many_as_it_takes_and_none_fails(running):
    nodes = [Full(node["address"].replace("198.", "127."), LIMITED, ROOM) for node in NODES]
    try:
        with ThreadPoolExecutor(16) as pool:
            assert list(pool.map(echo, [LIMITED] * 32)) == ["served"] * 32
    finally:
        for node in nodes:
            node.server.close()
    # They all come from one address, so one of the nodes has them.
    assert sorted((node.most, node.rejected) for node in nodes) == [(0, 0), (ROOM, 0)]


def test_a_modality_that_loops_leaves_the_last_association_of_a_node_to_the_others(running):
    node = Full("127.51.100.29", LOOPED, 3)
    served = []
    try:
        assert come("127.51.100.65", LOOPED, 8, lambda: served.append(echo(LOOPED))) == 2
    finally:
        node.server.close()
    assert served == ["served"] and (node.most, node.rejected) == (3, 0)
