# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The syslog servers that get the records: what a user writes, and the one sentence that each mistake gets."""

from __future__ import annotations

import pytest
from factories import build
from pki import Issued

CA = Issued("Hospital CA", ca=True)
ON_HOSTS = {"on_hosts": "/etc/ssl/certs/hospital-ca.pem"}
SERVER = {"server": "syslog.example.org", "ca": ON_HOSTS}
WRONG = {
    "no mapping": ("syslog.example.org", "infinitt_records is 'syslog.example.org', which is not a mapping"),
    "key": ({"syslogs": []}, "infinitt_records.syslogs is not a known key; did you mean syslog"),
    "no list": ({"syslog": SERVER}, "infinitt_records.syslog is {"),
    "no server": ({"syslog": [{"ca": ON_HOSTS}]}, "infinitt_records.syslog[0] has no server; give server, and ca"),
    "no ca": ({"syslog": [{"server": "siem"}]}, "infinitt_records.syslog[0] has no ca; give server, and ca"),
    "its key": ({"syslog": [{**SERVER, "tls": True}]}, "infinitt_records.syslog[0].tls is not a known key"),
    "port": ({"syslog": [{**SERVER, "port": 0}]}, "infinitt_records.syslog[0].port is 0, which is out of range"),
    "quote": ({"syslog": [{**SERVER, "server": 'a" x="'}]}, "infinitt_records.syslog[0].server is 'a\" x=\"'"),
    "address": (
        {"syslog": [{**SERVER, "server": "198.51.100.60"}]},
        "infinitt_records.syslog[0] has the server 198.51.100.60 and no name; give a name that its certificate has",
    ),
    "twice": (
        {"syslog": [SERVER, SERVER]},
        "infinitt_records.syslog[1] repeats syslog.example.org, port 6514; give every server once",
    ),
    "no file": ({"syslog": [{**SERVER, "ca": "/nowhere.pem"}]}, "infinitt_records.syslog[0].ca is /nowhere.pem, which"),
}


@pytest.mark.parametrize("written, sentence", WRONG.values(), ids=WRONG)
def test_each_mistake_is_one_sentence(written, sentence):
    problems = build(infinitt_records=written).problems
    assert problems and problems[0].startswith(sentence), problems


def test_what_is_written_is_completed():
    site = build(
        infinitt_records={"syslog": [SERVER, {"server": "2001:db8::5", "name": "siem", "ca": CA.pem, "relp": "yes"}]}
    )
    assert site.problems == []
    first, second = site.syslog
    assert first == {
        "server": "syslog.example.org",
        "port": 6514,
        "relp": False,
        "ca": "",
        "ca_file": ON_HOSTS["on_hosts"],
        "name": "syslog.example.org",
    }
    assert (second["name"], second["relp"], second["ca_file"]) == ("siem", True, "")
    assert second["ca"].startswith("-----BEGIN CERTIFICATE-----")


@pytest.mark.parametrize("written", [None, "", {}, {"syslog": []}])
def test_nobody_gets_them(written):
    site = build(infinitt_records=written)
    assert (site.problems, site.syslog) == ([], [])
