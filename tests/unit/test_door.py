# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""DICOM at the door: the real HAProxy between real associations, and between hostile peers and nodes that watch."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import struct
import threading
import time

import pynetdicom
import pytest
import rendering
from factories import HOSTILE_TITLES, build, hosts
from pydicom.uid import UID
from pynetdicom.sop_class import Verification
from running import accepts, haproxy, recorded, unchecked, until

from ansible_collections.pacs.loadbalancer.plugins.module_utils import _haproxy
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.output import as_dict

pytestmark = pytest.mark.skipif(
    not shutil.which("haproxy") or os.getuid() != 0, reason="haproxy is not installed, or this is not root"
)
# Seconds: in place of the 10 that a client has to begin, and for a machine that is busy.
DELAY, PATIENCE = 3, 30
PORT, OPEN, OTHER, WEB, MWL = 12104, 12105, 12106, 12080, 12204
NODES = [{"name": f"pacs{number}", "address": f"198.51.100.2{number}"} for number in (1, 2, 3)]
RIS = {"name": "ris1", "address": "198.51.100.31"}
SERVICES = {
    "web": {"port": WEB, "allowed_sources": "198.51.100.64/27"},
    # As it is where nobody has written anything.
    "query": {"port": OPEN, "node_port": PORT},
    "mwl": {"port": MWL, "dicom": False, "nodes": [RIS], "allowed_sources": ["198.51.100.64/27"]},
    "dicom": {
        "port": PORT,
        "nodes": ["pacs1", "pacs2"],
        "allowed_calling_ae": "CT1, MAMMO*, A'B C",
        "routes": [
            {"called_ae": "RIS*", "nodes": [RIS]},
            {"calling_ae": "MAMMO*", "nodes": ["pacs3"]},
            {"called_ae": "BOTH", "calling_ae": "CT1", "nodes": ["pacs3"]},
        ],
    },
}

# The record of one that reached no node and named nobody.
NOBODY = {"node": None, "ended": "refused", "calling_ae": None, "called_ae": None}


def out(*names):
    return {name: {"state": "maintenance", "since": 1, "by": "ada"} for name in names}


@pytest.fixture(scope="module")
def rendered():
    sites = {
        "door": build(infinitt_nodes=NODES, infinitt_services=SERVICES),
        "out": build(hosts(lb1={"states": {"dicom": out("ris1")}}), infinitt_nodes=NODES, infinitt_services=SERVICES),
    }
    assert [site.problems for site in sites.values()] == [[], []]
    texts = rendering.render({name: ({}, as_dict(site)) for name, site in sites.items()})
    return {name: text["lb1"]["haproxy"] for name, text in texts.items()}


class Nodes:
    """DICOM servers in place of the nodes; `seen` has each connection, of whatever kind, by the node's name."""

    def __init__(self):
        self.seen, self.servers = [], []
        for node in (*NODES, RIS):
            entity = pynetdicom.AE("ANY")
            entity.add_supported_context(Verification)
            opened = (pynetdicom.evt.EVT_CONN_OPEN, lambda _event, name: self.seen.append(name), [node["name"]])
            address = (node["address"].replace("198.", "127."), PORT)
            self.servers.append(entity.start_server(address, block=False, evt_handlers=[opened]))

    def end(self):
        for server in self.servers:
            server.shutdown()


@pytest.fixture(scope="module")
def nodes():
    nodes = Nodes()
    yield nodes
    nodes.end()


@pytest.fixture(scope="module")
def running(nodes, rendered, tmp_path_factory):
    """The nodes, a function that returns the new lines of the log, and the path of HAProxy's socket."""
    directory = tmp_path_factory.mktemp("door")
    text = unchecked(rendered["door"])
    with (
        (directory / "log").open("w") as log,
        (directory / "log").open() as lines,
        haproxy(text, directory, log=log, replaced={"inspect-delay 10s": f"inspect-delay {DELAY}s"}) as admin,
    ):
        until(lambda: accepts("127.51.100.10", PORT))
        lines.read()
        yield nodes, lines.read, admin


@pytest.fixture
def door(running):
    nodes, logged, admin = running
    nodes.seen.clear()
    logged()
    return nodes, logged, admin


def associate(called, calling, port=PORT, contexts=()):
    """The association that a real client gets, already over."""
    entity = pynetdicom.AE(calling)
    entity.acse_timeout = entity.dimse_timeout = PATIENCE
    entity.add_requested_context(Verification)
    for uid, syntaxes in contexts:
        entity.add_requested_context(uid, syntaxes)
    association = entity.associate("127.51.100.10", port, ae_title=called, max_pdu=0)
    if association.is_established:
        assert association.send_c_echo().Status == 0
        association.release()
    return association


def request(called, calling, more=60):
    """An A-ASSOCIATE-RQ with titles of any bytes, and `more` zeros after its fixed part."""
    body = b"\0\1\0\0" + called.ljust(16) + calling.ljust(16) + bytes(32 + more)
    return b"\1\0" + struct.pack(">I", len(body)) + body


def say(*parts, port=PORT):
    """What is answered to these bytes, and after how many seconds it was closed."""
    began = time.monotonic()
    answer = b""
    with socket.create_connection(("127.51.100.10", port), timeout=PATIENCE) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for part in parts:
            client.sendall(part)
        with contextlib.suppress(ConnectionResetError):
            while more := client.recv(4096):
                answer += more
    return answer, time.monotonic() - began


def lines(logged, number):
    text = ""

    def enough():
        nonlocal text
        text += logged()
        return text.count("\n") >= number

    until(enough)
    found = recorded(text)
    assert len(found) == text.count("\n") == number, text
    return found


def titles(its):
    return [its["calling_ae"], its["called_ae"]]


def denied(admin, name="dicom"):
    rows = _haproxy.parse_stat(_haproxy.ask(admin, "show stat -1 1 -1", 2))
    return next(int(row["dreq"]) for row in rows if row["pxname"] == name)


both = pytest.mark.parametrize("name, port", [("dicom", PORT), ("query", OPEN)])


@pytest.mark.parametrize(
    "called, calling, node",
    [
        ("RIS", "CT1", "ris1"),
        ("RIS 2", "MAMMO7", "ris1"),
        ("ARCHIVE", "MAMMO7", "pacs3"),
        ("BOTH", "CT1", "pacs3"),
        ("BOTH", "A'B C", None),
        ("ARCHIVE", "CT1", None),
    ],
)
def test_an_association_goes_to_the_nodes_of_the_first_route_that_matches(door, called, calling, node):
    nodes, logged, _admin = door
    assert associate(called, calling).is_released
    assert len(nodes.seen) == 1 and nodes.seen[0] in ([node] if node else ["pacs1", "pacs2"])
    assert (
        lines(logged, 1)[0].items()
        >= {
            "service": "dicom",
            "vip": "127.51.100.10",
            "node": nodes.seen[0],
            "calling_ae": calling,
            "called_ae": called,
            "ended": "closed",
        }.items()
    )


def test_a_client_stays_on_its_node_whatever_else_it_asks_for(door):
    nodes, logged, _admin = door
    for called in ("ARCHIVE", "RIS", "ARCHIVE", "BOTH", "ARCHIVE"):
        assert associate(called, "CT1").is_released
    assert len({node for node in nodes.seen if node in ("pacs1", "pacs2")}) == 1 and len(lines(logged, 5)) == 5


# The largest is of 150 kilobytes, ten times a buffer of HAProxy.
@pytest.mark.parametrize("contexts, syntaxes", [(0, 0), (60, 10), (120, 60)])
def test_who_is_not_allowed_is_told_why_and_reaches_no_node(door, contexts, syntaxes):
    nodes, logged, _admin = door
    uids = [UID(f"1.2.826.0.1.3680043.{number}") for number in range(contexts)]
    ways = [UID(f"1.2.826.0.1.{number}") for number in range(1, syntaxes)]
    attempts = []
    # pynetdicom's threads may see the end of a connection before what came last.
    while not (attempts and attempts[-1].is_rejected) and len(attempts) < 3:
        attempts.append(associate("ARCHIVE", "CT10", contexts=[(uid, ways) for uid in uids]))
    association = attempts[-1]
    assert association.is_rejected
    answer = association.acceptor.primitive
    # PS3.8, table 9-21: permanent, service user, calling AE title not recognized
    assert (answer.result, answer.result_source, answer.diagnostic) == (1, 1, 3)
    its = lines(logged, len(attempts))[-1]
    assert its.items() >= {"node": None, "ended": "refused", "calling_ae": "CT10", "called_ae": "ARCHIVE"}.items()
    assert nodes.seen == []


@pytest.mark.parametrize("calling", [b"ct1", b"CT1\n", b"XCT1", b"MAMM", b"MAMMO\n", b"A'B  C", b"", b"*"])
def test_a_title_is_allowed_as_it_stands_or_by_its_asterisk(door, calling):
    nodes, logged, _admin = door
    assert say(request(b"ARCHIVE", calling))[0] == b"\3\0\0\0\0\4\0\1\1\3"
    assert len(lines(logged, 1)) == 1 and nodes.seen == []


@pytest.mark.parametrize("length", [200, 20000, 0xFFFFFFFF])
def test_who_is_not_allowed_and_announces_more_than_it_sends_holds_nothing(door, length):
    nodes, logged, admin = door
    before = denied(admin)
    first = request(b"ARCHIVE", b"CT10")[6:]
    answer, seconds = say(b"\1\0" + struct.pack(">I", length) + first)
    assert answer == b"" and seconds < DELAY + PATIENCE / 2 and nodes.seen == []
    assert denied(admin) == before + 1
    assert lines(logged, 1)[0]["ended"] == "refused"


# HTTP, TLS, an A-ABORT, a P-DATA-TF
@both
@pytest.mark.parametrize("first", [b"GET / HTTP/1.0\r\n\r\n", b"\x16\x03\x01\0\x05", b"\7", b"\4" + bytes(100), b"\0"])
def test_what_is_no_association_is_closed_at_once_and_counted(door, name, port, first):
    nodes, logged, admin = door
    before = denied(admin, name)
    answer, seconds = say(first, port=port)
    assert answer == b"" and seconds < DELAY and nodes.seen == []
    assert denied(admin, name) == before + 1
    assert lines(logged, 1)[0].items() >= {"service": name, **NOBODY}.items()


@both
@pytest.mark.parametrize("first", [b"", b"\1", request(b"ARCHIVE", b"CT1")[:41]])
def test_who_begins_nothing_in_time_is_closed_and_counted(door, name, port, first):
    nodes, logged, admin = door
    before = denied(admin, name)
    answer, seconds = say(first, port=port)
    assert answer == b"" and DELAY - 0.1 < seconds < PATIENCE and nodes.seen == []
    assert denied(admin, name) == before + 1
    assert not first or lines(logged, 1)[0].items() >= {"service": name, **NOBODY}.items()


def test_a_request_may_come_byte_by_byte(door):
    nodes, logged, _admin = door
    whole = request(b"RIS", b"CT1")
    answer, _seconds = say(*[whole[at : at + 1] for at in range(len(whole))])
    assert nodes.seen == ["ris1"] and answer[:1] in (b"\2", b"\3", b"\7"), "the node has answered"
    assert titles(*lines(logged, 1)) == ["CT1", "RIS"]


@pytest.mark.parametrize("hostile", HOSTILE_TITLES)
def test_no_title_forges_a_line_of_the_log(door, hostile):
    _nodes, logged, _admin = door
    say(request(hostile, hostile[::-1]))
    (its,) = lines(logged, 1)
    assert its["ended"] == "refused"
    assert all(re.fullmatch(r"[] !#-\[^-~]*", title) for title in titles(its)), its


def test_a_route_whose_nodes_are_out_is_closed_at_once_and_the_others_are_served(nodes, rendered, tmp_path):
    text = unchecked(rendered["out"]).replace(f".10:{PORT}", f".10:{OTHER}")
    with haproxy(text, tmp_path):
        until(lambda: accepts("127.51.100.10", OTHER))
        nodes.seen.clear()
        answer, seconds = say(request(b"RIS", b"CT1"), port=OTHER)
        assert answer == b"" and seconds < DELAY and nodes.seen == []
        assert associate("ARCHIVE", "CT1", OTHER).is_released


# --- by address -------------------------------------------------------------------------------------------------------


def come(source, port, data=b""):
    """What a client of this address gets, in words."""
    try:
        with socket.create_connection(("127.51.100.10", port), PATIENCE, (f"127.51.100.{source}", 0)) as client:
            client.sendall(data)
            return "served" if client.recv(16) else "closed"
    except ConnectionResetError:
        return "closed"


@pytest.fixture(scope="module")
def greeter():
    """A node of mwl that says something to whoever comes."""
    with socket.create_server(("127.51.100.31", MWL)) as listener:

        def greet():
            with contextlib.suppress(OSError):
                while True:
                    with listener.accept()[0] as client:
                        client.sendall(b"hello")

        threading.Thread(target=greet, daemon=True).start()
        yield
        listener.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("source", [11, 12, 10, 64, 95, 96, 63])
@pytest.mark.parametrize("name, port, data", [("web", WEB, b"GET / HTTP/1.0\r\n\r\n"), ("mwl", MWL, b"")])
def test_who_comes_from_elsewhere_is_closed_and_logged(door, greeter, name, port, data, source):
    _nodes, logged, _admin = door
    inside = source in (10, 11, 12) or 64 <= source < 96  # the load balancers and the VIP; and the network
    assert come(source, port, data) == ("served" if inside else "closed")
    text = ""

    def line():
        nonlocal text
        text += logged()
        return [its for its in recorded(text) if its["client"] == f"127.51.100.{source}" and its["service"] == name]

    until(line)
    assert inside or (line()[0]["node"], line()[0]["ended"]) == (None, "refused"), text
