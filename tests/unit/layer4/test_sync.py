# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""conntrackd's reports, and test entries."""

from __future__ import annotations

import json

import pytest
from forwarded import REPORT
from layer4 import config, sync, system


def test_the_numbers_in_conntrackds_report():
    inject = REPORT.partition("external inject")[2]
    assert sync.number("current active connections", REPORT) == 3
    assert (sync.number("connections created", inject), sync.number("connections updated", inject)) == (11, 7)
    assert (sync.number("Bytes sent", REPORT), sync.number("Bytes recv", REPORT)) == (324, 140)
    assert sync.number("Lost msgs", REPORT) == 0 and sync.number("Bytes recv", "") == 0


def test_a_test_entry_is_received_whatever_the_nodes_port_is(told, monkeypatch):
    # conntrack keeps the service's port where only an address is translated; the nodes of this service listen on
    # another one.
    told["services"][0]["nodes"] = [{**node, "port": 11112} for node in told["services"][0]["nodes"]]
    config.CONFIGURATION.write_text(json.dumps(told))
    entry = (
        "tcp      6 19 ESTABLISHED src=192.0.2.1 dst=198.51.100.10 sport=4711 dport=104 packets=0 bytes=0"
        " src=198.51.100.25 dst=192.0.2.1 sport=104 dport=4711 packets=0 bytes=0 [ASSURED] mark=0 use=1\n"
    )
    monkeypatch.setattr(system, "run", lambda *command: (0, entry))
    assert sync.received("4711") == ["4711"]


def test_a_standby_empties_its_list_and_asks_and_a_master_fills_it_and_sends(told, monkeypatch):
    asked, here = [], {"198.51.100.11"}
    monkeypatch.setattr(system, "run", lambda *command: asked.append(command[len(sync.CONNTRACKD) :]) or (0, ""))
    monkeypatch.setattr(system, "addresses", lambda: here)
    assert sync.stand_by(["198.51.100.10"]) and asked == [("-f", "internal"), ("-n",)]
    asked.clear()
    sync.master()
    assert asked == [("-f", "internal"), ("-R",), ("-B",)]
    asked.clear()
    here.add("198.51.100.10")
    assert not sync.stand_by(["198.51.100.10"]) and asked == []


def test_a_vip_that_comes_while_the_list_is_emptied_is_that_of_a_master(monkeypatch):
    asked, here = [], [{"198.51.100.11"}, {"198.51.100.11", "198.51.100.10"}]
    monkeypatch.setattr(system, "run", lambda *command: asked.append(command[len(sync.CONNTRACKD) :]) or (0, ""))
    monkeypatch.setattr(system, "addresses", lambda: here.pop(0))
    sync.stand_by(["198.51.100.10"])
    assert asked == [("-f", "internal"), ("-n",), ("-f", "internal"), ("-R",), ("-B",)]


def test_a_conntrackd_that_does_not_answer_is_said_and_ends_no_daemon(monkeypatch):
    monkeypatch.setattr(system, "run", lambda *command: (1, "can't connect: is conntrackd running?\n"))
    assert sync.refill() == "conntrackd -f internal: can't connect: is conntrackd running?"
    monkeypatch.setattr(system, "addresses", set)
    sync.stand_by(["198.51.100.10"])
    with pytest.raises(SystemExit, match="is conntrackd running"):
        sync.master()
