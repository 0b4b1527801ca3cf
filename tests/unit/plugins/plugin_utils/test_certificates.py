# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What preflight and status say of certificates."""

from __future__ import annotations

import pytest
from factories import build
from observations import NOW
from pki import NAME, WEB

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis import certificates, preflight, status
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._screens.text import certificate_table
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.output import as_dict

DAY = 86400
PATH = "/etc/live/fullchain.pem"


def site(**more):
    its = {"service": "web", "not_after": None, "revoked_until": None, "unproven": "", **more}
    return {"certificates": [its]}


def seen(not_after=NOW + 90 * DAY, served=True, problem=""):
    return {
        "certificates": [
            {"service": "web", "certificate": PATH, "not_after": not_after, "served": served, "problem": problem}
        ]
    }


@pytest.mark.parametrize("days, words", [(31.1, ""), (30.9, "in 30 days"), (1.5, "in 1 day"), (0.5, "today"), (-1, "")])
def test_thirty_days_before_its_end_it_is_a_notice(days, words):
    end = NOW + days * DAY
    found = list(certificates.expires(site(not_after=end), {}, NOW))
    assert [problem.code for problem in found] == ["certificate_expires"] * bool(words)
    assert all(f"The certificate of web expires {words}, on 20" in problem.text for problem in found)


def test_one_that_has_expired_is_a_problem():
    (problem,) = certificates.expired(site(not_after=NOW - 1), {}, NOW)
    assert problem.code == "certificate_expired"
    assert problem.text == "The certificate of web expired on 2026-11-24: clients refuse it."


def test_the_days_of_all_stand_on_both_screens():
    observed = {"lb1": seen(NOW + 89.5 * DAY), "lb2": seen(NOW - DAY)}
    of = site(service="dicom_tls", not_after=NOW + 365.5 * DAY)
    assert certificates.ends(of, observed, NOW) == [
        ("certificate of dicom_tls", "in 365 days, on 2027-11-25"),
        (f"certificate {PATH} on lb1 of web", "in 89 days, on 2027-02-22"),
        (f"certificate {PATH} on lb2 of web", "expired"),
    ]
    assert certificate_table(certificates.ends(of, {}, NOW)) == [
        "TLS                       expires",
        "certificate of dicom_tls  in 365 days, on 2027-11-25",
    ]
    assert certificate_table([]) == []


def test_one_on_the_hosts_is_named_with_them_once():
    observed = {"lb1": seen(NOW + DAY), "lb2": seen(NOW + DAY), "lb3": seen(NOW - DAY)}
    (soon,) = certificates.expires(site(), observed, NOW)
    assert f"The certificate {PATH} on lb1 and lb2 of web expires in 1 day" in soon.text
    (over,) = certificates.expired(site(), observed, NOW)
    assert f"The certificate {PATH} on lb3 of web expired on" in over.text


@pytest.mark.parametrize("days, code", [(8.1, None), (7.9, "revocation_list_expires"), (-1, "revocation_list_expired")])
def test_a_list_of_revoked_certificates_ends_too(days, code):
    of = site(revoked_until=NOW + days * DAY)
    found = [*certificates.expires(of, {}, NOW), *certificates.expired(of, {}, NOW)]
    assert [problem.code for problem in found] == [code] * bool(code)


def test_one_that_cannot_be_used_and_one_that_was_not_loaded():
    (problem,) = certificates.unusable("lb1", seen(None, None, "is not in PEM"))
    assert problem.text == f"The certificate {PATH} of web on lb1 is not in PEM."
    (problem,) = certificates.not_loaded("lb1", seen(served=False))
    assert problem.text == f"HAProxy on lb1 does not serve what {PATH} holds for web."
    assert not [*certificates.not_loaded("lb1", seen(served=None)), *certificates.unusable("lb1", seen())]


def test_a_certificate_that_stands_alone_is_a_notice():
    (notice,) = certificates.unproven(site(unproven="CN=Hospital Issuing CA"))
    assert notice.code == "certificate_unproven" and "(CN=Hospital Issuing CA)" in notice.text


def test_a_site_without_has_nothing_to_say():
    of = as_dict(build())
    assert not preflight.problems(of, {}, "all", NOW) and not status.notices(of, {}, NOW)
    assert not {problem.code for problem in preflight.notices(of, {}, NOW)} - {"nodes_see_vip"}


def test_preflight_refuses_and_status_reports_what_has_expired():
    of = as_dict(build(infinitt_services={"web": {"tls": {"certificate": WEB.chain, "key": WEB.key, "name": NAME}}}))
    late = of["certificates"][0]["not_after"] + 1
    for found in (preflight.problems(of, {}, "all", late), status.problems(of, {}, [], late)):
        assert "certificate_expired" in {problem.code for problem in found}
    for found in (preflight.notices(of, {}, late - DAY), status.notices(of, {}, late - DAY)):
        assert "certificate_expires" in {problem.code for problem in found}
