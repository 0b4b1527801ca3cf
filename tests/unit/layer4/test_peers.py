# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether another load balancer is ready to hold the VIP: asked over the loopback, and of a process that plays
Keepalived.
"""

from __future__ import annotations

import json
import os
import pathlib
import socket
import subprocess
import sys
import threading
import time

import pytest
from layer4 import _questions, keepalived, peers, system

OWN = "127.0.0.1"
READY = {"keepalived": ["BACKUP"], "haproxy": True, "fault": ""}


@pytest.mark.parametrize(
    "change, ready",
    [
        ({}, True),
        ({"keepalived": ["MASTER"]}, True),
        ({"keepalived": ["BACKUP", "MASTER"]}, True),
        ({"keepalived": ["FAULT"]}, False),
        ({"keepalived": ["BACKUP", "FAULT"]}, False),
        ({"keepalived": ["INIT"]}, False),
        ({"keepalived": []}, False),
        ({"haproxy": False}, False),
        ({"fault": "nft refuses the rules: no"}, False),
        ({"fault": None}, False),
    ],
)
def test_who_is_ready(change, ready):
    assert peers.is_ready({**READY, **change}) is ready
    assert not peers.is_ready({})


@pytest.fixture
def peer(monkeypatch):
    """Another load balancer on the loopback, its port, and what it says of itself."""
    said = {**READY}
    monkeypatch.setattr(keepalived, "states", lambda timeout: said["keepalived"])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    responder = peers.Responder()
    responder.configure("127.0.0.1", port, ["127.0.0.1"])
    ends = threading.Event()

    def serve():
        while not ends.is_set():
            if system.wait(0.05, [responder.socket]):
                responder.respond(lambda: {"haproxy": said["haproxy"], "fault": said["fault"]})

    thread = threading.Thread(target=serve)
    thread.start()
    yield responder, port, said
    ends.set()
    thread.join()
    responder.socket.close()


def test_a_peer_says_whether_it_is_ready(peer):
    _responder, port, said = peer
    assert peers.any_ready(OWN, ["127.0.0.1"], port)
    said["keepalived"] = ["FAULT"]
    time.sleep(_questions.FRESH)  # until then it gives the same answer again
    assert not peers.any_ready(OWN, ["127.0.0.1"], port)


def test_each_peer_is_told_apart(peer):
    _responder, port, said = peer
    said["haproxy"] = False
    answers = dict(peers.ask(OWN, ["127.0.0.2", "127.0.0.1"], port))
    assert list(answers) == ["127.0.0.1"] and not peers.is_ready(answers["127.0.0.1"])


def test_one_of_several_is_enough_and_whoever_is_silent_is_not_ready(peer):
    _responder, port, _said = peer
    assert peers.any_ready(OWN, ["127.0.0.2", "127.0.0.1"], port)
    began = time.monotonic()
    assert not peers.any_ready(OWN, ["127.0.0.2"], port)
    assert not peers.any_ready(OWN, [], port)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.3", 0))
        assert not peers.any_ready(OWN, ["127.0.0.3"], silent.getsockname()[1])
    assert time.monotonic() - began < 2 * peers.ASKING


def test_a_stranger_is_not_answered(peer):
    responder, port, _said = peer
    responder.configure("127.0.0.1", port, ["127.0.0.9"])
    assert not peers.any_ready(OWN, ["127.0.0.1"], port)


@pytest.mark.parametrize("answer", [READY, {**READY, "number": "0" * 16}, [], "no JSON"])
def test_an_answer_to_another_question_is_none(answer):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as liar:
        liar.bind(("127.0.0.1", 0))
        port = liar.getsockname()[1]

        def lie():
            _question, sender = liar.recvfrom(64)
            liar.sendto(answer.encode() if isinstance(answer, str) else json.dumps(answer).encode(), sender)

        thread = threading.Thread(target=lie)
        thread.start()
        assert not peers.any_ready(OWN, ["127.0.0.1"], port)
        thread.join()


def test_a_host_answers_on_an_address_that_comes_later():
    responder = peers.Responder()
    responder.configure("198.51.100.11", 10240, ["198.51.100.12"])
    assert responder.socket and responder.socket.getsockname() == ("198.51.100.11", 10240)
    responder.configure("198.51.100.11", 10240, ["198.51.100.13"])
    assert responder.socket.getsockname() == ("198.51.100.11", 10240)
    responder.configure("198.51.100.11", 10240, [])
    assert responder.socket is None, "a load balancer that is alone now"


def test_a_single_load_balancer_listens_to_nobody():
    responder = peers.Responder()
    responder.configure("198.51.100.11", 10240, [])
    assert responder.socket is None


# --- Keepalived -------------------------------------------------------------------------------------------------------

FAKE = """
import os, select, signal, sys
path, text = sys.argv[1:]
def write(*_):
    # As Keepalived does: another file, renamed, then filled.
    with open(path + "XXXXXX", "w") as file:
        os.rename(path + "XXXXXX", path)
        file.write(text[:20]); file.flush()
        select.select([], [], [], 0.05)
        file.write(text[20:])
signal.signal(signal.SIGRTMIN + 2, write)
print("ready", flush=True)
while True:
    signal.pause()
"""


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """Starts a process called keepalived, whose instances are in these states."""
    program, processes = tmp_path / "keepalived", []
    program.symlink_to(os.path.realpath(sys.executable))
    monkeypatch.setattr(keepalived, "PID", tmp_path / "pid")
    monkeypatch.setattr(keepalived, "DUMP", str(tmp_path / "keepalived.json"))

    def start(*states, version2=False):
        instances = [{"data": {"iname": "vip", "state": state}, "stats": {}} for state in states]
        text = json.dumps({"json_version": 2, "vrrp": instances} if version2 else instances)
        command = [str(program), "-c", FAKE, str(tmp_path / "keepalived.json"), text]
        processes.append(subprocess.Popen(command, stdout=subprocess.PIPE))
        assert processes[-1].stdout.readline() == b"ready\n"
        (tmp_path / "pid").write_text(f"{processes[-1].pid}\n")
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.mark.parametrize("version2", [False, True])
def test_keepalived_says_the_state_of_each_instance(fake, version2):
    fake(1, 2, 3, 98, version2=version2)
    assert keepalived.states(2) == ["BACKUP", "MASTER", "FAULT", "UNKNOWN"]
    assert keepalived.states(2) == ["BACKUP", "MASTER", "FAULT", "UNKNOWN"]


def test_a_keepalived_that_hangs_or_is_gone_has_no_state(fake):
    process = fake(1)
    assert keepalived.states(2) == ["BACKUP"]
    process.send_signal(19)
    assert keepalived.states(0.2) == [], "what it wrote before is no answer"
    process.kill()
    process.wait()
    assert keepalived.states(0.2) == []


def test_a_pid_file_that_names_another_process(fake):
    fake(1)
    keepalived.PID.write_text(f"{os.getpid()}\n")
    assert keepalived.states(0.2) == []
    keepalived.PID.write_text("no number\n")
    assert keepalived.states(0.2) == []


def test_what_somebody_planted_is_not_read(tmp_path):
    (tmp_path / "secret").write_text("[]")
    (tmp_path / "link").symlink_to(tmp_path / "secret")
    os.mkfifo(tmp_path / "pipe")
    assert keepalived.read(str(tmp_path / "secret"))
    for name in ("link", "pipe", "none"):
        assert keepalived.read(str(tmp_path / name)) is None
    assert pathlib.Path(tmp_path / "link").exists()
