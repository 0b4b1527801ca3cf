# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What one load balancer finds by itself of two that do not fit together: it must last, and neither says it alone."""

from __future__ import annotations

import json
from copy import deepcopy

import pytest
from keepalived_guard import handover
from known import MASTER, STANDBY
from loadbalancer import checked, command, here, metrics, others, state
from observations import ADDRESSES, NOW, connections, forwarders, site

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis import apart, drift, status

SITE = {**site(layer4=("dicom",)), "former_services": []}
OTHER = {"lb1": "lb2", "lb2": "lb1"}
STATE = {"lb1": MASTER, "lb2": STANDBY}


class Pair:
    """A pair that forwards. Each change of it is to be made in ``observed``."""

    def __init__(self, monkeypatch, directory, capsys):
        self.patch, self.directory, self.capsys = monkeypatch.setattr, directory, capsys
        self.observed = forwarders()
        for name, host in self.observed.items():
            host["haproxy"]["peers"] = {OTHER[name]: True}
        self.pending, self.stopped, self.greets = set(), {}, True
        self.patch(here, "site", lambda _record: SITE)
        self.patch(checked, "last", lambda _now: {})
        self.patch(state.os, "geteuid", lambda: 0)

    def answer(self, name, at):
        """What the guard of that host tells, of a look 20 s ago."""
        self.patch(handover, "FOUND", self.directory / "told.json")
        observed = self.observe(name)
        told = {"at": self.stopped.get(name, at - 20), "problems": [], "host": apart.told(observed)}
        handover.FOUND.write_text(json.dumps({**told, "connections": observed["layer4"]["connections"]}))
        return {**STATE[name], **handover.told()}

    def observe(self, name):
        host = deepcopy(self.observed[name])
        return {**host, "runs": "" if name in self.pending else drift.digest(host)}

    def look(self, name, at):
        """Let that host look, by its timer; return the exit code of `loadbalancer status` and the codes it shows."""
        for host in self.observed.values():
            host["layer4"]["mirror"]["received"] += 480 * self.greets
        sets = {"haproxy": {"when": "2026-11-24T15:00:00Z", "pending": name in self.pending}}
        self.patch(state._site_record, "read", lambda: {"sets": sets})
        self.patch(here, "name", lambda _site: name)
        self.patch(here, "observe", lambda _site: deepcopy(self.observed[name]))
        self.patch(others, "ask", lambda _site, _name: {OTHER[name]: self.answer(OTHER[name], NOW + at)})
        self.patch(state.time, "time", lambda: NOW + at)
        self.patch(state, "FILE", str(self.directory / name))
        assert command.main(["observe"]) == 0
        self.capsys.readouterr()
        code = command.main(["status", "--json"])
        self.found = json.loads(self.capsys.readouterr().out)
        return code, [problem["code"] for problem in self.found["problems"]]

    def look_on(self, name, until=180):
        """Let that host look twice a minute; return when it has shown what, in seconds."""
        return {at: codes for at in range(0, until + 1, 30) if (codes := self.look(name, at)[1])}


@pytest.fixture
def pair(monkeypatch, tmp_path, capsys):
    return Pair(monkeypatch, tmp_path, capsys)


@pytest.mark.parametrize("name", OTHER)
def test_a_healthy_pair(pair, name):
    assert pair.look_on(name) == {} and pair.look(name, 210) == (0, [])


@pytest.mark.parametrize("name", OTHER)
def test_a_silent_mirror(pair, name):
    pair.look(name, -30)
    pair.greets = False
    assert pair.look_on(name, 120) == {at: ["mirror_silent"] for at in (60, 90, 120)}
    assert pair.look(name, 150) == (1, ["mirror_silent"])
    (problem,) = pair.found["problems"]
    assert problem["text"] == f"Connections are not mirrored from {OTHER[name]} to {name}: nothing comes to {name}."
    assert (
        problem["where"] == OTHER[name] and f"UDP port 3780 passes from {ADDRESSES[OTHER[name]]}" in problem["remedy"]
    )
    assert 'pacs_problems{code="mirror_silent"} 1.0' in metrics.text(state.kept()).splitlines()
    pair.greets = True
    assert pair.look(name, 180) == (0, [])


def test_a_mirror_that_was_silent_for_a_look_or_whose_daemon_does_not_run_or_whose_other_end_is_away(pair):
    pair.look("lb1", 0)
    for at, greets in enumerate((True, False) * 5, start=1):
        pair.greets = greets
        assert pair.look("lb1", 30 * at) == (0, [])
    # Whoever does not look any more, or does not mirror, is not the one to be heard.
    pair.greets, pair.stopped["lb2"] = False, NOW
    assert pair.look_on("lb1") == {}
    pair.stopped, pair.observed["lb2"]["layer4"]["connections"] = {}, {}
    assert pair.look_on("lb1") == {}


def test_what_was_seen_long_ago_is_forgotten(pair):
    pair.greets = False
    assert pair.look_on("lb1", 30) == {}
    assert pair.look("lb1", 300) == (0, [])


def test_connections_that_the_standby_lacks_are_told_by_the_active_one(pair):
    pair.observed["lb2"]["layer4"]["connections"] = connections("aa")
    assert pair.look_on("lb1") == {at: ["mirror_incomplete"] for at in (60, 90, 120, 150, 180)}
    (problem,) = pair.found["problems"]
    assert problem["text"].startswith("2 of a sample of 3 connections that lb1 forwards are missing on lb2")
    assert pair.look_on("lb2") == {}
    # That one says so itself.
    told = pair.answer
    silent = [["mirror_silent", "lb1", "Nothing comes to lb2.", "Look."]]
    pair.answer = lambda name, at: {**told(name, at), "problems": silent}
    assert pair.look_on("lb1", 60) == {}


def test_both_say_the_same_of_two_haproxy_that_are_not_connected(pair):
    pair.observed["lb1"]["haproxy"]["peers"] = {"lb2": False}
    assert pair.look_on("lb1") == {}, "one connection does for both"
    pair.observed["lb2"]["haproxy"]["peers"] = {"lb1": False}
    said = []
    for name in OTHER:
        assert pair.look_on(name, 60) == {60: ["peers_apart"]}
        said += pair.found["problems"]
    of_both = status.problems(SITE, pair.observed, list(OTHER))
    assert said == [problem._asdict() for problem in of_both if problem.code == "peers_apart"] * 2


def test_two_that_run_different_configurations_unless_they_are_being_deployed(pair):
    pair.observed["lb2"]["haproxy"]["services"]["dicom"]["pacs1"]["port"] = 11112
    said = []
    for name in OTHER:
        assert pair.look_on(name, 60) == {60: ["hosts_differ"]}
        said += pair.found["problems"]
    assert said[0] == said[1] and said[0]["where"] == "lb1 and lb2"
    for name in OTHER:
        pair.pending = {name}
        assert pair.look_on("lb1") == {}
    pair.pending, pair.observed["lb2"]["haproxy"]["running"] = set(), False
    assert pair.look_on("lb1") == {}, "the other one says so"


def test_one_that_does_not_say_whether_it_is_ready_for_the_vip(pair):
    pair.observed["lb1"]["layer4"]["peers"] = {ADDRESSES["lb2"]: None}
    assert pair.look_on("lb1", 60) == {60: ["peer_silent"]} and pair.look_on("lb2", 60) == {}
    pair.observed["lb2"]["layer4"]["running"] = False
    assert pair.look_on("lb1", 60) == {}


def test_one_of_a_former_release_tells_less(pair, monkeypatch):
    pair.observed["lb2"]["haproxy"]["peers"] = pair.observed["lb1"]["haproxy"]["peers"] = {"lb1": False, "lb2": False}
    told = pair.answer
    pair.answer = lambda name, at: {key: its for key, its in told(name, at).items() if key != "host"}
    assert pair.look_on("lb1") == {}


def test_as_much_is_told_as_fits_into_a_datagram():
    host = forwarders()["lb1"]
    names = [f"load-balancer-{number}.radiology.example.org" for number in range(4)]
    told = apart.told({**host, "runs": "f" * 12, "haproxy": {**host["haproxy"], "peers": dict.fromkeys(names, True)}})
    assert len(json.dumps(told)) < 4096 - handover.ROOM - 40 * len('"123456789abc", ') - 300
