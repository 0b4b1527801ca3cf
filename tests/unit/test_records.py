# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The record of each session at layer 7: the real HAProxy, the reader of its unit, and a crowd that counts itself."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import json
import os
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import threading

import pytest
import rendering
from factories import HOSTILE_TITLES, build
from running import RECORDS, accepts, on_loopback, unchecked, until

from ansible_collections.pacs.loadbalancer.plugins.module_utils import _haproxy
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.output import as_dict

pytestmark = pytest.mark.skipif(
    not shutil.which("haproxy") or os.getuid() != 0, reason="haproxy is not installed, or this is not root"
)
VIP, DICOM, OPEN, WEB, RECORDER = "127.51.100.10", 15104, 15105, 15080, 15026
KEYS = [
    *("time", "load_balancer", "layer", "service", "vip", "client", "client_port", "node", "calling_ae", "called_ae"),
    *("received_bytes", "sent_bytes", "seconds", "ended", "taken_over", "haproxy"),
]
CROWD = 10_000
BUFFER = 64 << 20  # bytes, as the unit says
SO_RCVBUFFORCE = 33  # socket(7)
ANY_NUMBER = {"client_rate": 0, "client_connections": 0}


@pytest.fixture(scope="module")
def rendered():
    services = {
        "web": {"port": WEB, **ANY_NUMBER},
        "dicom": {"port": DICOM, **ANY_NUMBER, "allowed_calling_ae": ["CT*"]},
        "query": {"port": OPEN, **ANY_NUMBER},
        "mwl": {"enabled": False},
    }
    site = build(infinitt_services=services)
    assert site.problems == []
    return rendering.render({"records": ({}, as_dict(site))})["records"]["lb1"]["haproxy"]


class Recorder:
    """What systemd does: a socket that stays, and the reader, which may be away for a while."""

    def __init__(self, path):
        self.path = path
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
        self.socket.bind(("127.0.0.1", RECORDER))
        self.reader = None

    def read(self):
        command = ["stdbuf", "--output=L", "sed", "--regexp-extended", "--file", str(RECORDS)]
        with self.path.open("a") as output:
            self.reader = subprocess.Popen(command, stdin=self.socket, stdout=output)

    def away(self):
        self.reader.kill()
        self.reader.wait()

    def records(self):
        return [json.loads(line) for line in self.path.read_text().splitlines()]


class Running:
    def __init__(self, recorder, process, admin):
        self.recorder, self.process, self.admin, self.seen = recorder, process, admin, []

    def record(self):
        """The one that is new."""
        before = len(self.seen)
        until(lambda: len(self.recorder.records()) > before)
        self.seen = self.recorder.records()
        assert len(self.seen) == before + 1, self.seen[before:]
        return self.seen[-1]

    def worker(self):
        with contextlib.suppress(_haproxy.NoAnswer):
            return re.search(r"^Pid: (\d+)", _haproxy.ask(self.admin, "show info", 2), re.MULTILINE)[1]
        return None


@pytest.fixture
def running(rendered, tmp_path):
    text = on_loopback(unchecked(rendered), tmp_path, reloads=True)
    text = text.replace("log stdout ", f"log 127.0.0.1:{RECORDER} ").replace(":1024", ":15024")
    reject = RECORDS.with_name("reject_calling_ae.lua")
    path = tmp_path / "haproxy.cfg"
    path.write_text(text.replace("/etc/haproxy/reject_calling_ae.lua", str(reject)))
    recorder = Recorder(tmp_path / "records")
    recorder.read()
    with subprocess.Popen(["haproxy", "-W", "-db", "-f", str(path)], stderr=subprocess.DEVNULL) as process:
        try:
            until(lambda: accepts(VIP, DICOM))
            yield Running(recorder, process, str(tmp_path / "admin"))
        finally:
            process.terminate()
            recorder.reader.kill()
            recorder.reader.wait()
            recorder.socket.close()


@pytest.fixture(scope="module", autouse=True)
def nodes():
    """Nodes that answer whatever they are sent, until they are sent nothing more."""
    loop = asyncio.new_event_loop()

    async def talk(reader, writer):
        with contextlib.suppress(OSError):
            while part := await reader.read(65536):
                if b"RESET" in part:
                    reset(writer.get_extra_info("socket"))
                    break
                writer.write(b"HTTP/1.0 200 OK\r\n\r\n" if part.startswith((b"GET", b"POST")) else b"\2" + bytes(9))
                if part.startswith((b"GET", b"POST")):
                    break
        writer.close()

    async def serve():
        for host in (21, 22):
            for port in (WEB, DICOM, OPEN):
                await asyncio.start_server(talk, f"127.51.100.{host}", port, backlog=4096)

    loop.run_until_complete(serve())
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    yield
    loop.call_soon_threadsafe(loop.stop)
    thread.join()


def reset(one):
    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def request(calling=b"CT1", called=b"ARCHIVE"):
    body = b"\0\1\0\0" + called.ljust(16) + calling.ljust(16) + bytes(92)
    return b"\1\0" + struct.pack(">I", len(body)) + body


def come(port=DICOM, data=None, hears=True):
    """One session; return its port."""
    with socket.create_connection((VIP, port), timeout=30) as client:
        client.sendall(request() if data is None else data)
        if hears:
            with contextlib.suppress(ConnectionResetError):
                client.recv(4096)
        else:
            reset(client)
        return client.getsockname()[1]


def test_a_record_says_who_came_to_which_node_and_how_it_ended(running):
    began = datetime.datetime.now(datetime.timezone.utc)
    port = come()
    its = running.record()
    assert list(its) == KEYS
    moment = datetime.datetime.fromisoformat(its.pop("time").replace("Z", "+00:00"))
    assert abs((moment - began).total_seconds()) < 5 and moment.tzinfo == datetime.timezone.utc
    assert its.pop("node") in ("pacs1", "pacs2") and 0 <= its.pop("seconds") < 10 and its.pop("haproxy")
    assert its == {
        "load_balancer": "lb1",
        "layer": 7,
        "service": "dicom",
        "vip": VIP,
        "client": "127.0.0.1",
        "client_port": port,
        "calling_ae": "CT1",
        "called_ae": "ARCHIVE",
        "received_bytes": len(request()),
        "sent_bytes": 10,
        "ended": "closed",
        "taken_over": False,
    }


def test_how_it_ended_is_a_word(running):
    come(data=request(b"CT1", b"RESET"))
    assert running.record()["ended"] == "node_reset"
    come(data=request(b"MR1"))
    assert running.record()["ended"] == "refused"
    come(data=b"\x16\x03\x01")
    assert running.record()["ended"] == "refused"
    come(WEB, b"nothing of HTTP\r\n\r\n")
    its = running.record()
    assert its["ended"] == "refused" and its["time"][:4] == str(datetime.date.today().year) and list(its) == KEYS
    for node in ("pacs1", "pacs2"):
        _haproxy.ask(running.admin, f"set server query/{node} state maint", 2)
    come(OPEN)
    its = running.record()
    assert (its["ended"], its["node"], its["calling_ae"]) == ("no_node", None, "CT1")


def test_a_client_that_aborts_and_one_that_is_cut(running):
    with socket.create_connection((VIP, DICOM), timeout=30) as client:
        client.sendall(request())
        client.recv(10)
        reset(client)
    assert running.record()["ended"] == "client_reset"
    with socket.create_connection((VIP, DICOM), timeout=30) as client:
        client.sendall(request())
        client.recv(10)
        for node in ("pacs1", "pacs2"):
            _haproxy.ask(running.admin, f"shutdown sessions server dicom/{node}", 2)
        client.recv(10)
    assert running.record()["ended"] == "cut"


CANARY = "CANARY"


@pytest.mark.parametrize(
    "first",
    [
        f"GET /studies/1.2.{CANARY}/{CANARY}?PatientName={CANARY} HTTP/1.1",
        f"GET http://{CANARY}.example.org/{CANARY} HTTP/1.1",
        f"POST /{CANARY} HTTP/1.0",
        f"{CANARY} /{CANARY} HTTP/1.1",
        f"GET {CANARY}",
        f"GET /\t\x01{CANARY} HTTP/9.9",
    ],
)
def test_nothing_of_a_url_a_cookie_or_a_header_is_in_a_record(running, first):
    headers = f"\r\nHost: {CANARY}\r\nCookie: PACSNODE={CANARY}; patient={CANARY}\r\nX-Name: {CANARY}\r\n\r\n"
    come(WEB, (first + headers).encode("latin-1"))
    record = json.dumps(running.record())
    # A method is a word of HTTP; one that is none may stand there, as far as HAProxy takes it.
    assert CANARY not in record.replace(f" {first.split()[0]}" + '"}', '"}'), record


@pytest.mark.parametrize("hostile", HOSTILE_TITLES)
def test_no_title_forges_a_record(running, hostile):
    come(OPEN, request(hostile, hostile[::-1]))
    its = running.record()
    assert list(its) == KEYS and its["service"] == "query"
    assert all(re.fullmatch(r"[] !#-\[^-~]{1,16}", its[key]) for key in ("calling_ae", "called_ae")), its


async def crowd(number, ports):
    """So many sessions, as fast as they are answered; the ports of those that were."""
    at_once = asyncio.Semaphore(200)

    async def one():
        async with at_once:
            with contextlib.suppress(OSError):
                reader, writer = await asyncio.open_connection(VIP, DICOM)
                with contextlib.closing(writer):
                    writer.write(request())
                    if await reader.read(10):
                        ports.append(writer.get_extra_info("sockname")[1])

    await asyncio.gather(*(one() for _number in range(number)))


def test_a_burst_leaves_a_record_each_over_reloads_and_while_the_reader_is_away(running):
    first = running.worker()
    held = [socket.create_connection((VIP, DICOM), timeout=30) for _number in range(50)]
    ports = []
    for client in held:
        client.sendall(request())
        client.recv(10)
    running.recorder.away()
    burst = threading.Thread(target=lambda: asyncio.run(crowd(CROWD, ports)))
    burst.start()
    until(lambda: len(ports) > CROWD // 4)
    running.process.send_signal(signal.SIGUSR2)
    until(lambda: running.worker() not in (None, first))
    until(lambda: len(ports) > CROWD // 2)
    ended = [client.getsockname()[1] for client in held]
    for client in held:  # they outlived the reload
        client.close()
    burst.join()
    assert len(ports) > CROWD - 100, "so few were answered"
    running.recorder.read()
    wanted = sorted([*ports, *ended])
    answered = {*wanted}

    def all_of_them():
        return sorted(its["client_port"] for its in running.recorder.records() if its["client_port"] in answered)

    with contextlib.suppress(AssertionError):
        until(lambda: all_of_them() == wanted, 20)
    assert all_of_them() == wanted


def test_what_a_killed_haproxy_has_recorded_is_not_lost(running):
    running.recorder.away()
    ports = sorted(come() for _number in range(100))
    until(lambda: select.select([running.recorder.socket], [], [], 0)[0])
    worker = int(running.worker())
    until(lambda: "CurrConns: 0" in _haproxy.ask(running.admin, "show info", 2))
    os.kill(worker, signal.SIGKILL)
    running.recorder.read()
    until(lambda: sorted(its["client_port"] for its in running.recorder.records()) == ports)
