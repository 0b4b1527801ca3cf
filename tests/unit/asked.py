# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One endpoint asked as infinitt_backend_check asks it, and peers that mean no good."""

from __future__ import annotations

import time

import peers

from ansible_collections.pacs.loadbalancer.plugins.module_utils import _backend_check as backend_check
from ansible_collections.pacs.loadbalancer.plugins.module_utils._dicom import pdu, stream
from ansible_collections.pacs.loadbalancer.plugins.module_utils._failure import KINDS

TIMEOUT = 0.2
#: What a busy machine may add to a timeout.
SLACK = 0.5


def service(name="dicom", port=104, check="echo", **keys):
    return {
        "name": name,
        "port": port,
        "check": check,
        "check_path": "/",
        "check_status": "200-399",
        "called_ae": "INFINITT",
        "calling_ae": "PACSLB",
        **keys,
    }


def ask(port, check="echo", address="127.0.0.1", timeout=TIMEOUT, **keys):
    endpoints = backend_check.make_endpoints(
        [{"name": "pacs1", "address": address}], [service(port=port, check=check, **keys)]
    )
    started = time.monotonic()
    (answer,) = backend_check.ask_all(endpoints, timeout, 0, 0)
    assert time.monotonic() - started < timeout + SLACK
    return backend_check.describe(endpoints[0], answer)


def error_of(behave, check="echo", **keys):
    with peers.Server(behave) as server:
        described = ask(server.port, check, **keys)
    assert not described["reachable"]
    assert described["error"]["kind"] in KINDS
    return described["error"]["kind"], described["error"]["text"]


def silent_after_ac(over=lambda behave: behave, **keys):
    """Ask one that accepts the association and then only listens; return the kind of the failure, and what it has
    received since. ``over``: how it speaks.
    """
    received = []

    def behave(connection):
        connection.recv(65536)
        connection.sendall(AC)
        connection.recv(65536)
        received.append(connection.recv(65536))

    kind, _text = error_of(over(behave), **keys)
    peers.wait_for(lambda: received)
    return kind, received


# By what they do: how they behave, the kind of the failure, and words of its text.
AC = peers.ACCEPT
HOSTILE = {
    "silent": (peers.hang, "timeout", "timed out after 0.2 s without A-ASSOCIATE-AC"),
    "silent after AC": (peers.says(AC, then="hang"), "timeout", "without C-ECHO-RSP"),
    "slow drip": (peers.drip(AC), "timeout", "without A-ASSOCIATE-AC"),
    "drip of header": (peers.drip(b"\x02\x00\x00\x00\x40\x00" + bytes(16384)), "timeout", "without A-ASSOCIATE-AC"),
    "announces 4 GB": (peers.flood(b"\x02\x00\xff\xff\xff\xff", bytes(65536)), "malformed", "4294967295 bytes"),
    "endless zeros": (peers.flood(b"", bytes(65536)), "malformed", "another protocol"),
    "endless fragments": (
        peers.says(AC, stream.encode(pdu.PData((pdu.PDV(1, bytes(4000), last=False),))) * 50, then="hang"),
        "malformed",
        "endless",
    ),
    "closes at once": (lambda connection: None, "closed|reset", "without A-ASSOCIATE-AC"),
    "closes instead of AC": (peers.says(b""), "closed", "closed the connection without A-ASSOCIATE-AC"),
    "truncated": (peers.says(AC[:20]), "closed", "in the middle of A-ASSOCIATE-AC"),
    "resets": (peers.says(b"", then="reset"), "reset", "reset the connection without A-ASSOCIATE-AC"),
    "wrong inner length": (peers.says(AC[:76] + b"\xff" + AC[77:]), "malformed", "cut off|longer than"),
    "wrong order": (peers.says(peers.RELEASED), "wrong_pdu", "sent A-RELEASE-RP where A-ASSOCIATE-AC was expected"),
    "AC twice": (peers.says(AC, AC), "wrong_pdu", "sent A-ASSOCIATE-AC where C-ECHO-RSP was expected"),
    "aborts": (peers.says(AC, stream.encode(pdu.Abort(2, 1))), "aborted", "service-provider, unrecognized-PDU"),
    "echo fails": (
        peers.says(AC, peers.echo_response(status=0x0110)),
        "echo_status",
        "status 0110H, processing failure",
    ),
    "HTTP": (peers.http_server("400 Bad Request"), "malformed", "HTTP"),
    "TLS": (peers.says(b"\x15\x03\x03\x00\x02\x02\x28"), "malformed", "TLS"),
}

HOSTILE_HTTP = {
    "silent": (peers.hang, "timeout", "without an HTTP answer"),
    "slow drip": (peers.drip(b"HTTP/1.1 200 OK\r\nA: " + b"x" * 1000), "timeout", "without an HTTP answer"),
    "endless headers": (peers.flood(b"HTTP/1.1 200 OK\r\n", b"A: B\r\n" * 10000), "malformed", "bytes of headers"),
    "endless line": (peers.flood(b"HTTP/1.1 200 ", b"x" * 65536), "malformed", "bytes of headers"),
    "DICOM": (peers.says(stream.encode(pdu.Abort())), "malformed", "another protocol than HTTP"),
    "no status": (peers.says(b"HTTP/1.1 abc\r\n\r\n"), "malformed", "malformed HTTP status line"),
    "truncated": (peers.says(b"HTTP/1.1 200 OK\r\nA:"), "closed", "in the middle of an HTTP answer"),
    "503": (peers.http_server("503 Service Unavailable"), "http_status", "answered HTTP 503, not 200-399"),
}
