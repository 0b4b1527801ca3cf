# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Servers on loopback, from well-behaved to hostile, for the tests of what asks them."""

from __future__ import annotations

import contextlib
import json
import select
import socket
import struct
import threading
import time
from unittest import mock

import pytest
from ansible.module_utils import basic

from ansible_collections.pacs.loadbalancer.plugins.module_utils._dicom import dimse, pdu, stream

try:
    from ansible.module_utils.testing import patch_module_args
except ImportError:  # before ansible-core 2.18

    def patch_module_args(params):
        given = json.dumps({"ANSIBLE_MODULE_ARGS": params}).encode()
        return mock.patch.object(basic, "_ANSIBLE_ARGS", given)


ACCEPT = stream.encode(pdu.AssociateAC())
RELEASED = stream.encode(pdu.ReleaseRP())


def echo_response(message_id=1, status=0, context_id=1):
    message = dimse.EchoRSP(message_id, status).encode()
    return stream.encode(pdu.PData((pdu.PDV(context_id, message),)))


class Server:
    """Accepts on loopback and lets behave(connection) talk, a thread for each connection."""

    def __init__(self, behave, host="127.0.0.1", port=0):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, port), family=family, backlog=512)
        self.port = self._listener.getsockname()[1]
        self.connections = 0
        self._behave = behave
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self):
        while not self._closing.is_set():
            if not select.select([self._listener], [], [], 0.01)[0]:
                continue
            connection, _peer = self._listener.accept()
            self.connections += 1
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection):
        # What is served has often hung up on us by the time we answer.
        with connection, contextlib.suppress(OSError):
            self._behave(connection)

    def close(self):
        self._closing.set()
        self._thread.join()
        self._listener.close()

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        self.close()


def over_tls(behave, context):
    """What behaves so once TLS is spoken, by the context of a server."""

    def talk(connection):
        with context.wrap_socket(connection, server_side=True) as wrapped:
            behave(wrapped)

    return talk


def says(*answers, then="close"):
    """Gives the next of the answers each time that something has come; then close, hang or reset."""

    def behave(connection):
        for answer in answers:
            if not connection.recv(65536):
                return
            connection.sendall(answer)
        if then == "hang":
            hang(connection)
        elif then == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    return behave


def hang(connection):
    """Reads for as long as the other side stays, and never answers."""
    while connection.recv(65536):
        pass


def drip(data, pause=0.02):
    """Gives data for ever, one byte after another."""

    def behave(connection):
        connection.recv(65536)
        while True:
            for byte in data:
                connection.sendall(bytes((byte,)))
                if select.select([connection], [], [], pause)[0]:
                    return

    return behave


def flood(first, chunk):
    """Gives first, then chunk for ever, as fast as it is taken."""

    def behave(connection):
        connection.recv(65536)
        connection.sendall(first)
        while True:
            connection.sendall(chunk)

    return behave


def verification_scp(connection, before_echo=lambda number: None):
    """A correct Verification SCP; before_echo is called before each C-ECHO-RSP."""
    decoder = stream.Decoder()
    number = 0
    while True:
        data = connection.recv(65536)
        if not data:
            return
        decoder.feed(data)
        while (received := decoder.next_pdu()) is not None:
            if isinstance(received, pdu.AssociateRQ):
                connection.sendall(ACCEPT)
            elif isinstance(received, pdu.PData):
                number += 1
                before_echo(number)
                request = dimse.decode_command(received.values[0].data)
                connection.sendall(echo_response(request.message_id))
            elif isinstance(received, pdu.ReleaseRQ):
                connection.sendall(RELEASED)
                return


def http_server(status="200 OK", headers=""):
    return says(f"HTTP/1.1 {status}\r\n{headers}Connection: close\r\n\r\n".encode())


def free_port():
    """A port on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def wait_for(condition, seconds=5):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        select.select([], [], [], 0.01)


def run_module(module, capsys, **params):
    """Run a module's main() in this process; returns (exit code, result)."""
    with patch_module_args(params), pytest.raises(SystemExit) as stopped:
        module.main()
    return stopped.value.code, json.loads(capsys.readouterr().out)
