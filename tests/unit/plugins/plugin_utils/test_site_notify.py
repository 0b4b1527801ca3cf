# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who is told: what a user wrote in, what the program on the load balancers takes out."""

from __future__ import annotations

import pytest
from factories import build, hosts
from loadbalancer import channels
from pki import MIDDLE, ROOT

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.notify import read
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.output import as_dict
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.problems import Problems

SECRET = "canary-7f3a"
WEBHOOK = {"url": f"https://chat.example.org/{SECRET}", "header": f"Authorization: Bearer {SECRET}"}
MAIL = {"server": "mail.example.org", "from": "pacs@example.org", "to": "ops@example.org, night@example.org"}
FILES = {"/ca.pem": ROOT.pem + MIDDLE.pem, "/key.pem": ROOT.key}


def told(written):
    problems = Problems()
    found = read(problems, written, FILES.__getitem__)
    assert problems.sentences == []
    return found


def test_what_is_not_written_has_a_default():
    assert told({"mail": {**MAIL, "to": ["ops@example.org"]}, "webhook": WEBHOOK}) == {
        "mail": {**MAIL, "to": ["ops@example.org"], "port": 25, "starttls": False},
        "webhook": WEBHOOK,
    }


def test_strings_are_as_good_as_numbers_and_lists():
    its = told({"mail": {**MAIL, "port": " 587", "starttls": "yes", "user": "pacs", "password": SECRET}})["mail"]
    assert (its["port"], its["starttls"], its["to"]) == (587, True, ["ops@example.org", "night@example.org"])


@pytest.mark.parametrize("blank", [None, "", {}])
def test_nobody_is_told_where_nothing_is_written(blank):
    assert told(blank) == {} and (blank == {} or told({"mail": blank, "webhook": blank}) == {})


def test_a_ca_is_sent_along_or_is_a_file_of_the_hosts():
    for ca in (FILES["/ca.pem"], "/ca.pem"):
        its = told({"webhook": {**WEBHOOK, "ca": ca}})["webhook"]
        assert its["ca"] == FILES["/ca.pem"] and channels._trust(its).cert_store_stats()["x509_ca"] == 2
    its = told({"webhook": {**WEBHOOK, "ca": {"on_hosts": "/etc/ssl/ca.pem"}}})["webhook"]
    assert its == {**WEBHOOK, "ca_file": "/etc/ssl/ca.pem"}


LOGIN = {"user": "pacs", "password": SECRET}
WRONG = {
    "no mapping": (SECRET, "infinitt_notify is not a mapping; give webhook, mail or both."),
    "channel": ({"sms": {"to": SECRET}}, "infinitt_notify.sms is not a known key; the known names are webhook, mail."),
    "webhook as a string": ({"webhook": WEBHOOK["url"]}, "infinitt_notify.webhook is not a mapping; give keys such as"),
    "no url": ({"webhook": {"header": WEBHOOK["header"]}}, "infinitt_notify.webhook has no url; give url."),
    "key": ({"webhook": {**WEBHOOK, "urls": SECRET}}, "infinitt_notify.webhook.urls is not a known key; did you mean"),
    "url": ({"webhook": {"url": f"ftp://{SECRET}"}}, "infinitt_notify.webhook.url is not valid; give a URL such as"),
    "url with a login": ({"webhook": {"url": f"https://me:{SECRET}@chat"}}, "infinitt_notify.webhook.url is not valid"),
    "header": (
        {"webhook": {**WEBHOOK, "header": SECRET}},
        "infinitt_notify.webhook.header is not valid; give a header",
    ),
    "two headers": (
        {"webhook": {**WEBHOOK, "header": f"X-Key: {SECRET}\r\nX-More: 1"}},
        "infinitt_notify.webhook.header is not valid",
    ),
    "secret in the clear": (
        {"webhook": {**WEBHOOK, "url": "http://chat"}},
        "infinitt_notify.webhook.header is given, and nothing is encrypted; give an https URL, or leave it out.",
    ),
    "ca": ({"webhook": {**WEBHOOK, "ca": SECRET}}, "infinitt_notify.webhook.ca is neither PEM nor a path"),
    "ca that is a key": (
        {"webhook": {**WEBHOOK, "ca": "/key.pem"}},
        "infinitt_notify.webhook.ca has no certificate",
    ),
    "no server": ({"mail": {"from": "a@b.c", "to": "a@b.c"}}, "infinitt_notify.mail has no server; give server and"),
    "nobody": ({"mail": {**MAIL, "to": []}}, "infinitt_notify.mail.to is not valid; give the address of a mailbox"),
    "mailbox": ({"mail": {**MAIL, "to": SECRET}}, "infinitt_notify.mail.to is not valid; give the address of a"),
    "sender": ({"mail": {**MAIL, "from": "a@b\nBcc: c@d.e"}}, "infinitt_notify.mail.from is not valid"),
    "port": ({"mail": {**MAIL, "port": 0}}, "infinitt_notify.mail.port is 0, which is out of range"),
    "password in the clear": (
        {"mail": {**MAIL, **LOGIN}},
        "infinitt_notify.mail.password is given, and nothing is encrypted; set starttls: true, or leave it out.",
    ),
    "half a login": (
        {"mail": {**MAIL, "starttls": True, "password": SECRET}},
        "infinitt_notify.mail has one of user and password; give both, or none where the server wants none.",
    ),
    "ca in the clear": (
        {"mail": {**MAIL, "ca": "/ca.pem"}},
        "infinitt_notify.mail.ca is given, and nothing is encrypted; set starttls: true, or leave it out.",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_input_is_answered_in_one_sentence_without_a_secret(case):
    written, sentence = WRONG[case]
    (problem,) = build(infinitt_notify=written, reader=FILES.__getitem__).problems
    assert problem.startswith(sentence) and SECRET not in problem


def test_nothing_of_it_is_part_of_the_site():
    site = build(infinitt_notify={"webhook": WEBHOOK, "mail": {**MAIL, **LOGIN, "starttls": True}})
    assert site.problems == [] and as_dict(site) == as_dict(build())
    pair = hosts(
        lb1={"variables": {"infinitt_notify": {"webhook": WEBHOOK}}},
        lb2={"variables": {"infinitt_notify": {"webhook": {"url": f"https://{SECRET}"}}}},
    )
    (problem,) = build(pair).problems
    assert problem.startswith("infinitt_notify of lb2 is another value and differs") and SECRET not in problem
