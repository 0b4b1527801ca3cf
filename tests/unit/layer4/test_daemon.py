# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What becomes of HAProxy's answers."""

from __future__ import annotations

import json

import pytest
from forwarded import names
from layer4 import config, daemon, endings, peers, sync, system


def test_dead_ends_nodes_without_a_state_and_silence(told, monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(system, "device_of", lambda address: "eth1")
    monkeypatch.setattr(daemon.time, "monotonic", lambda: clock[0])
    service = daemon.Daemon()
    service.observe_vips()
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
    service.observe_vips()
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


# --- a standby, and a host that takes the VIP -------------------------------------------------------------------------

VIP = "198.51.100.10"
DEAD = {("198.51.100.26", 104)}
DOWN = {"pxname": "dicom", "svname": "pacs22", "check_status": "L4CON", "status": "DOWN", "weight": "1"}
UP = {"pxname": "dicom", "svname": "pacs1", "check_status": "L4OK", "status": "UP", "weight": "1"}


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(daemon.time, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def here(monkeypatch):
    """The addresses of this host."""
    addresses = {"198.51.100.11"}
    monkeypatch.setattr(system, "addresses", lambda: addresses)
    return addresses


@pytest.fixture
def service(told, clock, here, monkeypatch):
    monkeypatch.setattr(system, "device_of", lambda address: "eth0")
    service = daemon.Daemon()
    monkeypatch.setattr(service.haproxy, "ask", lambda: [UP, DOWN])
    return service


def test_a_standby_calls_no_node_dead_and_dead_after_counts_from_taking_the_vip(service, clock, here):
    def dead():
        service.poll()
        service.observe_vips()
        return service.decide()[1]

    assert dead() == set()
    clock[0] += 3600
    assert dead() == set(), "its own way to the node may be broken"
    here.add(VIP)
    assert dead() == set(), "a host that has just taken the VIP waits as long as any other"
    clock[0] += 14.9
    assert dead() == set()
    clock[0] += 0.1
    assert dead() == DEAD
    here.remove(VIP)
    assert dead() == set()
    here.add(VIP)
    assert dead() == set()


def test_a_host_to_which_nobody_answers_calls_no_node_dead(told, service, clock, here, monkeypatch):
    config.CONFIGURATION.write_text(json.dumps({**told, "peers": ["198.51.100.12"]}))
    service.configure()
    here.add(VIP)
    answers, rows = [], [DOWN]
    monkeypatch.setattr(peers, "ask", lambda own, hosts, port: iter(answers))
    monkeypatch.setattr(service.haproxy, "ask", lambda: rows)

    def dead(after):
        for _second in range(after):
            clock[0] += 1
            service.poll()
            service.observe_vips()
        return service.decide()[1]

    assert dead(60) == set()
    answers.append(("198.51.100.12", {}))
    assert dead(14) == set(), "it was cut off, and the nodes have not had the time to answer"
    assert dead(3) == DEAD
    answers.clear()
    assert dead(3) == DEAD, "an answer may be lost"
    assert dead(1) == set()
    rows.append(UP)
    assert dead(14) == set()
    assert dead(3) == DEAD


def test_only_the_holder_of_a_vip_ends_or_deletes_anything(service, clock, here, monkeypatch):
    asked = []
    monkeypatch.setattr(system, "run", lambda *command, stdin="": asked.append(command) or (0, ""))

    def deleted():
        asked.clear()
        service.poll()
        service.observe_vips()
        service.endings.continue_with(service.decide()[1], service.holding.since, lambda: None)
        return [command for command in asked if "--delete" in command]

    assert deleted() == []
    here.add(VIP)
    assert deleted() == []
    clock[0] += 15
    ended = [deleted() for _round in range(endings.ROUNDS + 2)]
    assert [len(commands) for commands in ended] == [0, 0, 0, 1, 0], "after three provocations, once"
    (command,) = ended[endings.ROUNDS]
    assert command[command.index("--reply-src") + 1] == "198.51.100.26"
    here.remove(VIP)
    assert deleted() == []


def test_a_signal_to_read_anew_while_haproxy_is_silent_does_not_empty_the_map(service, here, monkeypatch):
    service.poll()
    before, _dead = service.decide()
    assert set(names(before["dicom"])) == {"pacs1"}
    monkeypatch.setattr(service.haproxy, "ask", lambda: None)
    service.configure()
    service.poll()
    assert service.decide()[0] == before


def test_a_signal_to_read_anew_does_not_forget_that_haproxy_is_silent(service):
    service.haproxy.misses = 2
    service.configure()
    assert not service.haproxy.answers


def test_a_standby_asks_for_its_copies_anew(service, clock, here, monkeypatch):
    asked, completed = [], []
    monkeypatch.setattr(sync, "stand_by", lambda vips: asked.append((clock[0], vips)))
    entries = {"net/netfilter/nf_conntrack_count": 400}
    monkeypatch.setattr(service.sysctl, "number", entries.get)

    def after(seconds):
        asked.clear()
        for _second in range(seconds):
            clock[0] += 1
            service.observe_vips()
            service.resync()
        return len(asked)

    assert after(29) == 0, "conntrackd asked when it started"
    assert after(1) == 1
    assert after(300) == 10
    entries["net/netfilter/nf_conntrack_count"] = 60000
    assert after(300) == 1 and after(300) == 1, "no more than some hundred of them in a second"
    here.add(VIP)
    monkeypatch.setattr(sync, "complete", lambda: completed.append(clock[0]))
    assert after(900) == 0 and len(completed) == 3, "a holder completes what a standby asks for"
    here.remove(VIP)
    assert after(1) == 1, "at once, as its list is no longer the one that counts"


@pytest.mark.parametrize("peer_ready", [True, False])
def test_a_host_whose_haproxy_is_silent_leaves_the_vip_to_a_peer_that_is_ready(
    service, tmp_path, clock, monkeypatch, peer_ready
):
    monkeypatch.setattr(peers, "any_ready", lambda own, hosts, port: peer_ready)
    service.config = config.Config(service.config.services, state_file=str(tmp_path / "state"))
    service.fault = ""
    service.judge()
    assert (tmp_path / "state").read_text() == "0\n"
    service.haproxy.misses = 2
    clock[0] += 1
    service.judge()
    assert (tmp_path / "state").read_text() == f"{int(peer_ready)}\n"
    service.haproxy.misses = 0
    service.judge()
    assert (tmp_path / "state").read_text() == "0\n"
