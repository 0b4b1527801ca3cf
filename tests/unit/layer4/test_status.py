# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What `layer4 status` says."""

from __future__ import annotations

import hashlib
import json
import time
import types

from layer4 import _test_clients, config, peers, status, system


def test_the_status_counts_flows_by_node_and_reads_the_mirror(told):
    said = status.status()
    # What HAProxy has itself names the VIP where a forwarded one names its node.
    assert said["flows"] == {"dicom": {"pacs1": 1, "pacs22": 2}}
    assert said["mirror"] == {
        "wanted": True,
        "running": True,
        "ours": 3,
        "taken": 18,
        "waiting": 3,
        "sent": 324,
        "received": 140,
    }
    records = ["layer4-records.socket", "layer4-records.service"]
    assert list(said["units"]) == ["layer4.service", "conntrackd.service", *records]
    assert said["running"] is False and said["current"] is False


def test_the_status_has_what_the_rules_have_counted(told, monkeypatch):
    def listed(way, *numbers):
        elements = [
            {"elem": {"val": {"concat": [node["address"], 104]}, "counter": {"packets": 1, "bytes": number}}}
            for node, number in zip(told["services"][0]["nodes"], numbers)
        ]
        return {"set": {"family": "inet", "table": "layer4", "name": f"{way}_nodes4", "elem": elements}}

    counters = [
        {"counter": {"family": "inet", "table": table, "name": "retried", "packets": number, "bytes": 0}}
        for table, number in (("layer4", 7), ("sites_own", 9))
    ]
    ruleset = {"nftables": [{"metainfo": {}}, listed("to", 10, 20), listed("from", 30, 40), *counters]}
    run = system.run
    monkeypatch.setattr(
        system, "run", lambda *words: (0, json.dumps(ruleset)) if words[-1] == "ruleset" else run(*words)
    )
    # A second service on another address, with the same port of the nodes.
    again = {**told["services"][0], "name": "dicom:198.51.100.9", "address": "198.51.100.9"}
    config.CONFIGURATION.write_text(json.dumps({**told, "services": [*told["services"], again]}))
    said = status.status()
    assert said["bytes"] == {"dicom": {"pacs1": {"received": 10, "sent": 30}, "pacs22": {"received": 20, "sent": 40}}}
    assert said["newcomers"] == {"retried": 7, "given_to_haproxy": 0}


def test_without_rules_nothing_is_counted(told):
    said = status.status()
    assert said["bytes"] == {} and said["newcomers"] == {"retried": 0, "given_to_haproxy": 0}


def test_the_status_is_current_only_with_the_files_that_the_service_has_read(told):
    fingerprint = hashlib.sha256((config.RULES.read_text() + config.CONFIGURATION.read_text()).encode()).hexdigest()[
        :16
    ]
    config.STATE.write_text(
        json.dumps({"refreshed": time.time(), "fingerprint": fingerprint, "fault": "", "services": {}})
    )
    assert status.status()["current"] and status.status()["running"]
    config.RULES.write_text("# other rules\n")
    assert not status.status()["current"]


def test_units_as_systemd_describes_them(monkeypatch):
    # The last one was never started.
    described = """\
Id=layer4.service
ActiveState=active
UnitFileState=enabled
ExecMainStartTimestamp=@1000
ActiveEnterTimestamp=@3000

Id=conntrackd.service
ActiveState=reloading
UnitFileState=disabled
ExecMainStartTimestamp=@3000
ActiveEnterTimestamp=@1000

Id=layer4-records.socket
ActiveState=active
UnitFileState=enabled
ActiveEnterTimestamp=@1000

Id=layer4-records.service
ActiveState=inactive
UnitFileState=
ExecMainStartTimestamp=
ActiveEnterTimestamp=

"""
    files = types.SimpleNamespace(
        path=types.SimpleNamespace(exists=lambda path: "gone" not in path),
        lstat=lambda path: types.SimpleNamespace(st_mtime=2000.9),
    )
    monkeypatch.setattr(status, "os", files)
    monkeypatch.setattr(system, "run", lambda *command: (0, described))
    assert status.units([]) == {
        "layer4.service": {"active": True, "enabled": True, "outdated": True},
        "conntrackd.service": {"active": True, "enabled": False, "outdated": False},
        "layer4-records.socket": {"active": True, "enabled": True, "outdated": True},
        "layer4-records.service": {"active": False, "enabled": False, "outdated": False},
    }


def test_a_daemon_of_another_version_is_outdated(told, monkeypatch):
    monkeypatch.setattr(status, "units", lambda asked: {name: {"active": True, "outdated": False} for name in asked})
    for version, outdated in ((config.VERSION, False), ("0123456789abcdef", True)):
        config.STATE.write_text(json.dumps({"refreshed": time.time(), "fingerprint": "", "version": version}))
        said = status.status()["units"]
        assert said["layer4.service"]["outdated"] is outdated
        assert not any(unit["outdated"] for name, unit in said.items() if name != "layer4.service")


def test_units_that_an_earlier_configuration_has_left_are_named_too(told, tmp_path, monkeypatch):
    monkeypatch.setattr(status, "MIRROR", tmp_path / "layer4.conf")
    alone, records = config.Config(told["services"]), ["layer4-records.socket", "layer4-records.service"]
    assert status.unit_names(alone) == ["layer4.service", *records]
    (tmp_path / "layer4.conf").touch()
    assert status.unit_names(alone) == ["layer4.service", "conntrackd.service", *records]


def test_the_status_tells_which_peers_are_ready_and_which_do_not_answer(told, monkeypatch):
    config.CONFIGURATION.write_text(json.dumps({**told, "peers": ["198.51.100.12", "198.51.100.13", "198.51.100.14"]}))
    ready = {"keepalived": ["BACKUP"], "haproxy": True, "fault": ""}
    answers = {"198.51.100.12": ready, "198.51.100.14": {**ready, "haproxy": False}}
    monkeypatch.setattr(peers, "ask", lambda own, hosts, port, timeout: iter(answers.items()))
    expected = {"198.51.100.12": True, "198.51.100.13": None, "198.51.100.14": False}
    assert status.status()["peers"] == expected


def test_sessions_are_those_of_the_vips_of_this_host_and_no_test_entries(told, monkeypatch):
    node = told["services"][0]["nodes"][0]
    flow = {"client": "198.51.100.50", "node": node["address"], "node_port": node["port"], "ended": False}
    flows = [
        flow,
        {**flow, "ended": True},
        {**flow, "client": _test_clients.TEST_CLIENT[4]},
        {**flow, "node": "198.51.100.99"},
    ]
    monkeypatch.setattr(status.conntrack, "dump", lambda *which: flows)
    monkeypatch.setattr(system, "addresses", lambda: {told["services"][0]["address"]})
    expected = {"client": "198.51.100.50", "service": told["services"][0]["name"], "node": node["name"]}
    assert status.sessions() == [expected]
    monkeypatch.setattr(system, "addresses", set)
    assert status.sessions() == []
