# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`loadbalancer check`: what a modality is answered, asked of pynetdicom's servers by a load balancer itself."""

from __future__ import annotations

import json
import os
import stat

import pacs
import pytest
from known import MASTER, STANDBY, seen
from loadbalancer import check, checked, command, here, metrics, others, report, state
from observations import NOW, VIP, site

OURS = "127.67.100."
SERVICES = ("web", "dicom", "query", "mwl")
SITE = json.loads(json.dumps(site(services=SERVICES)).replace("198.51.100.", OURS))
CANARY = "PatientID=PHANTOM1"

needs_root = pytest.mark.skipif(os.getuid() != 0, reason="this is not root, for whom ports below 1024 are")


@pytest.fixture(scope="module")
def servers():
    """A PACS of two nodes; the VIP is the first one's, and the second one finds nothing on 105."""
    for host in (10, 21, 22):
        for port in (104, 105, 204):
            pacs.node(f"{OURS}{host}", port, "", set(), host == 22)


@pytest.fixture
def settings(tmp_path, monkeypatch):
    """Write what was deployed for the timer."""
    monkeypatch.setattr(checked, "SETTINGS", str(tmp_path / "settings.json"))
    monkeypatch.setattr(checked, "FILE", str(tmp_path / "check.json"))
    monkeypatch.setattr(check, "RETRIES", 0)

    def write(**its):
        (tmp_path / "settings.json").write_text(json.dumps({"every": 300, "study": "", "worklist": "", **its}))

    write()
    return write


def standby(its=SITE, timeout=5):
    return {**seen("lb2", MASTER), "site": {**its, "run": {**its["run"], "check_timeout": timeout}}}


def kinds(ends):
    return {(end["service"], end["node"]): (end["check"], end["reachable"], end["matches"]) for end in ends}


# --- what is asked ----------------------------------------------------------------------------------------------------


@needs_root
def test_without_a_key_each_dicom_service_gets_a_c_echo(servers, settings):
    found = check.ask(standby())
    assert kinds(found["through"]) == {(name, "VIP"): ("echo", True, None) for name in SERVICES[1:]}
    assert kinds(found["nodes"]) == {
        (name, node): ("echo", True, None) for name in SERVICES[1:] for node in ("pacs1", "pacs2")
    }
    assert report.unanswered(standby(), found) == []


@needs_root
def test_with_a_key_it_is_c_find_and_the_node_that_does_not_answer_is_named(servers, settings):
    settings(study=CANARY, worklist="ScheduledStationAETitle=CT1")
    known = standby(timeout=0.6)
    found = check.ask(known)
    assert kinds(found["through"]) == {
        ("dicom", "VIP"): ("echo", True, None),
        ("query", "VIP"): ("find", True, 1),
        ("mwl", "VIP"): ("find", True, 10),
    }
    (problem,) = report.unanswered(known, found)
    assert (problem.code, problem.where) == ("node_unanswered", "pacs2") and "without C-FIND-RSP" in problem.text
    assert "query    pacs2" in report.answered(known, found)
    # Neither by what was asked nor who was found.
    assert not any(word in json.dumps(found) for word in (CANARY, "PHANTOM1", pacs.CANARY))


@needs_root
def test_a_study_that_a_node_does_not_know_is_a_problem(servers, settings):
    settings(study="PatientID=NOBODY")
    its = {**SITE, "node_checks": [{**one, "nodes": one["nodes"][:1]} for one in SITE["node_checks"]]}
    assert [problem.code for problem in report.unanswered(standby(its), check.ask(standby(its)))] == ["study_not_found"]


def test_a_node_that_is_left_is_asked_again(settings, monkeypatch):
    monkeypatch.setattr(check, "RETRIES", 2)
    seen_of = []
    monkeypatch.setattr(check._backend_check, "ask_all", lambda *its: seen_of.append(its[1:]) or [])
    check.ask(standby(timeout=3))
    assert seen_of == [(3, 2, check.DELAY)] * 2


def test_where_nothing_is_dicom_nothing_is_asked(settings):
    found = check.ask(standby(json.loads(json.dumps(site(services=("web",))).replace("198.51.100.", OURS))))
    assert (found["through"], found["nodes"]) == ([], [])


# --- whose turn it is -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "answer", "turn"),
    [
        ("lb2", MASTER, True),
        ("lb2", None, True),
        ("lb2", STANDBY, True),
        ("lb1", STANDBY, False),
        ("lb1", None, True),
        ("lb1", {**STANDBY, "state": "FAULT"}, True),
    ],
)
def test_a_standby_asks_and_the_holder_only_where_there_is_none(name, answer, turn):
    assert check.is_its_turn(seen(name, answer)) is turn


# --- what becomes of it -----------------------------------------------------------------------------------------------


@pytest.fixture
def deployed(settings, tmp_path, monkeypatch):
    """keep(known): what observe would keep of a load balancer."""
    monkeypatch.setattr(state, "FILE", str(tmp_path / "state.json"))
    monkeypatch.setattr(state._site_record, "read", lambda: {"current": {"site": SITE}, "sets": {}})
    monkeypatch.setattr(here, "site", lambda record: record["current"]["site"])
    monkeypatch.setattr(state.time, "time", lambda: NOW)

    def keep(name, answer):
        known = seen(name, answer)
        monkeypatch.setattr(here, "name", lambda _site: name)
        monkeypatch.setattr(here, "observe", lambda _site: known["observed"])
        monkeypatch.setattr(others, "ask", lambda _site, _name: known["others"])
        state.keep({**known, "site": SITE})

    return keep


@needs_root
def test_status_metrics_and_who_is_told_have_what_was_found(servers, deployed, settings, tmp_path):
    settings(study="PatientID=NOBODY")
    deployed("lb2", MASTER)
    assert command.main(["check", "--keep"]) == 0
    assert stat.S_IMODE((tmp_path / "check.json").stat().st_mode) == 0o600
    known = state.look()
    (found,) = {problem.code for problem in known["problems"]} & {"study_not_found", "vip_unanswered"}
    assert found == "study_not_found"
    lines = metrics.text(known).splitlines()
    assert 'pacs_check_success{service="query"} 1.0' in lines and f"pacs_check_timestamp_seconds {NOW:.1f}" in lines
    (seconds,) = [line.split()[1] for line in lines if line.startswith('pacs_check_seconds{service="dicom"}')]
    assert 0 < float(seconds) < 5


def test_who_does_not_answer_has_no_time(deployed, settings):
    its = json.loads(json.dumps(SITE).replace(OURS, "127.67.99."))
    checked.keep(check.ask(standby(its)))
    text = metrics.text({**seen("lb2", MASTER), "checked": checked.last(NOW)})
    assert 'pacs_check_success{service="dicom"} 0.0' in text and "pacs_check_seconds" not in text


def test_it_holds_until_some_rounds_were_missed_or_the_host_has_become_the_holder(deployed, settings):
    settings(every=60)
    checked.keep(check.ask(standby(json.loads(json.dumps(SITE).replace(OURS, "127.67.99.")))))
    assert checked.last(NOW + 179)["answers"]["by"] == "lb2" and checked.last(NOW + 180) == {}
    # Nor where nobody is to ask any more.
    settings(every=0)
    assert checked.last(NOW) == {}
    settings(every=60)
    deployed("lb1", STANDBY)
    known = state.kept()
    known["observed"]["keepalived"]["addresses"][VIP.replace("198.51.100.", OURS)] = NOW
    state.keep(known)
    assert command.main(["check", "--keep"]) == 0
    assert checked.last(NOW) == {} and command.main(["check", "--keep"]) == 0


def test_by_hand_it_is_shown_and_not_kept(deployed, settings, monkeypatch, capsys):
    deployed("lb1", STANDBY)
    its = json.loads(json.dumps(SITE).replace(OURS, "127.67.99."))
    monkeypatch.setattr(state._site_record, "read", lambda: {"current": {"site": its}, "sets": {}})
    assert command.main(["check"]) == 1
    said = capsys.readouterr().out
    assert said.startswith("Asked from lb1:") and "[vip_unanswered]" in said and checked.last(NOW) == {}
