# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Nothing secret and no patient passes, and what helps does."""

from __future__ import annotations

import json

import pytest
from rendering import REPOSITORY

from ansible_collections.pacs.loadbalancer.plugins.module_utils import _masking

GOLDEN = REPOSITORY / "tests/unit/golden"
KEY = "-----BEGIN PRIVATE KEY-----\nCANARYCANARYCANARY\nCANARY==\n-----END PRIVATE KEY-----"
WIREGUARD = "CANARYmM1N1J1L4bXyR2DqH3nP6wV8sT0uK5jG7fE9c="


@pytest.mark.parametrize(
    "written",
    [
        "    stats auth 'stats:CANARY'",
        "    stats  auth stats:CANARY",
        "    user ops insecure-password CANARY",
        "    user ops password $5$CANARY",
        "    auth_pass CANARY",
        'password: "two words CANARY"',
        "TOKEN=CANARY",
        "--api-key=CANARY",
        "Cookie: JSESSIONID=abc; other=CANARY",
        "set-cookie: PACSNODE=CANARY; path=/",
        "Authorization: Basic CANARY",
        "http-check send hdr Authorization: Bearer CANARY",
        "https://ops:CANARY@pacs.example.org/x",
        "http-check send meth HEAD uri /health?key=CANARY ver HTTP/1.1",
        "see https://pacs.example.org/wado?a=1&patientName='CANARY",
        KEY,
        KEY[:60],
        KEY.replace("PRIVATE", "EC PRIVATE"),
        f"a {WIREGUARD} b",
    ],
)
@pytest.mark.parametrize("mask", [_masking.text, _masking.log, _masking.data])
def test_a_secret_does_not_pass(mask, written):
    masked = mask(f"before\n{written}\nafter", {})
    assert "CANARY" not in masked and "before" in masked


def test_a_known_password_passes_nowhere():
    known = dict.fromkeys(_masking.passwords("    stats auth 'stats:ca:nary'\n"), _masking.MASK)
    assert known == {"ca:nary": _masking.MASK}
    assert _masking.text("curl said ca:nary twice, ca:nary", known) == "curl said (masked) twice, (masked)"
    assert _masking.log('x "calling_ae":"ca:nary"', known) == 'x "calling_ae":"(masked)"'
    assert json.loads(_masking.data('{"ca:nary": ["ca:nary"]}', known)) == {"(masked)": ["(masked)"]}
    # Where it is part of every word its absence would tell it.
    assert _masking.text("stats", {"s": _masking.MASK}) == "stats"


def test_what_helps_stays():
    lines = (
        '{"time":"2026-11-24T16:43:29.651Z","node":"pacs2","calling_ae":"CT/1?","called_ae":"INF","ended":"closed"}\n'
        "Server web/pacs2 is DOWN, reason: Layer4 timeout, check duration: 1501ms. 1 active server left.\n"
        "[1764061409] [DESTROY] tcp src=198.51.100.50 dst=198.51.100.10 sport=40314 dport=104\n"
    )
    assert _masking.log(lines, {}) == lines
    configuration = (
        f"    description {'0123456789abcdef' * 4}\n    cookie PACSNODE insert indirect nocache httponly\n"
        f"    tcp-check send-binary {'0A' * 100}\n"
        "    bind 198.51.100.10:443 ssl crt /etc/haproxy/tls/web-1f2e3d4c5b6a7f8e.pem ssl-min-ver TLSv1.2\n"
        "    http-check send meth HEAD uri /health ver HTTP/1.1 hdr Host pacs hdr Connection close\n"
    )
    assert _masking.text(configuration, {}) == configuration


def test_json_is_masked_by_its_keys_and_stays_json():
    written = {
        "stats_password": "CANARY",
        "secret": ["/etc/haproxy/haproxy.cfg"],
        "on_event": ["/usr/local/sbin/tell", "--to", "CANARY"],
        "ca": KEY,
        "port": 104,
        "none": None,
    }
    found = json.loads(_masking.data(json.dumps(written), {}))
    assert "CANARY" not in json.dumps(found)
    assert found["secret"] == ["/etc/haproxy/haproxy.cfg"] and found["on_event"][0] == "/usr/local/sbin/tell"
    assert (found["port"], found["none"], found["stats_password"]) == (104, None, _masking.MASK)


@pytest.mark.parametrize("path", sorted(GOLDEN.rglob("*.*")), ids=lambda path: str(path.relative_to(GOLDEN)))
def test_of_our_own_configurations_nothing_is_missing(path):
    written = path.read_text()
    assert _masking.text(written, {}) == written
