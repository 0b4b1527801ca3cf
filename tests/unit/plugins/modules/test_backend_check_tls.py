# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""infinitt_backend_check over TLS: what it believes, what it says of a certificate, and peers that mean no good."""

from __future__ import annotations

import re
import ssl
import time

import peers
import pytest
from asked import HOSTILE, HOSTILE_HTTP, TIMEOUT, ask, error_of, service, silent_after_ac
from pki import MIDDLE, NAME, OTHER, ROOT, SELF_SIGNED, WEB

from ansible_collections.pacs.loadbalancer.plugins.module_utils import _backend_check as backend_check
from ansible_collections.pacs.loadbalancer.plugins.module_utils._dicom import pdu, stream
from ansible_collections.pacs.loadbalancer.plugins.modules import infinitt_backend_check

PATIENT = 3


@pytest.fixture
def over_tls(tmp_path):
    """over_tls(behave, issued): what behaves so once TLS is spoken, with this certificate."""

    def make(behave, issued=WEB, **settings):
        context = issued.served(tmp_path)
        context.num_tickets = 2
        for name, value in settings.items():
            if name == "ciphers":
                context.set_ciphers(value)
            else:
                setattr(context, name, value)

        return peers.over_tls(behave, context)

    return make


def tls(**keys):
    return {"ca": ROOT.pem, "name": NAME, "fingerprints": [], "verify": True, **keys}


ANSWERS = {
    "echo": peers.verification_scp,
    "associate": peers.verification_scp,
    "http": peers.http_server(),
    "tcp": peers.hang,
}


@pytest.mark.parametrize("check", ANSWERS)
def test_it_asks_over_tls_as_it_does_without(over_tls, check):
    with peers.Server(over_tls(ANSWERS[check])) as server:
        described = ask(server.port, check, timeout=PATIENT, tls=tls())
    assert described["error"] is None and list(described["latency_ms"])[:2] == ["connect", "tls"]
    assert described["certificate"]["names"][0] == NAME and described["certificate"]["sha256"] == WEB.sha256
    assert described["certificate"]["days_left"] == 89 and described["note"] is None


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_either_version(over_tls, version):
    with peers.Server(over_tls(peers.verification_scp, minimum_version=version, maximum_version=version)) as server:
        assert ask(server.port, timeout=PATIENT, tls=tls())["error"] is None


BELIEVED = [
    {"name": ""},
    {"name": "a.pacs.example.org"},
    {"name": "198.51.100.10"},
    {"ca": OTHER.pem + ROOT.pem},
    {"ca": "", "fingerprints": [WEB.sha256]},
    {"ca": "", "fingerprints": ["0" * 64, ":".join(WEB.sha256.upper()[i : i + 2] for i in range(0, 64, 2))]},
    {"fingerprints": [WEB.sha256]},
    {"ca": "", "verify": False, "name": "anything.example.org"},
]


@pytest.mark.parametrize("trust", BELIEVED)
def test_what_is_believed(over_tls, trust):
    with peers.Server(over_tls(peers.verification_scp)) as server:
        assert ask(server.port, timeout=PATIENT, tls=tls(**trust))["error"] is None


@pytest.mark.parametrize("names, words", [({"tls_name": "ris.example.org"}, "not for ris.example.org"), ({}, None)])
def test_each_node_has_a_name_of_its_own_where_the_service_has_none(over_tls, names, words):
    with peers.Server(over_tls(peers.verification_scp)) as server:
        node = {"name": "pacs1", "address": "127.0.0.1", **names}
        asked = service(port=server.port, tls=tls(name="")), service(port=server.port, tls=tls())
        endpoints = backend_check.make_endpoints([node], list(asked))
        own, common = (answer.failure for answer in backend_check.ask_all(endpoints, PATIENT, 0, 0))
    assert common is None and (words in own.text if words else own is None)


EXPIRED, EARLY = (MIDDLE.issue(NAME, NAME, days=days, starts=starts) for days, starts in ((-3, -9), (9, 3)))
NOT_BELIEVED = {
    "another name": (WEB, {"name": "pacs1.example.org"}, f"for {NAME}, \\*.{NAME}, 198.51.100.10, not for pacs1.exam"),
    "no such address": (WEB, {"name": "198.51.100.11"}, "not for 198.51.100.11"),
    "another CA": (OTHER.issue(NAME, NAME), {}, "not of a known CA \\(unable to get local issuer certificate\\)"),
    "no CA of this host": (WEB, {"ca": ""}, "not of a known CA"),
    "self-signed": (SELF_SIGNED, {"name": "pacs1.example.org"}, "not of a known CA \\(self-signed certificate\\)"),
    "another one of the CA": (WEB, {"fingerprints": [SELF_SIGNED.sha256]}, f"than expected \\(SHA-256 {WEB.sha256}\\)"),
    "another CA, by its fingerprint": (WEB, {"ca": OTHER.pem, "fingerprints": [WEB.sha256]}, "not of a known CA"),
    "another one": (WEB, {"ca": "", "fingerprints": [SELF_SIGNED.sha256]}, f"than expected \\(SHA-256 {WEB.sha256}\\)"),
    "expired": (EXPIRED, {}, "has a certificate that has expired$"),
    "expired, by its fingerprint": (EXPIRED, {"ca": "", "fingerprints": [EXPIRED.sha256]}, "that expired 3 days ago$"),
    "too early": (EARLY, {}, "has a certificate that is not valid yet"),
}


@pytest.mark.parametrize("issued, trust, words", NOT_BELIEVED.values(), ids=NOT_BELIEVED)
def test_what_is_not_believed_is_said(over_tls, issued, trust, words):
    kind, text = error_of(over_tls(peers.verification_scp, issued), timeout=PATIENT, tls=tls(**trust))
    assert kind == "certificate"

    assert re.search(words, text), text


@pytest.mark.parametrize("days, words", [(32, None), (13, "in 12 days"), (2, "in 1 day"), (1, "today")])
def test_the_days_left_are_said_in_words(over_tls, days, words):
    with peers.Server(over_tls(peers.verification_scp, MIDDLE.issue(NAME, NAME, days=days))) as server:
        described = ask(server.port, timeout=PATIENT, tls=tls())
    assert described["note"] == (words and f"has a certificate that expires {words}")


# --- peers that mean no good ------------------------------------------------------------------------------------------

RECORD = b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc\x03\x03"
BEFORE_TLS = {
    "silent": (peers.hang, "timeout", "timed out after 0.2 s without a TLS handshake"),
    "closes": (peers.says(b""), "closed", "closed the connection without a TLS handshake"),
    "resets": (peers.says(b"", then="reset"), "reset", "reset the connection without a TLS handshake"),
    "slow drip": (peers.drip(RECORD + bytes(16000)), "timeout", "without a TLS handshake"),
    "HTTP": (peers.http_server("400 Bad Request"), "tls", "does not speak TLS"),
    "DICOM": (peers.says(stream.encode(pdu.Abort())), "tls", "does not speak TLS"),
    "endless zeros": (peers.flood(b"", bytes(65536)), "tls", "does not speak TLS|failed the TLS handshake"),
    "endless records": (peers.flood(b"", RECORD + bytes(16373)), "tls", "failed the TLS handshake"),
    "an alert": (peers.says(b"\x15\x03\x03\x00\x02\x02\x28"), "tls", "refused the TLS handshake"),
    "another name": (peers.says(b"\x15\x03\x03\x00\x02\x02\x70"), "tls", "does not know the name"),
    "old": (peers.says(b"\x15\x03\x01\x00\x02\x02\x46"), "tls", "speaks no TLS of version 1.2 or later"),
}


@pytest.mark.parametrize("check", ["tcp", "http", "echo"])
@pytest.mark.parametrize("behave, expected, words", BEFORE_TLS.values(), ids=BEFORE_TLS)
def test_a_hostile_peer_costs_at_most_the_timeout(behave, expected, words, check):

    kind, text = error_of(behave, check, tls=tls())
    assert kind == expected and re.search(words, text), (kind, text)


WITHIN = {
    f"{check}: {name}": (check, *peer)
    for check, of in (("echo", HOSTILE), ("http", HOSTILE_HTTP))
    for name, peer in of.items()
}


@pytest.mark.parametrize("check, behave, expected, words", WITHIN.values(), ids=WITHIN)
def test_a_hostile_peer_within_tls_costs_at_most_the_timeout(over_tls, check, behave, expected, words):

    timeout = 1.0
    kind, text = error_of(over_tls(behave), check, timeout=timeout, tls=tls())
    # What is sent over TLS and what is left unread when it closes come out alike.
    assert re.fullmatch(expected + "|closed|reset", kind), (kind, text)
    if kind == expected:
        assert re.search(words.replace("after 0.2 s", "after 1 s"), text)


def test_one_that_requires_a_certificate_of_clients(over_tls):
    settings = {"verify_mode": ssl.CERT_REQUIRED}
    kind, text = error_of(over_tls(peers.verification_scp, **settings), timeout=PATIENT, tls=tls())
    assert (kind, text) == ("tls", "requires a client certificate")


def test_an_association_that_goes_wrong_is_aborted_over_tls_too(over_tls):
    assert silent_after_ac(over_tls, timeout=1, tls=tls()) == ("timeout", [stream.encode(pdu.Abort())])


def test_many_that_hang_cost_one_timeout():
    with peers.Server(peers.hang) as server:
        nodes = [{"name": f"pacs{number}", "address": "127.0.0.1"} for number in range(40)]
        endpoints = backend_check.make_endpoints(nodes, [service(port=server.port, tls=tls())])
        began = time.monotonic()
        backend_check.ask_all(endpoints, TIMEOUT, 0, 0)
        assert time.monotonic() - began < TIMEOUT + 2


# --- the module -------------------------------------------------------------------------------------------------------


def test_the_module_says_it_in_one_sentence(over_tls, capsys):
    with peers.Server(over_tls(peers.http_server())) as server:
        asked = {
            "name": "web",
            "port": server.port,
            "check": "http",
            "tls": {"ca": ROOT.pem, "name": "ris.example.org"},
        }
        code, result = peers.run_module(
            infinitt_backend_check, capsys, nodes=[{"name": "pacs1", "address": "127.0.0.1"}], services=[asked]
        )
    assert code == 1 and "web on pacs1" in result["msg"] and f"has a certificate for {NAME}," in result["msg"]


@pytest.mark.parametrize(
    "wrong, words",
    [
        ({"ca": "/nowhere"}, "the ca /nowhere cannot be read (no such file"),
        ({"fingerprints": ["ab"]}, "the fingerprint 'ab' must"),
    ],
)
def test_what_cannot_be_is_one_sentence(capsys, wrong, words):
    asked = {"name": "web", "port": 443, "check": "http", "tls": wrong}
    nodes = [{"name": "pacs1", "address": "127.0.0.1"}]
    code, result = peers.run_module(infinitt_backend_check, capsys, nodes=nodes, services=[asked])
    assert code == 1 and result["msg"].lower().startswith(f"service web: {words}".lower())
