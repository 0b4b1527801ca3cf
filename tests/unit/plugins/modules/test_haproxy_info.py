# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""haproxy_info against a real HAProxy in master-worker mode, started as this user on loopback."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import socket
import socketserver
import subprocess
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from running import stop

from ansible_collections.pacs.loadbalancer.plugins.module_utils import _haproxy as haproxy
from ansible_collections.pacs.loadbalancer.plugins.module_utils import _haproxy_info

HAPROXY = shutil.which("haproxy", path=os.environ.get("PATH", "") + ":/usr/sbin")

CONFIGURATION = """
global
  description {description}
  stats socket {admin} mode 600 level admin
defaults
  mode tcp
  timeout connect 2s
  timeout client 60s
  timeout server 60s
backend affinity
  stick-table type ip size 1k expire 1h
frontend dicom
  bind 127.0.0.1:{vip_port}
  default_backend dicom
backend dicom
  server pacs1 127.0.0.1:{node_port} check inter 100ms
  server pacs2 127.0.0.1:{closed_port} check inter 100ms fall 1 backup weight 5
{more}
"""


def until(condition, seconds=10):
    """What `condition()` returned when it was first true; asked every 20 ms."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"not within {seconds:g} s"
        select.select([], [], [], 0.02)


def listening():
    listener = socket.create_server(("127.0.0.1", 0))
    return listener, listener.getsockname()[1]


def free_port():
    listener, port = listening()
    listener.close()
    return port


class Node(socketserver.ThreadingTCPServer):
    """Takes every connection and hangs up when the other side does."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    class RequestHandlerClass(socketserver.BaseRequestHandler):
        def handle(self):
            while self.request.recv(4096):
                pass

    def __init__(self):
        super().__init__(("127.0.0.1", 0), self.RequestHandlerClass)
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}).start()

    def handle_error(self, request, client_address):
        pass  # a check that resets the connection is no error


class HAProxy:
    """A master and its workers, in a directory of their own, with one node that accepts and one that refuses."""

    def __init__(self, directory):
        self.directory = directory
        self.admin, self.master = str(directory / "admin.sock"), str(directory / "master.sock")
        self.node = Node()
        self.node_port = self.node.server_address[1]
        # Bound and not listened on: it refuses, and nobody else gets it.
        self.closed = socket.socket()
        self.closed.bind(("127.0.0.1", 0))
        self.vip_port, self.closed_port = free_port(), self.closed.getsockname()[1]
        self.write("one")
        self.log = open(directory / "log", "wb")
        self.process = subprocess.Popen(
            [HAPROXY, "-Ws", "-S", self.master, "-f", str(directory / "haproxy.cfg")],
            stdout=self.log,
            stderr=self.log,
            # Ready is told to systemd, were there one.
            env={name: value for name, value in os.environ.items() if name != "NOTIFY_SOCKET"},
        )
        try:
            until(lambda: not self.info()["msg"])
        except AssertionError:
            self.stop()
            raise

    def write(self, description, more=""):
        text = CONFIGURATION.format(description=description, more=more, **vars(self))
        (self.directory / "haproxy.cfg").write_text(text)

    def reload(self):
        self.process.send_signal(signal.SIGUSR2)

    def until_reloaded(self, description):
        """The first answer of the new worker; the master starts itself anew meanwhile, which must not show."""
        info = until(lambda: (now := self.info())["description"] == description and now)
        assert (info["msg"], info["failed_reloads"]) == ("", 0)
        assert [worker["current"] for worker in info["workers"]].count(True) == 1
        return info

    def info(self, timeout=3):
        return _haproxy_info.gather(self.admin, self.master, timeout)

    def stop(self):
        self.process.terminate()
        self.process.wait(5)
        self.closed.close()
        self.node.shutdown()
        self.node.server_close()
        self.log.close()


@pytest.fixture
def running(tmp_path):
    if HAPROXY is None:
        pytest.skip("haproxy is not installed")
    daemon = HAProxy(tmp_path)
    pids = [worker["pid"] for worker in daemon.info()["workers"]]
    yield daemon
    pids += [worker["pid"] for worker in daemon.info(0.5)["workers"]]
    daemon.stop()
    for pid in set(pids):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass  # a worker ends with its master, unless it hangs


def test_what_runs_and_what_the_checks_say(running):
    info = until(lambda: (now := running.info())["services"]["dicom"]["pacs2"]["up"] is False and now)
    pacs1, pacs2 = info["services"]["dicom"]["pacs1"], info["services"]["dicom"]["pacs2"]
    installed = subprocess.run([HAPROXY, "-v"], stdout=subprocess.PIPE, text=True, check=True).stdout
    assert info["version"] in installed
    assert (info["running"], info["msg"], info["description"], info["failed_reloads"]) == (True, "", "one", 0)
    assert [worker["current"] for worker in info["workers"]] == [True]
    assert list(info["services"]) == ["dicom"], "a backend that holds only a table is no service"
    assert pacs1["up"] is True
    assert (pacs1["status"], pacs1["check_status"], pacs1["address"]) == ("UP", "L4OK", "127.0.0.1")
    assert (pacs1["backup"], pacs1["weight"], pacs1["check_code"]) == (False, 1, None)
    assert (pacs2["status"], pacs2["check_status"], pacs2["backup"], pacs2["weight"]) == ("DOWN", "L4CON", True, 5)
    assert pacs2["check_text"] == "Layer4 connection problem: Connection refused"


def test_peers_are_connected_or_not(running, tmp_path):
    assert running.info()["peers"] == {}
    (tmp_path / "other").mkdir()
    other = HAProxy(tmp_path / "other")
    try:
        ports = {name: free_port() for name in ("lb1", "lb2", "lb3")}
        section = "peers pair\n" + "".join(f"  peer {name} 127.0.0.1:{port}\n" for name, port in ports.items())
        for name, haproxy_ in (("lb1", running), ("lb2", other)):
            haproxy_.write("pair", f"global\n  localpeer {name}\n{section}")
            haproxy_.reload()
            haproxy_.until_reloaded("pair")
        until(lambda: running.info()["peers"] == {"lb2": True, "lb3": False})
        until(lambda: other.info()["peers"] == {"lb1": True, "lb3": False})
    finally:
        other.stop()
    until(lambda: running.info()["peers"] == {"lb2": False, "lb3": False})


def test_the_sessions_of_an_old_worker_count(running):
    until(lambda: running.info()["services"]["dicom"]["pacs1"]["up"])
    with socket.create_connection(("127.0.0.1", running.vip_port)):
        until(lambda: running.info()["sessions"]["dicom"] == 1)
        running.write("two")
        running.reload()
        running.until_reloaded("two")
        with socket.create_connection(("127.0.0.1", running.vip_port)):
            # A session is the service's first, and then, once it is connected, the node's.
            info = until(lambda: (now := running.info())["services"]["dicom"]["pacs1"]["sessions"] == 2 and now)
        assert info["sessions"]["dicom"] == 2
        assert [(worker["current"], worker["sessions"]) for worker in info["workers"]] == [(True, 1), (False, 1)]
        assert info["old_sessions"] == 1
        assert info["services"]["dicom"]["pacs1"]["old_sessions"] == 1
    until(lambda: len(running.info()["workers"]) == 1)


def test_a_reload_that_fails_is_seen_and_the_next_good_one_forgets_it(running):
    taken, port = listening()
    with taken:
        running.write("two", f"listen taken\n  bind 127.0.0.1:{port}")
        running.reload()
        info = until(lambda: (now := running.info())["failed_reloads"] == 1 and now)
    assert (info["description"], info["reloads"]) == ("one", 1)
    assert [worker["current"] for worker in info["workers"]] == [True]
    running.write("three")
    running.reload()
    assert running.until_reloaded("three")["reloads"] == 2


def test_a_worker_that_hangs_costs_the_timeout_and_no_more(running):
    pid = running.info()["workers"][0]["pid"]
    stop(pid)
    began = time.monotonic()
    info = running.info(timeout=0.4)
    took = time.monotonic() - began
    os.kill(pid, signal.SIGCONT)
    assert 0.4 <= took < 2
    assert (info["running"], info["hangs"]) == (False, False), "a reload would give it another worker"
    assert info["msg"] == f"{running.admin} did not answer within 0.4 s: HAProxy hangs."
    assert info["workers"] == [
        {"pid": pid, "current": True, "uptime_s": info["workers"][0]["uptime_s"], "sessions": None}
    ]


def test_a_reload_between_the_two_questions_gives_the_answer_of_the_new_worker(running, monkeypatch):
    ask_worker, ask_master, reloaded = _haproxy_info._ask_worker, _haproxy_info._ask_master, threading.Event()

    def first_the_worker(path, timeout):
        answer = ask_worker(path, timeout)
        if not reloaded.is_set():
            running.write("two")
            running.reload()
            until(lambda: "description: two" in haproxy.ask(running.admin, "show info", 1))
            reloaded.set()
        return answer

    def then_the_master(path, timeout):
        reloaded.wait(timeout)
        return ask_master(path, timeout)

    monkeypatch.setattr(_haproxy_info, "_ask_worker", first_the_worker)
    monkeypatch.setattr(_haproxy_info, "_ask_master", then_the_master)
    info = running.info()
    assert (info["reloads"], info["description"]) == (1, "two")


def test_all_of_it_hangs_and_at_last_takes_no_more_questions(running):
    pids = [running.process.pid, running.info()["workers"][0]["pid"]]
    for pid in pids:
        stop(pid)
    with contextlib.ExitStack() as waiting:
        try:
            assert running.info(timeout=0.2)["hangs"] is True
            with pytest.raises(BlockingIOError):
                while True:  # until its queue is full
                    one = waiting.enter_context(socket.socket(socket.AF_UNIX))
                    one.setblocking(False)
                    one.connect(running.admin)
            info = running.info(timeout=0.2)
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
    assert (info["running"], info["hangs"]) == (False, True)
    assert info["msg"] == f"{running.admin} has too many connections that wait: HAProxy hangs."


def test_an_old_worker_that_hangs_leaves_the_rest_known(running):
    until(lambda: running.info()["services"]["dicom"]["pacs1"]["up"])
    old = running.info()["workers"][0]["pid"]
    with socket.create_connection(("127.0.0.1", running.vip_port)):
        until(lambda: running.info()["sessions"]["dicom"] == 1)
        running.write("two")
        running.reload()
        running.until_reloaded("two")
        stop(old)
        info = running.info(timeout=0.4)
        os.kill(old, signal.SIGCONT)
    assert info["running"] is True
    assert {worker["pid"]: worker["sessions"] for worker in info["workers"]}[old] is None


def test_a_stats_socket_in_place_of_the_master_socket(running):
    info = _haproxy_info.gather(running.admin, running.admin, 3)
    assert info["failed_reloads"] is None
    assert info["msg"] == f"{running.admin} is not the socket of an HAProxy master."


def test_no_socket(tmp_path):
    info = _haproxy_info.gather(str(tmp_path / "a"), str(tmp_path / "m"), 1)
    assert (info["running"], info["hangs"]) == (False, False)
    assert info["msg"] == "There is no socket %s: HAProxy is not running, or its socket is elsewhere." % (
        tmp_path / "a"
    )
    assert (info["version"], info["description"], info["reloads"], info["failed_reloads"]) == (None, None, None, None)
    assert (info["workers"], info["services"], info["sessions"], info["old_sessions"]) == ([], {}, {}, 0)


def test_a_socket_that_nobody_listens_on(tmp_path):
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(path)
    with pytest.raises(haproxy.NoAnswer, match="refuses connections: HAProxy is not running"):
        haproxy.ask(path, "show info", 1)


def test_a_path_that_is_too_long_for_a_socket(tmp_path):
    with pytest.raises(haproxy.NoAnswer, match="cannot be asked"):
        haproxy.ask("/" + "x" * 200, "show info", 1)


def test_a_peer_that_never_stops_talking(tmp_path, monkeypatch):
    monkeypatch.setattr(haproxy, "MAX_ANSWER", 1 << 20)
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()

        def talk():
            peer, _address = listener.accept()
            with peer:
                try:
                    while True:
                        peer.sendall(b"x" * 65536)
                except OSError:
                    pass  # it hung up

        talker = threading.Thread(target=talk)
        talker.start()
        with pytest.raises(haproxy.NoAnswer, match="this is not HAProxy"):
            haproxy.ask(path, "show info", 5)
        talker.join()


PROC = """#<PID>          <type>          <reloads>       <uptime>        <version>
5420            master          2 [failed: 1]   0d00h00m48s     2.6.12-1+deb12u4
# workers
5644            worker          1               1d02h03m04s     2.6.12-1+deb12u4
# old workers
5503            worker          2               0d00h00m48s     2.6.12-1+deb12u4
# programs
77              agent           0               0d00h00m48s     -

"""


def test_show_proc():
    assert haproxy.parse_proc(PROC) == {
        "reloads": 2,
        "failed_reloads": 1,
        "workers": [
            {"pid": 5644, "current": True, "uptime_s": 93784},
            {"pid": 5503, "current": False, "uptime_s": 48},
        ],
    }


HEADER = "# pxname,svname,scur,status,weight,bck,lastchg,type,check_status,check_code,last_chk,check_desc,addr,throttle"


@pytest.mark.parametrize(
    "status, check_status, up",
    [
        ("UP", "L4OK", True),
        ("UP 2/3", "* L4TOUT", True),
        ("UP", "INI", None),
        ("UP", "* INI", None),
        ("no check", "", True),
        ("DRAIN", "L7OK", True),
        ("DOWN", "L4CON", False),
        ("DOWN 1/2", "L4OK", False),
        ("MAINT", "INI", False),
    ],
)
def test_up_is_what_the_check_says(status, check_status, up):
    row = f'mwl,ris,0,{status},1,0,7,2,{check_status},,,"it said ""no"", twice",[2001:db8::15]:204,'
    (node,) = _haproxy_info.combine(haproxy.parse_stat("\n".join((HEADER, row))), [])["services"]["mwl"].values()
    assert (node["up"], node["status"]) == (up, status)
    assert (node["address"], node["port"]) == ("2001:db8::15", 204)
    assert node["check_text"] == 'it said "no", twice'


def test_a_service_that_only_an_old_worker_has_still_counts():
    old = haproxy.parse_stat("\n".join((HEADER, "hl7,pacs1,3,UP,1,0,7,2,,,,,,", "hl7,BACKEND,3,UP,1,0,7,1,,,,,,")))
    assert _haproxy_info.combine([], [old, old]) == {"services": {}, "sessions": {"hl7": 6}, "old_sessions": 6}


def test_the_answer_for_a_worker_that_has_just_ended():
    assert haproxy.parse_stat("Can't find the target PID matching the prefix '@!5503'\n") == []


@given(st.text())
def test_parsers_survive_anything(text):
    haproxy.parse_info(text)
    assert haproxy.parse_stat(text) == []
    with pytest.raises(ValueError):
        haproxy.parse_proc(text)


@given(
    st.integers(0, 10**6), st.lists(st.tuples(st.integers(1, 2**22), st.booleans(), st.integers(0, 10**7)), max_size=5)
)
def test_show_proc_says_what_the_master_wrote(failed, workers):
    def line(pid, kind, reloads, uptime):
        span = "%dd%02dh%02dm%02ds" % (uptime // 86400, uptime // 3600 % 24, uptime // 60 % 60, uptime % 60)
        return "%-15d %-15s %-15s %-15s %-15s" % (pid, kind, reloads, span, "3.0.11-1+deb13u1")

    ordered = sorted(workers, key=lambda worker: not worker[1])
    text = [line(1, "master", f"9 [failed: {failed}]", 5), "# workers"]
    text += [line(pid, "worker", 0, uptime) for pid, current, uptime in ordered if current]
    text += ["# old workers"]
    text += [line(pid, "worker", 1, uptime) for pid, current, uptime in ordered if not current]
    assert haproxy.parse_proc("\n".join(text)) == {
        "reloads": 9,
        "failed_reloads": failed,
        "workers": [{"pid": pid, "current": current, "uptime_s": uptime} for pid, current, uptime in ordered],
    }
