# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What becomes of HAProxy's answers."""

from __future__ import annotations

import json

from forwarded import names
from layer4 import config, daemon, system


def test_dead_ends_nodes_without_a_state_and_silence(told, monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(system, "device_of", lambda address: "eth1")
    monkeypatch.setattr(daemon.time, "monotonic", lambda: clock[0])
    service = daemon.Daemon()
    assert service.devices == ["eth0", "eth1"]

    def poll(rows):
        monkeypatch.setattr(service.haproxy, "ask", lambda: rows)
        service.poll()
        maps, dead = service.decide()
        return {name for name in names(maps["dicom"]) if name}, dead

    def row(name, status, check_status="L4OK", weight="1", service="dicom"):
        return {"pxname": service, "svname": name, "status": status, "check_status": check_status, "weight": weight}

    assert poll(None) == (set(), set()), "nobody has said anything yet"
    assert poll([row("pacs1", "UP", "INI"), row("pacs22", "UP", "INI")]) == (set(), set())
    assert poll([row("pacs1", "UP"), row("pacs22", "UP"), row("pacs1", "DOWN", service="web")]) == (
        {"pacs1", "pacs22"},
        set(),
    )
    assert list(service.health.states) == [("dicom", "pacs1"), ("dicom", "pacs22")], (
        "of what is not forwarded nothing is said"
    )
    assert poll([row("pacs1", "UP"), row("pacs22", "DOWN", "L4CON")]) == ({"pacs1"}, set())
    clock[0] += 14.9
    assert poll([row("pacs1", "UP"), row("pacs22", "UP", "* INI")]) == ({"pacs1"}, set()), (
        "a reload with a dead node sends it nothing"
    )
    assert poll(None) == ({"pacs1"}, set())
    clock[0] += 0.1
    assert poll([row("pacs1", "DRAIN"), row("pacs22", "DOWN")]) == (set(), {("198.51.100.26", 104)})
    clock[0] += 60
    assert poll(None) == (set(), {("198.51.100.26", 104)}), "silence changes nothing"
    assert poll([row("pacs1", "UP", weight="0"), row("pacs22", "UP")]) == ({"pacs22"}, set())


def test_an_end_that_serves_another_service_is_not_dead(told, monkeypatch):
    store = {"name": "store", "address": "198.51.100.10", "port": 11112, "nodes": told["services"][0]["nodes"]}
    config.CONFIGURATION.write_text(json.dumps({**told, "services": [*told["services"], store]}))
    monkeypatch.setattr(system, "device_of", lambda address: None)
    monkeypatch.setattr(daemon.time, "monotonic", lambda: 100.0)
    service = daemon.Daemon()
    rows = [
        {"pxname": name, "svname": "pacs1", "check_status": "L4OK", "status": "DOWN", "weight": "1"}
        for name in ("dicom", "store")
    ]
    monkeypatch.setattr(service.haproxy, "ask", lambda: rows)
    service.poll()
    monkeypatch.setattr(daemon.time, "monotonic", lambda: 115.0)
    service.poll()
    assert service.decide()[1] == {("198.51.100.25", 104)}
    # A check that asks for less than the other is satisfied, and clients of that service are sent here.
    rows[1]["status"] = "UP"
    service.poll()
    maps, dead = service.decide()
    assert set(names(maps["store"])) == {"pacs1"} and dead == set()
