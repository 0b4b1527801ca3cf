# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""node_sessions and haproxy_ready against a real HAProxy in master-worker mode, through a reload."""

from __future__ import annotations

import os
import select
import shutil
import signal
import socket
import subprocess
import time

import pytest

from ansible_collections.pacs.loadbalancer.plugins.module_utils import _haproxy, _layer4, _node_sessions, _sessions

HAPROXY = shutil.which("haproxy", path=os.environ.get("PATH", "") + ":/usr/sbin")
pytestmark = pytest.mark.skipif(not HAPROXY, reason="haproxy is not installed")

CONFIGURATION = """
global
  stats socket {directory}/admin mode 600 level admin
defaults
  mode tcp
  timeout connect 2s
  timeout client 60s
  timeout server 60s
listen dicom
  bind 127.0.0.1:{port}
  server pacs1 127.0.0.1:{node} check inter 100ms {more}
"""


def until(condition, seconds=10):
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline
        select.select([], [], [], 0.02)
    return value


@pytest.fixture
def served(tmp_path, monkeypatch):
    """A client whose session is in an old worker; the new one has the node in maintenance."""
    monkeypatch.setattr(_layer4, "PROGRAM", str(tmp_path / "none"))
    with socket.create_server(("127.0.0.1", 0)) as node, socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
        free.close()
        path, master = tmp_path / "haproxy.cfg", str(tmp_path / "master")
        given = {"directory": tmp_path, "port": port, "node": node.getsockname()[1]}
        path.write_text(CONFIGURATION.format(**given, more=""))
        command = [HAPROXY, "-Ws", "-S", master, "-f", str(path)]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            try:
                until(lambda: _answers(master, "show proc"))
                client = until(lambda: _connected(port))
                client.settimeout(5)
                client.sendall(b"hello")
                until(lambda: _sessions.read(master, 2))
                path.write_text(CONFIGURATION.format(**given, more="disabled"))
                process.send_signal(signal.SIGUSR2)
                until(lambda: "# old workers\n" in _answers(master, "show proc") and len(_workers(master)) == 2)
                yield master, str(tmp_path / "admin"), client
            finally:
                process.terminate()  # it ends its workers, old ones too


def _answers(path, command):
    try:
        return _haproxy.ask(path, command, 2)
    except _haproxy.NoAnswer:
        return ""


def _workers(master):
    answer = _answers(master, "show proc")
    return _haproxy.parse_proc(answer)["workers"] if answer else []


def _connected(port):
    try:
        return socket.create_connection(("127.0.0.1", port))
    except OSError:
        return None


def test_a_session_of_an_old_worker_is_waited_for_and_ended(served):
    master, _admin, client = served
    its = _node_sessions.Sessions(master, "pacs1", ["dicom"])
    began = time.monotonic()
    assert its.left(0.2) == [{"client": "127.0.0.1", "service": "dicom", "sessions": 1}]
    assert time.monotonic() - began < 5
    assert _node_sessions.Sessions(master, "pacs2", ["dicom"]).left(0) == []
    assert _node_sessions.Sessions(master, "pacs1", ["query"]).left(0) == []
    assert its.end() == 1
    assert client.recv(10) == b"", "the client is not told"
    assert its.left(5) == []


def test_who_is_forwarded_counts_too(served, tmp_path):
    master, _admin, _client = served
    program = tmp_path / "none"
    program.write_text('#!/bin/sh\necho \'[{"client": "198.51.100.50", "service": "dicom", "node": "pacs1"}]\'\n')
    program.chmod(0o755)
    left = _node_sessions.Sessions(master, "pacs1", ["dicom"]).left(0)
    assert [one["client"] for one in left] == ["127.0.0.1", "198.51.100.50"]


def test_without_haproxy_nobody_says_that_a_node_is_idle(tmp_path):
    with pytest.raises(_haproxy.NoAnswer):
        _node_sessions.Sessions(str(tmp_path / "nothing"), "pacs1", ["dicom"]).left(0)


def test_a_node_that_is_ready_again_has_clients(served):
    _master, admin, _client = served
    (row,) = _haproxy.parse_stat(_haproxy.ask(admin, "show stat -1 4 -1", 2))
    assert row["status"] == "MAINT"
    assert _haproxy.ask(admin, "set server dicom/pacs1 state ready", 2).strip() == ""
    (row,) = _haproxy.parse_stat(_haproxy.ask(admin, "show stat -1 4 -1", 2))
    assert row["status"].startswith("UP")
