# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import csv
import os
import select
import shutil
import socket
import subprocess

import peers
import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.pacs.loadbalancer.plugins.filter.dicom_check import dicom_check
from ansible_collections.pacs.loadbalancer.plugins.module_utils._dicom import dimse, pdu, stream


def pdus(step):
    decoder = stream.Decoder()
    decoder.feed(bytes.fromhex(step["send"]))
    return decoder.next_pdu()


def test_the_steps_are_what_the_codec_says():
    associate, echo, release = dicom_check({"check": "echo", "called_ae": "PACS", "calling_ae": "LB", "port": 104})
    assert pdus(associate) == pdu.AssociateRQ("PACS", "LB")
    assert dimse.decode_command(pdus(echo).values[0].data) == dimse.EchoRQ(1)
    assert pdus(release) == pdu.ReleaseRQ()
    assert associate["expect"] == "min-recv 10 rbinary ^02"
    assert echo["expect"] == "rbinary ^04.*00000009020000000000"
    assert release["expect"] is None


def test_associate_takes_a_busy_node_for_one_that_answers():
    associate, release = dicom_check({"check": "associate"})
    assert pdus(associate) == pdu.AssociateRQ("INFINITT", "PACSLB")
    assert associate["expect"] == "min-recv 10 rbinary ^(02|030000000004000203)"
    assert pdus(release) == pdu.ReleaseRQ()


@pytest.mark.parametrize(
    ("service", "words"),
    [
        ({"check": "tcp"}, "check is 'tcp': it must be associate or echo"),
        ({}, "check is None"),
        ({"check": "echo", "called_ae": "A" * 17}, "called_ae is 'AAAAAAAAAAAAAAAAA' (17 characters)"),
    ],
)
def test_what_cannot_be_is_refused_with_a_sentence(service, words):
    with pytest.raises(AnsibleFilterError) as error:
        dicom_check(service)
    assert words in str(error.value)


def haproxy_judges(tmp_path, kind, servers):
    """The status that a running HAProxy gives each of the servers (name: port), once checked."""
    stats = f"{tmp_path}/{kind}"
    lines = ["global", f" stats socket {stats}", "defaults", " mode tcp", " timeout connect 1s", " timeout server 1s"]
    lines += [" timeout check 600ms", "backend b", " option tcp-check", " tcp-check connect linger"]
    for step in dicom_check({"check": kind}):
        lines.append(f" tcp-check send-binary {step['send']}")
        if step["expect"]:
            lines.append(f" tcp-check expect {step['expect']}")
    lines += [f" server {name} 127.0.0.1:{port} check inter 50ms fall 1 rise 1" for name, port in servers.items()]
    config = tmp_path / "haproxy.cfg"
    config.write_text("\n".join([*lines, ""]))

    def statuses():
        with socket.socket(socket.AF_UNIX) as asked:
            try:
                asked.connect(stats)
            except (FileNotFoundError, ConnectionRefusedError):  # it is still starting
                return {}
            asked.sendall(b"show stat -1 4 -1\n")
            answer = b"".join(iter(lambda: asked.recv(65536), b"")).decode()
        rows = csv.DictReader(answer.removeprefix("# ").splitlines())
        return {row["svname"]: (row["status"], row["check_status"].lstrip("* ")) for row in rows}

    haproxy = shutil.which("haproxy", path=f"{os.environ['PATH']}:/usr/sbin")
    with subprocess.Popen([haproxy, "-db", "-f", config], stderr=subprocess.DEVNULL) as running:
        try:
            peers.wait_for(
                lambda: (
                    len(statuses()) == len(servers)
                    and all(check not in ("", "INI") for _status, check in statuses().values())
                )
            )
            return {name: status for name, (status, _check) in statuses().items()}
        finally:
            running.terminate()


def test_haproxy_closes_and_does_not_reset(tmp_path):
    """A peer that reads the release a little late would log a reset."""
    read = []

    def behave(connection):
        connection.recv(65536)
        connection.sendall(peers.ACCEPT)
        select.select([], [], [], 0.05)
        try:
            read.append((connection.recv(65536), connection.recv(65536)))
        except ConnectionResetError as error:
            read.append(error)

    with peers.Server(behave) as server:
        assert haproxy_judges(tmp_path, "associate", {"slow": server.port}) == {"slow": "UP"}
        peers.wait_for(lambda: read)
    assert read[0] == (stream.encode(pdu.ReleaseRQ()), b"")


def test_haproxy_tells_good_peers_from_bad_ones(tmp_path):
    answers = {
        "good": peers.verification_scp,
        "busy": peers.says(stream.encode(pdu.AssociateRJ(2, 3, 2))),
        "refusing": peers.says(stream.encode(pdu.AssociateRJ(1, 1, 7))),
        "failing": peers.says(peers.ACCEPT, peers.echo_response(status=0x0110), then="hang"),
        "aborting": peers.says(peers.ACCEPT, stream.encode(pdu.Abort())),
        "hung": peers.hang,
        "http": peers.http_server("400 Bad Request"),
    }
    servers = {name: peers.Server(behave) for name, behave in answers.items()}
    try:
        ports = {name: server.port for name, server in servers.items()}
        echo = haproxy_judges(tmp_path, "echo", ports)
        associate = haproxy_judges(tmp_path, "associate", ports)
    finally:
        for server in servers.values():
            server.close()
    assert {name for name, status in echo.items() if status == "UP"} == {"good"}
    assert {name for name, status in associate.items() if status == "UP"} == {"good", "busy", "failing", "aborting"}
