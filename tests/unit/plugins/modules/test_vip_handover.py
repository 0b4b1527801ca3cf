# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""vip_handover: it waits for a quiet moment, holds new connections for an instant, and keeps nothing for longer."""

from __future__ import annotations

import contextlib
import http.client
import shutil
import socket
import subprocess
import threading
import time

import pytest
from programs import in_namespace
from rendering import REPOSITORY

from ansible_collections.pacs.loadbalancer.plugins.module_utils import _barred, _carried, _handover, _hold, _sessions
from ansible_collections.pacs.loadbalancer.plugins.module_utils._carried import Service, Socket
from ansible_collections.pacs.loadbalancer.plugins.module_utils._sessions import Session

VIP = "198.51.100.10"
WEB = Service("web", VIP, 80, "http", False)
DICOM = Service("dicom", VIP, 104, "tcp", False)
MWL = Service("mwl", VIP, 204, "tcp", True)

SHOW_SESS = """\
0x55f21d2b8180: proto=unix_stream src=unix:1 fe=GLOBAL be=<NONE> srv=<none> ts=00 epoch=0 age=0s calls=1 rate=1 exp=
0x55f21d2c0010: proto=tcpv4 src=198.51.100.57:40312 fe=dicom be=dicom srv=pacs1 ts=00 epoch=0x1 age=1h2m calls=3 rate=0
0x55f21d2c0020: proto=tcpv6 src=2001:db8::57:40313 fe=web be=web srv=<none> ts=08 epoch=0x1 age=4s calls=1 rate=1
"""
SS = """\
LISTEN     0  4096       198.51.100.10:104          0.0.0.0:*
ESTAB      0  0          198.51.100.10:104    198.51.100.57:40312
ESTAB      0  0        [2001:db8::10]:80    [2001:db8::57]:40313
TIME-WAIT  0  0          198.51.100.10:80     198.51.100.58:40314
FIN-WAIT-1 0  1          198.51.100.10:80     198.51.100.59:40315
"""


def of(client="198.51.100.57", service="dicom", age=60):
    return Session(service, service, client, "pacs1", age, "0x1", 1)


def at(port=104, state="ESTAB", unread=0, unsent=0):
    return Socket(state, unread, unsent, VIP, port, "198.51.100.57")


# --- what it sees ---------------------------------------------------------------------------------------------------


def test_sessions_are_read_with_client_node_and_age():
    assert _sessions.parse(SHOW_SESS, 4711) == [
        ("dicom", "dicom", "198.51.100.57", "pacs1", 3720, "0x55f21d2c0010", 4711),
        ("web", "web", "2001:db8::57", "", 4, "0x55f21d2c0020", 4711),
    ]


def test_sockets_that_have_ended_are_none():
    assert [(it.state, it.unsent, it.address, it.port, it.client) for it in _carried.parse_sockets(SS)] == [
        ("ESTAB", 0, VIP, 104, "198.51.100.57"),
        ("ESTAB", 0, "2001:db8::10", 80, "2001:db8::57"),
        ("FIN-WAIT-1", 1, VIP, 80, "198.51.100.59"),
    ]


@pytest.mark.parametrize(
    ("socket", "mode", "busy"),
    [
        (at(104), "tcp", True),
        (at(80), "http", False),  # between two requests
        (at(80, unread=200), "http", True),
        (at(80, unsent=1448), "http", True),
        (at(80, "SYN-RECV"), "http", True),
        (at(80, "FIN-WAIT-1", unsent=1), "http", False),  # all but the FIN has arrived
        (at(80, "FIN-WAIT-1", unsent=1449), "http", True),
    ],
)
def test_a_socket_is_busy_while_its_client_would_miss_something(socket, mode, busy):
    assert _carried.is_busy(socket, mode) is busy


def carried(*sessions, busy=(), idle=()):
    modes = {service.name: service.mode for service in (WEB, DICOM, MWL)}
    return _carried.Carried(modes, list(sessions), list(busy), list(idle))


def test_an_association_lasts_and_a_short_request_does_not():
    long, short = of(service="web", age=5), of(service="web", age=1)
    assert carried(of(age=0), long, short).lasting() == [of(age=0), long]


def test_idle_connections_are_those_without_a_request():
    assert carried(of(service="web", age=0), idle=[at(80), at(80)]).unused() == 1


def test_who_holds_on_is_said_with_the_longest_first():
    lines = _carried.in_words(carried(of(age=5), of("198.51.100.58", age=500)), most=1)
    assert lines[0].startswith("dicom: 198.51.100.58 on pacs1, since ") and lines[1:] == ["and 1 more"]


# --- the hold -------------------------------------------------------------------------------------------------------

ENDS = [(VIP, 104), ("2001:db8::10", 80)]


def test_nft_takes_the_hold_and_takes_it_again():
    twice = _hold.ruleset(ENDS) * 2
    listed = in_namespace("sh", "-c", "nft --file - && nft list table inet pacs_handover", given=twice)
    assert "198.51.100.10 . 104" in listed and "2001:db8::10 . 80" in listed


def test_the_kernel_ends_it():
    script = "nft --file - && sleep 2.5 && nft list table inet pacs_handover"
    assert "elements" not in in_namespace("sh", "-c", script, given=_hold.ruleset(ENDS))


def test_nothing_is_held_where_all_is_forwarded(monkeypatch):
    monkeypatch.setattr(_hold.subprocess, "run", None)
    with _hold.Hold([]) as hold:
        hold.renew()
    assert hold.seconds < 1


# --- the move -------------------------------------------------------------------------------------------------------


class Host:
    """A load balancer whose VIP leaves as soon as the file says so, if `successor` takes it."""

    def __init__(self, monkeypatch, tmp_path, *looks, successor=True):
        self.looks = list(looks)
        self.file = tmp_path / "handover"
        self.successor = successor
        self.cut: list[Session] = []
        self.held: list[list] = []
        for name, value in {"POLL": 0.001, "POLL_HELD": 0.001, "SETTLE": 0.02, "PAUSE": 0.0, "TAKEN": 0.01}.items():
            monkeypatch.setattr(_handover, name, value)
        monkeypatch.setattr(_handover, "look", lambda plan: self.looks.pop(0) if len(self.looks) > 1 else self.looks[0])
        monkeypatch.setattr(_handover, "close_after_answers", lambda plan, seconds: None)
        monkeypatch.setattr(_handover, "close_idle", lambda sockets: None)
        monkeypatch.setattr(_handover, "holds", lambda vips: not self.is_asked())
        self.asked: list[list] = []
        monkeypatch.setattr(_barred, "_run", self.run)
        monkeypatch.setattr(_carried, "shut", lambda sessions, *sockets: self.cut.extend(sessions))
        monkeypatch.setattr(_handover._neighbours, "owners", lambda *asked: {VIP: ["mac"] if self.successor else []})
        monkeypatch.setattr(_hold, "_nft", lambda arguments, given="": self.held.append(arguments))

    def run(self, command):
        """Systemd takes the timer while nothing is barred yet."""
        self.asked.append([*command[:1], self.is_asked()])
        return subprocess.CompletedProcess(command, 0, "")

    def is_asked(self):
        return self.file.exists() and self.file.read_text() == "1\n"

    def hand_over(self, wait=5.0, cut=False, services=(WEB, DICOM)):
        return _handover.hand_over(
            _handover.Plan(list(services), [VIP], "eth0", str(self.file), wait, cut, "admin.sock", "master.sock")
        )


def test_it_waits_for_the_association_and_then_moves(monkeypatch, tmp_path):
    host = Host(monkeypatch, tmp_path, carried(of()), carried(of()), carried())
    found = host.hand_over()
    assert found["moved"] and found["holding_on"] == [] and host.cut == []
    assert host.file.read_text() == "0\n"
    assert host.held[-1] == ["delete", "table", "inet", "pacs_handover"]
    assert host.asked == [["systemctl", False], ["systemd-run", False], ["systemctl", False]]


def test_it_gives_up_and_says_who_holds_on(monkeypatch, tmp_path):
    host = Host(monkeypatch, tmp_path, carried(of()))
    found = host.hand_over(wait=0.05)
    assert not found["moved"] and found["holding_on"][0].startswith("dicom: 198.51.100.57 on pacs1, since ")
    assert not host.file.exists() and host.held == [], "nobody was held for nothing"


def test_it_goes_on_where_it_is_told_to(monkeypatch, tmp_path):
    host = Host(monkeypatch, tmp_path, carried(of()))
    found = host.hand_over(wait=0.05, cut=True)
    assert found["moved"] and found["cut"] == 1 and host.cut == [of()]


def test_requests_that_do_not_end_let_new_ones_in_again(monkeypatch, tmp_path):
    host = Host(monkeypatch, tmp_path, carried(busy=[at(80, unsent=1448)]))
    found = host.hand_over(wait=0.1)
    assert found["holding_on"] == ["port 80: 198.51.100.57, which has not got all of its answer"]
    assert [it[0] for it in host.held[:4]] == ["--file", "delete", "--file", "delete"]


def test_an_idle_connection_is_given_time_to_end(monkeypatch, tmp_path):
    monkeypatch.setattr(_handover, "PATIENCE", 0.05)
    found = Host(monkeypatch, tmp_path, carried(idle=[at(80)])).hand_over()
    assert found["moved"] and found["waited_s"] >= 0.05


def test_the_vip_comes_back_where_nobody_takes_it(monkeypatch, tmp_path):
    host = Host(monkeypatch, tmp_path, carried(), successor=False)
    found = host.hand_over()
    assert found["msg"] == "No other host took the VIP, so it is here again." and not found["moved"]
    assert host.file.read_text() == "0\n"


def test_what_is_forwarded_is_not_held(monkeypatch, tmp_path):
    host = Host(monkeypatch, tmp_path, carried())
    assert host.hand_over(services=[MWL])["moved"] and host.held == []


def test_what_bars_a_host_is_ended_by_systemd_whatever_becomes_of_its_beginner(monkeypatch, tmp_path):
    file, commands = tmp_path / "handover", []
    monkeypatch.setattr(
        _barred, "_run", lambda command: commands.append(command) or subprocess.CompletedProcess(command, 0, "")
    )
    assert not _barred.is_barred(str(file))
    _barred.begin(str(file), 8.0)
    assert file.read_text() == "1\n" and _barred.is_barred(str(file))
    _stopped, begun = commands
    assert "--on-active=8000ms" in begun
    subprocess.run(begun[begun.index("sh") :], check=True)
    assert file.read_text() == "0\n" and not _barred.is_barred(str(file))


def test_nothing_is_barred_where_nothing_would_end_it(monkeypatch, tmp_path):
    monkeypatch.setattr(_barred, "_run", lambda command: subprocess.CompletedProcess(command, 1, "no bus"))
    with pytest.raises(_barred.CannotBar, match="no bus"):
        _barred.begin(str(tmp_path / "handover"), 8.0)
    assert not (tmp_path / "handover").exists()


# --- against a real HAProxy -----------------------------------------------------------------------------------------

CONFIGURATION = """
global
    stats socket {directory}/admin.sock level admin
defaults
    mode http
    timeout connect 2s
    timeout client 30s
    timeout server 30s
frontend web
    bind 127.0.0.1:{port}
    {rule}
    http-request return status 200 content-type text/plain string served
"""


@pytest.fixture
def keep_alive(tmp_path):
    """An HTTP client whose connection stays, before a HAProxy with the rule that is deployed."""
    if shutil.which("haproxy") is None:
        pytest.skip("haproxy is not installed")
    template = (REPOSITORY / "roles/haproxy/templates/haproxy.cfg.j2").read_text()
    (rule,) = [line for line in template.splitlines() if "proc.closing_until" in line]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (tmp_path / "haproxy.cfg").write_text(CONFIGURATION.format(directory=tmp_path, port=port, rule=rule))
    with subprocess.Popen(["haproxy", "-db", "-f", str(tmp_path / "haproxy.cfg")]) as process:
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                client.connect()
                break
        yield client, tmp_path / "admin.sock"
        client.close()
        process.terminate()


def get(client):
    client.request("GET", "/")
    return client.getresponse().read(), client.sock is not None


def test_haproxy_closes_each_connection_after_its_answer_until_that_ends_by_itself(keep_alive):
    client, admin = keep_alive
    plan = _handover.Plan([WEB], [VIP], "eth0", "", 0, False, str(admin), "")
    assert get(client) == (b"served", True)
    _handover.close_after_answers(plan, 0.5)
    assert get(client) == (b"served", False), "the answer arrives, and the connection ends"
    deadline = time.monotonic() + 5
    while not get(client)[1]:
        assert time.monotonic() < deadline
        threading.Event().wait(0.1)
    _handover.close_after_answers(plan, 60)
    assert not get(client)[1]
    _handover.close_after_answers(plan, 0)
    assert get(client)[1]
