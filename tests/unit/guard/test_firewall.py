# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rules that keep strangers from Keepalived, as the real nft reads them, and when they are loaded."""

from __future__ import annotations

import json

import pytest
from keepalived_guard import firewall, process, system
from programs import in_namespace

PEERS = {"198.51.100.12", "2001:db8::12"}


PORTS = {"tcp": [1024], "udp": [1025, 1024]}


@pytest.mark.parametrize("peers", [PEERS, set()])
@pytest.mark.parametrize("own", ["198.51.100.11", "2001:db8::11", ""])
@pytest.mark.parametrize("ports", [PORTS, {"tcp": [], "udp": [1025]}, {}])
def test_nft_accepts_the_rules(peers, own, ports):
    in_namespace("nft", "--check", "--file", "-", given=firewall.rules(peers, peers, own, ports))


def element(sender, ttl, packets):
    return {"elem": {"val": {"concat": [sender, ttl]}, "expires": 86000, "counter": {"packets": packets, "bytes": 1}}}


CALLER = {"elem": {"val": {"concat": ["203.0.113.9", "tcp", 1024]}, "counter": {"packets": 7, "bytes": 1}}}


def listed(*elements):
    sets = [{"set": {"name": "strangers4", "elem": list(elements)}}, {"set": {"name": "strangers6"}}]
    sets.append({"set": {"name": "callers4", "elem": [CALLER]}})
    return json.dumps({"nftables": [{"metainfo": {}}, {"table": {}}, *sets]})


@pytest.fixture
def nft(monkeypatch):
    """What nft would list (None: the table is not there), and what it was given."""
    said = {"listed": None, "loaded": []}

    def run(*words, stdin=""):
        if "list" in words:
            return said["listed"]
        said["loaded"].append(stdin)
        said["listed"] = listed()
        return ""

    monkeypatch.setattr(system, "run", run)
    monkeypatch.setattr(firewall, "LOOK", 0)
    monkeypatch.setattr(firewall, "AGAIN", 0)
    monkeypatch.setattr(process, "peers", lambda: {"198.51.100.13"})
    return said


@pytest.fixture
def wall(nft):
    found = firewall.Firewall()
    found.allow({"198.51.100.12"}, "", {})
    found.tend()
    return found


def test_whom_the_running_keepalived_hears_passes_as_well(wall, nft):
    (text,) = nft["loaded"]
    assert "ip saddr 198.51.100.12 ip ttl 255 accept" in text and "ip saddr 198.51.100.13 ip ttl 255 accept" in text


def test_a_former_peer_is_heard_and_reaches_no_port_any_more(wall, nft):
    wall.allow({"198.51.100.14"}, "198.51.100.11", {"tcp": [1024]})
    wall.tend()
    announces, talks = (
        nft["loaded"][-1].partition(f"chain {chain} ")[2].partition("}")[0] for chain in ("vrrp", "peers_only")
    )
    assert [f"198.51.100.{number} " in announces for number in (12, 13, 14)] == [True] * 3
    assert [f"198.51.100.{number} " in talks for number in (12, 13, 14)] == [False, False, True]


def test_only_what_is_new_is_counted(wall, nft):
    nft["listed"] = listed(element("203.0.113.9", 64, 3))
    assert wall.tend() == {("203.0.113.9", 64): 3}
    nft["listed"] = listed(element("203.0.113.9", 64, 5), element("198.51.100.12", 254, 1))
    assert wall.tend() == {("203.0.113.9", 64): 2, ("198.51.100.12", 254): 1}
    assert wall.tend() == {} and len(nft["loaded"]) == 1


def test_what_somebody_has_flushed_is_loaded_again_and_counts_anew(wall, nft):
    nft["listed"] = listed(element("203.0.113.9", 64, 3))
    wall.tend()
    nft["listed"] = None
    assert wall.tend() == {} and len(nft["loaded"]) == 2
    nft["listed"] = listed(element("203.0.113.9", 64, 1))
    assert wall.tend() == {("203.0.113.9", 64): 1}


def test_where_nobody_is_to_be_kept_out_the_table_goes_and_does_not_come_back(wall, nft):
    wall.allow({"198.51.100.12"}, "198.51.100.11", None)
    wall.tend()
    nft["listed"] = None
    for _look in range(3):
        assert wall.tend() == {}
    assert nft["loaded"][1:] == [firewall.WITHOUT] and wall.former == {"198.51.100.13"}
    wall.allow({"198.51.100.12"}, "198.51.100.11", {})
    wall.tend()
    assert len(nft["loaded"]) == 3 and "counter drop" in nft["loaded"][2]


def test_a_keepalived_that_does_not_say_whom_it_hears_loses_nobody(nft, monkeypatch):
    wall = firewall.Firewall()
    monkeypatch.setattr(process, "peers", lambda: None)
    wall.allow({"198.51.100.12"}, "", {})
    assert wall.tend() == {} and nft["loaded"] == []
    monkeypatch.setattr(process, "peers", lambda: {"198.51.100.13"})
    wall.tend()
    monkeypatch.setattr(process, "peers", lambda: None)
    wall.allow({"198.51.100.14"}, "", {})
    wall.tend()
    assert all(f"ip saddr 198.51.100.{number} " in nft["loaded"][-1] for number in (12, 13, 14))


def test_an_nft_that_refuses_is_named_once_and_tried_again(nft, monkeypatch, capsys):
    monkeypatch.setattr(system, "run", lambda *words, stdin="": nft["loaded"].append(stdin))
    wall = firewall.Firewall()
    wall.allow({"198.51.100.12"}, "", {})
    for _look in range(4):
        assert wall.tend() == {}
    assert len(nft["loaded"]) == 4 and capsys.readouterr().out.count("nft refuses") == 1


def test_the_guard_remembers_the_last_strangers_only():
    strangers = firewall.Strangers({})
    for number in range(firewall.STRANGERS + 5):
        strangers.note(f"203.0.113.{number}", 64)
    strangers.note("203.0.113.24", 255, 2)
    assert len(strangers.known) == firewall.STRANGERS
    assert (strangers.known["203.0.113.24"]["count"], strangers.known["203.0.113.24"]["ttl"]) == (3, 255)
