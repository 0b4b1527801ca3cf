# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who calls, counted by the real HAProxy by calling AE title, and read from its socket."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import threading

import pytest
import rendering
from factories import build
from running import REJECT, accepts, haproxy, on_loopback, unchecked, until

from ansible_collections.pacs.loadbalancer.plugins.module_utils import _associations, _haproxy
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.output import as_dict

pytestmark = pytest.mark.skipif(
    not shutil.which("haproxy") or os.getuid() != 0, reason="haproxy is not installed, or this is not root"
)
PORT, OPEN, WEB, MWL = 14104, 14105, 14080, 14204
LISTED = 200  # callers by name, of each service
MANY = 1000
ANY_NUMBER = {"client_rate": 0, "client_connections": 0}
REQUEST = 134  # bytes
ACCEPTED, REJECTED = b"\2" + bytes(9), b"\3\0\0\0\0\4\0\1\1\3"


@pytest.fixture(scope="module")
def rendered():
    services = {
        "web": {"port": WEB},
        "mwl": {"port": MWL},
        "query": {"port": OPEN, **ANY_NUMBER},
        "dicom": {
            "port": PORT,
            **ANY_NUMBER,
            "allowed_calling_ae": ["CT*", "REFUSED"],
            "routes": [{"called_ae": "RIS", "nodes": [{"name": "ris1", "address": "198.51.100.31"}]}],
        },
    }
    site = build(infinitt_services=services)
    assert site.problems == []
    return rendering.render({"callers": ({}, as_dict(site))})["callers"]["lb1"]["haproxy"]


@pytest.fixture(scope="module", autouse=True)
def nodes():
    """Nodes that refuse whoever is called REFUSED, and take in what others send until they are told to answer."""
    listeners = [
        socket.create_server((f"127.51.100.{host}", port), backlog=128)
        for host in (21, 22, 31)
        for port in (PORT, OPEN)
    ]

    def serve(client):
        with client, contextlib.suppress(OSError):
            first = client.recv(4096)
            client.sendall(REJECTED if b"REFUSED" in first else ACCEPTED)
            while part := client.recv(65536):
                if part.endswith(b"answer"):
                    client.sendall(bytes(5000))

    def accept(listener):
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    for listener in listeners:
        threading.Thread(target=accept, args=(listener,), daemon=True).start()
    yield
    for listener in listeners:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


@pytest.fixture
def admin(rendered, tmp_path):
    with haproxy(unchecked(rendered), tmp_path) as admin:
        until(lambda: accepts("127.51.100.10", PORT))
        yield admin


def request(calling, called=b"ARCHIVE"):
    body = b"\0\1\0\0" + called.ljust(16) + calling.ljust(16) + bytes(REQUEST - 42)
    return b"\1\0" + struct.pack(">I", len(body)) + body


def opened(calling, port=PORT, called=b"ARCHIVE"):
    client = socket.create_connection(("127.51.100.10", port), timeout=30)
    client.sendall(request(calling, called))
    return client


def call(calling, port=PORT, called=b"ARCHIVE", more=b""):
    """Open an association, say more in it and hear the answer; return what was answered to the request."""
    with opened(calling, port, called) as client:
        answer = client.recv(10)
        if more:
            client.sendall(more)
            client.recv(5000, socket.MSG_WAITALL)
    return answer


def counted(admin, service):
    return _associations.gather(admin, 5)[service]


def test_nobody_has_called_yet(admin):
    assert _associations.gather(admin, 5) == {"dicom": {}, "query": {}, "mwl": {}}
    assert _associations.gather(admin + "-elsewhere", 5) == {}


def test_associations_and_bytes_of_each_caller(admin):
    for _time in range(3):
        assert call(b"CT1", more=bytes(10000) + b"answer") == ACCEPTED
    assert call(b"CT 2", called=b"RIS") == ACCEPTED
    until(lambda: counted(admin, "dicom")["CT 2"]["received"])
    first, second = counted(admin, "dicom")["CT1"], counted(admin, "dicom")["CT 2"]
    assert first == {"associations": 3, "refused_by_node": 0, "received": 3 * (REQUEST + 10006), "sent": 3 * 5010}
    assert second == {"associations": 1, "refused_by_node": 0, "received": REQUEST, "sent": 10}
    assert counted(admin, "query") == {}


def test_who_is_refused_and_by_whom(admin):
    assert call(b"MR9") == REJECTED
    assert call(b"MR9") == REJECTED
    assert call(b"REFUSED") == REJECTED
    assert call(b"REFUSED", called=b"RIS") == REJECTED
    until(lambda: counted(admin, "dicom")["REFUSED"]["received"] == 2 * REQUEST)
    found = counted(admin, "dicom")
    assert found["MR9"] == {"refused": 2}
    assert (found["REFUSED"]["associations"], found["REFUSED"]["refused_by_node"]) == (2, 2)


def test_a_request_in_parts_is_counted_once(admin):
    whole = request(b"MR9")
    with socket.create_connection(("127.51.100.10", PORT), timeout=30) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(0, len(whole), 10):
            client.sendall(whole[at : at + 10])
        assert client.recv(10) == REJECTED
    assert counted(admin, "dicom") == {"MR9": {"refused": 1}}


@pytest.mark.parametrize(
    "title, shown",
    [
        (b"CT=1 use=7", "CT=1 use=7"),
        (b"CT\\x41", "CT?x41"),
        (b'CT" 1\nkey=X', "CT? 1?key=X"),
        (b"CT\xff\t", "CT??"),
        (b"CTABCDEFGHIJKLMN", "CTABCDEFGHIJKLMN"),
        (b"CT other", "CT other"),
    ],
)
def test_a_title_is_read_as_it_stands_in_the_log(admin, title, shown):
    assert call(title, OPEN) == ACCEPTED
    assert list(counted(admin, "query")) == [shown]


def test_one_without_a_title_has_none(admin):
    assert call(b"", OPEN) == ACCEPTED
    assert list(counted(admin, "query")) == [""]


@pytest.mark.parametrize("port, service, count", [(OPEN, "query", "associations"), (PORT, "dicom", "refused")])
def test_invented_titles_are_counted_together_and_displace_nobody(admin, port, service, count):
    known = b"CT1"
    call(known, port)
    for number in range(MANY):
        call(b"X%d" % number, port)
    call(known, port)
    found = counted(admin, service)
    # A worker for each core: several may find the last place free.
    assert LISTED < len(found) < LISTED + 16
    assert sum(its.get(count, 0) for title, its in found.items() if title != "CT1") == MANY
    assert found["other"][count] > MANY - LISTED - 16
    assert found["CT1"]["associations"] == 2


def test_counts_outlive_a_reload(rendered, tmp_path):
    """The worker gives its tables to the one that replaces it, by the section of peers that has this host alone."""
    text = on_loopback(unchecked(rendered), tmp_path, reloads=True).replace(":1024", ":14024")
    path = tmp_path / "haproxy.cfg"
    path.write_text(text.replace("/etc/haproxy/reject_calling_ae.lua", str(REJECT)))
    admin = str(tmp_path / "admin")
    with subprocess.Popen(["haproxy", "-W", "-db", "-f", str(path)], stderr=subprocess.DEVNULL) as process:
        try:
            until(lambda: accepts("127.51.100.10", PORT))
            first = worker(admin)
            # It takes itself for complete, and so for a teacher, when no former one has come for 5 s.
            until(lambda: re.search(r"flags=0x[0-9a-f]*[37bf] ", _haproxy.ask(admin, "show peers", 2)))
            with opened(b"CT1") as client:
                assert client.recv(10) == ACCEPTED
                client.sendall(bytes(1000) + b"answer")
                # While the association lasts: every 5 s.
                until(lambda: counted(admin, "dicom")["CT1"]["sent"] == 5010)
                process.send_signal(signal.SIGUSR2)
                until(lambda: worker(admin) not in (None, first))
                until(lambda: "CT1" in counted(admin, "dicom"))
                assert call(b"CT1") == ACCEPTED
            until(lambda: counted(admin, "dicom")["CT1"]["sent"] == 5020)
            found = counted(admin, "dicom")["CT1"]
            assert (found["associations"], found["received"]) == (2, 2 * REQUEST + 1006)
        finally:
            process.terminate()


def worker(admin):
    with contextlib.suppress(_haproxy.NoAnswer):
        return re.search(r"^Pid: (\d+)", _haproxy.ask(admin, "show info", 2), re.MULTILINE)[1]
    return None
