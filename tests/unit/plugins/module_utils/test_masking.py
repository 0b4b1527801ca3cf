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
        '198.51.100.9:1 [26/Nov/2026] web web/pacs1 0/0/1/2/3 200 1 ---- "GET /studies/1.2.CANARY/series HTTP/1.1"',
        "web web/pacs1 200 1 ---- 1/1/0/0/0 POST /CANARY",
        "DELETE https://pacs.example.org/dicom-web/studies/CANARY HTTP/2.0",
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


def test_of_a_request_all_but_its_path_stays():
    line = 'web web/pacs1 0/0/1/2/3 200 1532 - - ---- 1/1/0/0/0 0/0 "GET %s HTTP/1.1"'
    for path in ("/studies/1.2.3", "/wado?study=1.2.3", "/1.2.3"):
        assert _masking.log(line % path, {}) == line % "/(masked)"


SETTINGS = {
    "webhook": {"url": "https://chat.example.org/CANARY-3", "header": 'X-Key: "CANARY-4', "ca_file": "/etc/ssl/ca.pem"},
    "mail": {"server": "mail.example.org", "user": "pacs", "password": "CANARY-1"},
    "command": ["/usr/local/sbin/tell", "CANARY-2"],
    "study": "PatientID=CANARY-5",
    "worklist": "PatientName=CANARY-6",
    "every": 300,
}


def test_settings_are_masked_in_their_file_and_wherever_they_are_said():
    written = json.dumps(SETTINGS, indent=4)
    known = dict.fromkeys(_masking.settings(written), _masking.MASK)
    found = json.loads(_masking.data(written, known))
    assert "CANARY" not in json.dumps(found)
    assert (found["every"], found["command"][0]) == (300, "/usr/local/sbin/tell")
    assert (found["webhook"]["ca_file"], found["mail"]["server"]) == ("/etc/ssl/ca.pem", "mail.example.org")
    for its in (SETTINGS["webhook"]["url"], SETTINGS["webhook"]["header"], SETTINGS["study"]):
        assert "CANARY" not in _masking.log(f"it said {its} to me", known)


def test_settings_that_somebody_has_broken_by_hand_are_masked_too():
    written = json.dumps({**SETTINGS, "command": []}, indent=4)[:-2]
    assert "CANARY" not in _masking.data(written, dict.fromkeys(_masking.settings(written), _masking.MASK))


def test_what_helps_stays():
    lines = (
        '{"time":"2026-11-24T16:43:29.651Z","node":"pacs2","calling_ae":"CT/1?","called_ae":"INF","ended":"closed"}\n'
        'web web/pacs1 0/0/1/2/3 200 1532 - - ---- 1/1/0/0/0 0/0 "GET / HTTP/1.1"\n'
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
