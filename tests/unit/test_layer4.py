# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which node a client gets, what HAProxy, the kernel and conntrackd say, and what they are told: the pure half of layer4.py."""

from __future__ import annotations

import hashlib
import importlib.util
import ipaddress
import json
import socket
import struct
import time
import types
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

PROGRAM = Path(__file__).parents[2] / "roles/layer4/files/layer4.py"
_spec = importlib.util.spec_from_file_location("layer4", PROGRAM)
layer4 = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(layer4)


def node(name, backup=False, port=104):
    return {"name": name, "address": f"198.51.100.{20 + len(name)}", "port": port, "weight": None, "backup": backup}


def names(slots):
    return [taken and taken["name"] for taken in slots]


# --- which node --------------------------------------------------------------------------------------------------------

THREE = [node("pacs1"), node("pacs2"), node("pacs3")]
weighted = st.dictionaries(
    st.text("abcdefghij0123456789-", min_size=1, max_size=12), st.integers(1, 256), min_size=1, max_size=6
)


def test_every_slot_has_a_node_and_equal_nodes_get_equal_shares():
    slots = names(layer4.place(THREE, {"pacs1": 1, "pacs2": 1, "pacs3": 1}))
    assert len(slots) == layer4.SLOTS
    for name in ("pacs1", "pacs2", "pacs3"):
        assert 60 <= slots.count(name) <= 112, slots.count(name)


@settings(deadline=None, max_examples=20)
@given(weighted)
def test_weights_are_kept(weights):
    slots = names(layer4.place([node(name) for name in weights], weights))
    for name, weight in weights.items():
        share = weight / sum(weights.values())
        # Each slot is an independent draw: six standard deviations, and three for the smallest shares.
        deviation = (layer4.SLOTS * share * (1 - share)) ** 0.5
        assert abs(slots.count(name) - layer4.SLOTS * share) <= 6 * deviation + 3


@settings(deadline=None, max_examples=20)
@given(weighted, st.data())
def test_a_node_that_leaves_moves_its_own_slots_alone_and_gets_just_them_back(weights, data):
    nodes = [node(name) for name in weights]
    leaver = data.draw(st.sampled_from(sorted(weights)))
    before = names(layer4.place(nodes, weights))
    without = names(layer4.place(nodes, {name: weight for name, weight in weights.items() if name != leaver}))
    assert leaver not in without
    assert all(now == then for now, then in zip(without, before) if then != leaver)
    assert names(layer4.place(nodes, weights)) == before


@settings(deadline=None, max_examples=20)
@given(weighted, st.data())
def test_a_heavier_node_only_takes_slots(weights, data):
    nodes = [node(name) for name in weights]
    heavier = data.draw(st.sampled_from(sorted(weights)))
    before = names(layer4.place(nodes, weights))
    after = names(layer4.place(nodes, {**weights, heavier: 2 * weights[heavier]}))
    assert all(now == then for now, then in zip(after, before) if now != heavier)


@settings(deadline=None, max_examples=20)
@given(weighted, st.randoms(use_true_random=False))
def test_the_order_of_the_nodes_means_nothing(weights, random):
    nodes = [node(name) for name in weights]
    shuffled = random.sample(nodes, len(nodes))
    assert names(layer4.place(nodes, weights)) == names(layer4.place(shuffled, dict(sorted(weights.items()))))


def test_a_clients_node_is_the_same_in_every_service_and_every_program():
    # On both hosts and over updates of this collection: these are the slots of the first release.
    weights = {"pacs1": 1, "pacs2": 1}
    dicom = names(layer4.place([node("pacs1"), node("pacs2")], weights))
    assert dicom == names(layer4.place([node("pacs1", port=204), node("pacs2", port=204)], weights))
    assert "".join(name[-1] for name in dicom[:32]) == "12122112221111212111222121111121"


def test_backups_serve_only_when_no_other_node_is_left():
    nodes = [node("pacs1"), node("pacs2"), node("spare", backup=True), node("spare2", backup=True)]
    every = {"pacs1": 1, "pacs2": 1, "spare": 1, "spare2": 1}
    assert set(names(layer4.place(nodes, every))) == {"pacs1", "pacs2"}
    assert set(names(layer4.place(nodes, {**every, "pacs1": 0}))) == {"pacs2"}
    assert set(names(layer4.place(nodes, {"spare": 1, "spare2": 1}))) == {"spare", "spare2"}
    assert set(names(layer4.place(nodes, {**every, "pacs1": 0, "pacs2": 0}))) == {"spare", "spare2"}


def test_a_weight_of_nothing_and_an_unknown_node_get_nothing():
    assert set(names(layer4.place(THREE, {"pacs1": 1, "pacs2": 0}))) == {"pacs1"}
    assert names(layer4.place(THREE, {"stranger": 1})) == [None] * layer4.SLOTS
    assert names(layer4.place(THREE, {})) == [None] * layer4.SLOTS
    assert names(layer4.place([], {"pacs1": 1})) == [None] * layer4.SLOTS


# --- what HAProxy says -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "status, check_status, state",
    [
        # HAProxy 2.6 and 3.0; an asterisk means that a check is on its way.
        ("UP", "L4OK", "up"),
        ("UP", "* L4OK", "up"),
        ("UP", "L7OK", "up"),
        ("UP 2/3", "L4CON", "up"),
        ("UP 1/3", "* L4TOUT", "up"),
        ("no check", "", "up"),
        ("DOWN", "L4CON", "down"),
        ("DOWN", "* L4TOUT", "down"),
        ("DOWN 1/2", "L4OK", "down"),
        ("DOWN (agent)", "L4OK", "down"),
        ("MAINT", "", "drain"),
        ("MAINT (via dicom/pacs1)", "", "drain"),
        ("MAINT (resolution)", "", "drain"),
        ("DRAIN", "L4OK", "drain"),
        ("DRAIN 1/3", "L4CON", "drain"),
        ("DRAIN (agent)", "L4OK", "drain"),
        ("NOLB", "L7OKC", "drain"),
        ("NOLB 1/2", "L7OKC", "drain"),
    ],
)
@pytest.mark.parametrize("former", ["up", "down", "drain", None])
def test_what_a_servers_line_means(status, check_status, state, former):
    assert layer4.read_state({"status": status, "check_status": check_status}, former) == state


@pytest.mark.parametrize("check_status", ["INI", "* INI"])
@pytest.mark.parametrize("former", ["up", "down", "drain", None])
def test_what_a_new_worker_has_not_checked_yet_stays_what_it_was(check_status, former):
    assert layer4.read_state({"status": "UP", "check_status": check_status}, former) == former


# --- what the kernel says ----------------------------------------------------------------------------------------------


def test_a_maps_name_is_one_that_nft_takes():
    assert layer4.map_name({"address": "198.51.100.10", "port": 104}) == "to_198_51_100_10_104"
    assert layer4.map_name({"address": "2001:db8::10", "port": 11112}) == "to_2001_db8__10_11112"


def test_flows_as_conntrack_writes_them():
    text = """\
tcp      6 431999 ESTABLISHED src=203.0.113.7 dst=198.51.100.10 sport=44320 dport=104 src=198.51.100.21 dst=198.51.100.10 sport=11112 \
dport=1044 [ASSURED] mark=0 use=1
tcp      6 119 TIME_WAIT src=203.0.113.7 dst=198.51.100.10 sport=44330 dport=104 packets=6 bytes=325 src=198.51.100.22 dst=198.51.100.10 \
sport=11112 dport=44330 packets=4 bytes=226 [ASSURED] mark=0 delta-time=1 use=1
tcp      6 18 SYN_SENT src=203.0.113.8 dst=198.51.100.10 sport=40002 dport=104 [UNREPLIED] src=198.51.100.21 dst=198.51.100.10 sport=11112 \
dport=40002 mark=0 use=1
tcp      6 9 CLOSE src=203.0.113.8 dst=198.51.100.10 sport=40003 dport=104 src=198.51.100.21 dst=198.51.100.10 sport=11112 dport=40003 \
[ASSURED] mark=0 use=1
tcp      6 59 CLOSE_WAIT src=2001:db8:1::7 dst=2001:db8::10 sport=54070 dport=104 packets=4 bytes=301 src=2001:db8::21 dst=2001:db8::10 \
sport=104 dport=54070 packets=3 bytes=234 [ASSURED] mark=0 delta-time=1 use=1
"""
    keys = ("client", "client_port", "address", "port", "node", "node_port", "ended")
    assert [tuple(flow[key] for key in keys) for flow in layer4.parse_flows(text)] == [
        ("203.0.113.7", 44320, "198.51.100.10", 104, "198.51.100.21", 11112, False),
        ("203.0.113.7", 44330, "198.51.100.10", 104, "198.51.100.22", 11112, True),
        ("203.0.113.8", 40002, "198.51.100.10", 104, "198.51.100.21", 11112, False),
        ("203.0.113.8", 40003, "198.51.100.10", 104, "198.51.100.21", 11112, True),
        ("2001:db8:1::7", 54070, "2001:db8::10", 104, "2001:db8::21", 104, False),
    ]


def test_what_is_no_flow_is_passed_over():
    icmp = "icmp     1 29 src=198.51.100.11 dst=198.51.100.1 type=8 code=0 id=7 src=198.51.100.1 dst=198.51.100.11 type=0 code=0 id=7 mark=0 use=1\n"
    assert layer4.parse_flows(icmp + "conntrack v1.4.7 (conntrack-tools): 1 flow entries have been shown.\n") == []
    assert layer4.parse_flows("") == []


def test_connections_of_haproxy_as_ss_writes_them():
    # `ss -Htn state connected` keeps the column of the state.
    text = """\
ESTAB     0      0               198.51.100.10:104              203.0.113.7:58662
ESTAB     0      0               198.51.100.11:46368          198.51.100.21:104
TIME-WAIT 0      0               198.51.100.10:105              203.0.113.7:44330
ESTAB     0      0      [::ffff:198.51.100.10]:204     [::ffff:203.0.113.8]:46370
ESTAB     0      0              [2001:db8::10]:104          [2001:db8:1::7]:40202
ESTAB     0      0              [2001:db8::10]:80           [2001:db8:1::7]:40204
ESTAB     0      0               198.51.100.10:104      203.0.113.99%eth0:1
ESTAB     0      0               127.0.0.1:104                  127.0.0.1:58664
"""
    services = {("198.51.100.10", 104), ("198.51.100.10", 105), ("198.51.100.10", 204), ("2001:db8::10", 104)}
    assert layer4.parse_sockets(text, services) == [
        ("203.0.113.7", 58662, "198.51.100.10", 104),
        ("203.0.113.7", 44330, "198.51.100.10", 105),
        ("203.0.113.8", 46370, "198.51.100.10", 204),
        ("2001:db8:1::7", 40202, "2001:db8::10", 104),
    ]
    assert layer4.parse_sockets("\n", services) == []


def test_the_ends_that_a_map_names():
    def listing(**elements):
        header = {"metainfo": {"version": "1.0.6", "release_name": "Lester Gooch #5", "json_schema_version": 1}}
        of = {
            "family": "inet",
            "name": "to_198_51_100_10_104",
            "table": "layer4",
            "type": "integer",
            "handle": 1,
            "flags": ["timeout"],
        }
        return {"nftables": [header, {"map": {**of, "map": "ipv4_addr . inet_service", **elements}}]}

    elements = [
        [{"elem": {"val": slot, "timeout": 5, "expires": 4}}, {"concat": [f"198.51.100.{end}", port]}]
        for slot, end, port in ((0, 21, 104), (1, 22, 11112), (2, 21, 104))
    ]
    assert layer4.parse_map(listing(elem=elements)) == {("198.51.100.21", 104), ("198.51.100.22", 11112)}
    assert layer4.parse_map(listing()) == set()


# --- what the kernel is told -------------------------------------------------------------------------------------------


def test_a_transaction_says_everything_anew():
    slots = [THREE[0], None, THREE[0]]
    lines = layer4.transaction(
        {"to_a_104": slots, "to_b_105": [None]}, {("2001:db8::21", 104)}, {4: ["eth0", "eth1.5"], 6: []}
    ).splitlines()
    assert lines == [
        "flush map inet layer4 to_a_104",
        "add element inet layer4 to_a_104 { 0 timeout 5s : 198.51.100.25 . 104, 2 timeout 5s : 198.51.100.25 . 104 }",
        "flush map inet layer4 to_b_105",
        "flush set inet layer4 dead4",
        "flush set inet layer4 closed4",
        'add element inet layer4 closed4 { "eth0", "eth1.5" }',
        "flush set inet layer4 dead6",
        "flush set inet layer4 closed6",
        "add element inet layer4 dead6 { 2001:db8::21 . 104 }",
    ]


ports = st.integers(1, 65535)


@st.composite
def flows(draw):
    addresses = draw(st.sampled_from([st.ip_addresses(v=4), st.ip_addresses(v=6)]))
    return {
        "client": str(draw(addresses)),
        "client_port": draw(ports),
        "address": str(draw(addresses)),
        "port": draw(ports),
    }


@settings(deadline=None)
@given(flows(), st.integers(0, 2**32 - 1))
def test_a_provocation_is_an_ack_from_the_service_that_every_tcp_takes_for_whole(flow, sequence):
    packet = layer4.provocation(flow, sequence)
    source, target = (ipaddress.ip_address(flow[key]) for key in ("address", "client"))
    if source.version == 4:
        header, tcp = packet[:20], packet[20:]
        assert header[0] == 0x45 and header[8] > 0 and header[9] == socket.IPPROTO_TCP
        assert header[12:20] == source.packed + target.packed
    else:
        header, tcp = packet[:40], packet[40:]
        assert header[0] >> 4 == 6 and header[6] == socket.IPPROTO_TCP and header[7] > 0
        assert int.from_bytes(header[4:6], "big") == len(tcp) and header[8:] == source.packed + target.packed
    port, client_port, number, acknowledged, offset, flags, window, _checksum, urgent = struct.unpack("!HHIIBBHHH", tcp)
    assert (port, client_port, number) == (flow["port"], flow["client_port"], sequence)
    assert (offset, flags, acknowledged, window, urgent) == (0x50, 0x10, 0, 0, 0)
    # In the ones' complement a sum is a remainder: over the pseudo header (RFC 9293, 3.1; RFC 8200, 8.1) and the segment it is none.
    pseudo = source.packed + target.packed + len(tcp).to_bytes(4, "big") + bytes([0, 0, 0, socket.IPPROTO_TCP])
    assert int.from_bytes(pseudo + tcp, "big") % 0xFFFF == 0


@settings(deadline=None)
@given(st.binary(max_size=64))
def test_a_checksum_makes_any_bytes_whole(data):
    padded = data + b"\0" * (len(data) % 2)
    assert int.from_bytes(padded + layer4.checksum(data).to_bytes(2, "big"), "big") % 0xFFFF == 0


# --- what conntrackd and systemd say -----------------------------------------------------------------------------------

REPORT = """\
cache internal:
current active connections:\t           3
connections created:\t\t           5\tfailed:\t           0
connections updated:\t\t           4\tfailed:\t           0
connections destroyed:\t\t           2\tfailed:\t           0

external inject:
connections created:\t\t          11\tfailed:\t           1
connections updated:\t\t           7\tfailed:\t           0
connections destroyed:\t\t           6\tfailed:\t           0

traffic processed:
                   0 Bytes                         0 Pckts

UDP traffic (active device=eth0):
                 324 Bytes sent                  140 Bytes recv
                   6 Pckts sent                    4 Pckts recv
                   0 Error send                    0 Error recv

message tracking:
                   0 Malformed msgs                    0 Lost msgs
"""
QUEUE = """\
allocated queue nodes:\t\t          12

queue txqueue:
current elements:\t\t           9
maximum elements:\t\t  2147483647
not enough space errors:\t           0

queue errorq:
current elements:\t\t           8
maximum elements:\t\t         128
not enough space errors:\t           0

queue rsqueue:
current elements:\t\t           3
maximum elements:\t\t      131072
not enough space errors:\t           0

"""


def test_the_numbers_in_conntrackds_report():
    inject = REPORT.partition("external inject")[2]
    assert layer4.number("current active connections", REPORT) == 3
    assert (layer4.number("connections created", inject), layer4.number("connections updated", inject)) == (11, 7)
    assert (layer4.number("Bytes sent", REPORT), layer4.number("Bytes recv", REPORT)) == (324, 140)
    assert layer4.number("Lost msgs", REPORT) == 0 and layer4.number("Bytes recv", "") == 0


@pytest.fixture
def told(tmp_path, monkeypatch):
    """A configuration and its rules where the program looks for them, and answers of the programs that it asks."""
    service = {"name": "dicom", "address": "198.51.100.10", "port": 104, "nodes": [node("pacs1"), node("pacs22")]}
    others = {
        "mirrored": True,
        "interfaces": ["eth0"],
        "dead_after": 15,
        "connections": 65536,
        "haproxy_socket": "/gone",
        "state_file": "/gone",
    }
    configuration = {"services": [service], **others, "haproxy_peers": [], "haproxy_peers_port": 1024}
    for name, text in (("CONFIGURATION", json.dumps(configuration)), ("RULES", "table inet layer4 {}\n")):
        monkeypatch.setattr(layer4, name, tmp_path / name)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(layer4, "STATE", tmp_path / "state.json")
    monkeypatch.setattr(layer4, "FORMER", tmp_path / "former.json")
    flow = "tcp 6 9 {} src=203.0.113.7 dst=198.51.100.10 sport={} dport=104 src={} dst=198.51.100.10 sport=104 dport={} use=1\n"
    flows_of = (
        ("ESTABLISHED", 4001, 25),
        ("SYN_SENT", 4002, 26),
        ("ESTABLISHED", 4003, 26),
        ("TIME_WAIT", 4004, 26),
        ("ESTABLISHED", 4005, 10),
    )
    answers = {
        (*layer4.CONNTRACKD, "-s"): REPORT,
        (*layer4.CONNTRACKD, "-s", "queue"): QUEUE,
        (
            "conntrack",
            "--dump",
            "--family",
            "ipv4",
            "--proto",
            "tcp",
            "--dst",
            "198.51.100.10",
            "--dport",
            "104",
        ): "".join(flow.format(state, port, f"198.51.100.{end}", port) for state, port, end in flows_of),
    }

    def run(*command):
        return (0, answers[command]) if command in answers else (1, "")

    monkeypatch.setattr(layer4, "run", run)
    monkeypatch.setattr(layer4, "units", lambda asked: {name: {} for name in asked})
    return configuration


def test_the_status_counts_flows_by_node_and_reads_the_mirror(told):
    status = layer4.status()
    # What HAProxy has itself names the VIP where a forwarded one names its node.
    assert status["flows"] == {"dicom": {"pacs1": 1, "pacs22": 2}}
    assert status["mirror"] == {
        "wanted": True,
        "running": True,
        "ours": 3,
        "taken": 18,
        "waiting": 3,
        "sent": 324,
        "received": 140,
    }
    assert list(status["units"]) == ["layer4.service", "conntrackd.service", "layer4-flows@198.51.100.10.service"]
    assert status["running"] is False and status["current"] is False


def test_the_status_is_current_only_with_the_files_that_the_service_has_read(told):
    fingerprint = hashlib.sha256((layer4.RULES.read_text() + layer4.CONFIGURATION.read_text()).encode()).hexdigest()[
        :16
    ]
    layer4.STATE.write_text(
        json.dumps({"refreshed": time.time(), "fingerprint": fingerprint, "fault": "", "services": {}})
    )
    assert layer4.status()["current"] and layer4.status()["running"]
    layer4.RULES.write_text("# other rules\n")
    assert not layer4.status()["current"]


def test_units_as_systemd_describes_them(monkeypatch):
    # The last one was never started.
    described = """\
Id=layer4.service
ActiveState=active
UnitFileState=enabled
ExecMainStartTimestamp=@1000

Id=conntrackd.service
ActiveState=reloading
UnitFileState=disabled
ExecMainStartTimestamp=@3000

Id=layer4-flows@198.51.100.10.service
ActiveState=inactive
UnitFileState=
ExecMainStartTimestamp=

"""
    files = types.SimpleNamespace(
        path=types.SimpleNamespace(exists=lambda path: "gone" not in path),
        stat=lambda path: types.SimpleNamespace(st_mtime=2000.9),
    )
    monkeypatch.setattr(layer4, "os", files)
    monkeypatch.setattr(layer4, "run", lambda *command: (0, described))
    assert layer4.units([]) == {
        "layer4.service": {"active": True, "enabled": True, "outdated": True},
        "conntrackd.service": {"active": True, "enabled": False, "outdated": False},
        "layer4-flows@198.51.100.10.service": {"active": False, "enabled": False, "outdated": False},
    }


# --- what becomes of an answer -----------------------------------------------------------------------------------------


def test_dead_ends_nodes_without_a_state_and_silence(told, monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(layer4, "device_of", lambda address: "eth1")
    monkeypatch.setattr(layer4.time, "monotonic", lambda: clock[0])
    service = layer4.Layer4()
    assert service.devices == ["eth0", "eth1"]

    def look(rows):
        monkeypatch.setattr(service.haproxy, "ask", lambda: rows)
        service.look()
        maps, dead = service.decide()
        return {name for name in names(maps["dicom"]) if name}, dead

    def row(name, status, check_status="L4OK", weight="1", service="dicom"):
        return {"pxname": service, "svname": name, "status": status, "check_status": check_status, "weight": weight}

    assert look(None) == (set(), set()), "nobody has said anything yet"
    assert look([row("pacs1", "UP", "INI"), row("pacs22", "UP", "INI")]) == (set(), set())
    assert look([row("pacs1", "UP"), row("pacs22", "UP"), row("pacs1", "DOWN", service="web")]) == (
        {"pacs1", "pacs22"},
        set(),
    )
    assert list(service.states) == [("dicom", "pacs1"), ("dicom", "pacs22")], "of what is not forwarded nothing is said"
    assert look([row("pacs1", "UP"), row("pacs22", "DOWN", "L4CON")]) == ({"pacs1"}, set())
    clock[0] += 14.9
    assert look([row("pacs1", "UP"), row("pacs22", "UP", "* INI")]) == ({"pacs1"}, set()), (
        "a reload with a dead node sends it nothing"
    )
    assert look(None) == ({"pacs1"}, set())
    clock[0] += 0.1
    assert look([row("pacs1", "DRAIN"), row("pacs22", "DOWN")]) == (set(), {("198.51.100.26", 104)})
    clock[0] += 60
    assert look(None) == (set(), {("198.51.100.26", 104)}), "silence changes nothing"
    assert look([row("pacs1", "UP", weight="0"), row("pacs22", "UP")]) == ({"pacs22"}, set())


# --- a file before it is taken -----------------------------------------------------------------------------------------


def test_a_configuration_has_just_its_keys(told):
    layer4.check(str(layer4.CONFIGURATION))
    layer4.CONFIGURATION.write_text(json.dumps({**dict.fromkeys(layer4.KEYS - {"dead_after"}, 0), "death_after": 15}))
    with pytest.raises(
        SystemExit, match=r"the keys are connections, death_after, .* and should be connections, dead_after"
    ):
        layer4.check(str(layer4.CONFIGURATION))


def test_an_end_that_serves_another_service_is_not_dead(told, monkeypatch):
    store = {"name": "store", "address": "198.51.100.10", "port": 11112, "nodes": told["services"][0]["nodes"]}
    layer4.CONFIGURATION.write_text(json.dumps({**told, "services": [*told["services"], store]}))
    monkeypatch.setattr(layer4, "device_of", lambda address: None)
    monkeypatch.setattr(layer4.time, "monotonic", lambda: 100.0)
    service = layer4.Layer4()
    rows = [
        {"pxname": name, "svname": "pacs1", "check_status": "L4OK", "status": "DOWN", "weight": "1"}
        for name in ("dicom", "store")
    ]
    monkeypatch.setattr(service.haproxy, "ask", lambda: rows)
    service.look()
    monkeypatch.setattr(layer4.time, "monotonic", lambda: 115.0)
    service.look()
    assert service.decide()[1] == {("198.51.100.25", 104)}
    # A check that asks for less than the other is satisfied, and clients of that service are sent here.
    rows[1]["status"] = "UP"
    service.look()
    maps, dead = service.decide()
    assert set(names(maps["store"])) == {"pacs1"} and dead == set()


# --- the kernel's settings ---------------------------------------------------------------------------------------------


@pytest.fixture
def sys_tree(tmp_path, monkeypatch):
    monkeypatch.setattr(layer4.Kernel, "ROOT", tmp_path / "sys")
    monkeypatch.setattr(layer4, "FORMER", tmp_path / "lib/former.json")
    (tmp_path / "sys/net").mkdir(parents=True)
    (tmp_path / "sys/net/max").write_text("1000\n")
    return tmp_path / "sys/net"


def test_what_the_site_had_comes_back_however_often_it_was_raised(sys_tree):
    assert layer4.Kernel().put("net/max", "2000")
    assert layer4.Kernel().put("net/max", "3000")
    assert (sys_tree / "max").read_text() == "3000"
    layer4.Kernel().restore()
    assert (sys_tree / "max").read_text() == "1000" and not layer4.FORMER.exists()


def test_what_cannot_be_set_is_not_given_back(sys_tree):
    # Readable for everybody, and not to be written by anybody.
    (sys_tree / "fixed").symlink_to("/proc/version")
    assert not layer4.Kernel().put("net/fixed", "2000")
    assert not layer4.Kernel().put("net/none", "1")
    layer4.Kernel().restore()


# --- the site's own rules ----------------------------------------------------------------------------------------------


def chain(table, name, policy="accept", hook="forward", family="ip"):
    base = {"type": "filter", "hook": hook, "prio": 0, "policy": policy} if hook else {}
    return {"chain": {"family": family, "table": table, "name": name, **base}}


def rule(table, name, *expr, family="ip"):
    return {"rule": {"family": family, "table": table, "chain": name, "expr": list(expr)}}


COUNTER = {"counter": {"packets": 0, "bytes": 0}}
DNAT = {"match": {"op": "in", "left": {"ct": {"key": "status"}}, "right": "dnat"}}


@pytest.mark.parametrize(
    "items, rules",
    [
        ([chain("filter", "FORWARD")], []),
        ([chain("filter", "FORWARD", "drop")], ["iptables -I FORWARD -m conntrack --ctstate DNAT -j ACCEPT"]),
        ([chain("filter", "INPUT", "drop", hook="input")], []),
        ([chain("layer4", "forward", "drop", family="inet")], []),
        ([chain("filter", "FORWARD", "drop", family="ip6")], []),
        (
            [chain("filter", "FORWARD", "drop"), chain("filter", "DOCKER-USER", hook=None)],
            ["iptables -I DOCKER-USER -m conntrack --ctstate DNAT -j ACCEPT"],
        ),
        (
            [chain("filter", "FORWARD", "drop"), chain("filter", "ufw-before-forward", hook=None)],
            ["iptables -I ufw-before-forward -m conntrack --ctstate DNAT -j ACCEPT"],
        ),
        # firewalld rejects at the end what it does not know, and lets through what was translated.
        (
            [
                chain("firewalld", "filter_FORWARD", family="inet"),
                rule("firewalld", "filter_FORWARD", DNAT, {"accept": None}, family="inet"),
                rule("firewalld", "filter_FORWARD", COUNTER, {"reject": {"type": "icmpx"}}, family="inet"),
            ],
            [],
        ),
        (
            [chain("own", "transit", family="inet"), rule("own", "transit", COUNTER, {"drop": None}, family="inet")],
            ["nft insert rule inet own transit ct status dnat accept"],
        ),
        ([chain("own", "transit", family="inet"), rule("own", "transit", DNAT, {"drop": None}, family="inet")], []),
    ],
)
def test_what_of_the_sites_may_drop_a_forwarded_connection(items, rules):
    found = layer4.obstacles({"nftables": [{"metainfo": {"version": "1.0.6"}}, *items]}, {4})
    assert [entry["rule"] for entry in found] == rules


def test_a_beacon_is_heard_whatever_the_nodes_port_is(told, monkeypatch, capsys):
    # conntrack keeps the service's port where only an address is translated; the nodes of this service listen on another one.
    told["services"][0]["nodes"] = [{**node, "port": 11112} for node in told["services"][0]["nodes"]]
    layer4.CONFIGURATION.write_text(json.dumps(told))
    entry = (
        "tcp      6 19 ESTABLISHED src=192.0.2.1 dst=198.51.100.10 sport=4711 dport=104 packets=0 bytes=0"
        " src=198.51.100.25 dst=192.0.2.1 sport=104 dport=4711 packets=0 bytes=0 [ASSURED] mark=0 use=1\n"
    )
    monkeypatch.setattr(layer4, "run", lambda *command: (0, entry))
    layer4.heard("4711")
    assert json.loads(capsys.readouterr().out) == ["4711"]
