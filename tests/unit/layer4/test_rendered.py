# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is rendered for services at layer 4: accepted by the real programs, loaded into a kernel's network namespace,
and filled there.
"""

from __future__ import annotations

import dataclasses
import json
import re
import shutil

import pytest
import rendering
from factories import NODES, build, facts, hosts
from layer4 import config, hashing, nft, system, trial
from programs import INTERFACE, haproxy_says, in_namespace, keepalived_says, on_this_machine
from test_render import V6, lines, section

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.output import as_dict

BRIDGE = {"device": "br-ab1", "type": "bridge", "ipv4": {"address": "172.18.0.1", "prefix": "16"}}
V6_NODES = [{"name": "pacs1", "address": "2001:db8::21"}, {"name": "pacs2", "address": "2001:db8::22"}]


def both_families():
    """Two hosts with a network of either family, a link of their own between them, and containers."""
    pair = hosts()
    for number, host in enumerate(pair.values(), 1):
        more = {
            "link0": {"device": "link0", "ipv6": [{"address": f"fd00::{number}", "prefix": "64", "scope": "global"}]},
            "br_ab1": BRIDGE,
        }
        host["facts"] = facts(f"198.51.100.1{number}", **more)
        host["facts"]["eth0"]["ipv6"].append({"address": f"2001:db8::1{number}", "prefix": "64", "scope": "global"})
        host["variables"] = {"infinitt_mirror_address": f"fd00::{number}"}
    return pair


SITES = {
    "pair": (hosts(), {"infinitt_layer": 4}),
    "single": ({"lb1": hosts()["lb1"]}, {"infinitt_layer": "4"}),
    "one service": (
        hosts(),
        {"infinitt_services": {"dicom": {"layer": 4}, "query": {"enabled": False}, "mwl": {"persistence": "none"}}},
    ),
    "web": (hosts(), {"infinitt_services": {"web": {"layer": 4}}}),
    "ipv6": (V6, {"infinitt_layer": 4, "infinitt_vip": "2001:db8::10/64", "infinitt_nodes": V6_NODES}),
    "ipv6, encrypted": (
        V6,
        {
            "infinitt_layer": 4,
            "infinitt_vip": "2001:db8::10/64",
            "infinitt_nodes": V6_NODES,
            "infinitt_mirror_encrypted": True,
            # This host alone is asked: what was deployed on it counts.
            "__infinitt_mirror_key": {"peer_key": "HIgo9xNzJMWLKASShiTqIybxZ0U3wGLiUeJ1PKf8ykw="},
        },
    ),
    "both families, a link": (
        both_families(),
        {
            "infinitt_layer": 4,
            "infinitt_services": {"mwl": {"vip": "2001:db8::10/64", "nodes": V6_NODES, "node_port": 11112}},
        },
    ),
    "unequal nodes, high ports": (
        hosts(),
        {
            "infinitt_layer": 4,
            "infinitt_nodes": [
                {**NODES[0], "weight": 10},
                NODES[1],
                {"name": "pacs3", "address": "198.51.100.23", "backup": True},
            ],
            "infinitt_services": {"dicomtls": {"port": 2762}, "store": {"port": 11112, "node_port": 104}},
        },
    ),
    "sources": (
        hosts(),
        {
            "infinitt_layer": 4,
            "infinitt_services": {
                "dicom": {"allowed_sources": "203.0.113.0/24, 203.0.113.64/26, 198.51.100.60", "client_rate": 20},
                "query": {"client_connections": "8"},
                "mwl": {"vip": "198.51.100.9/24", "allowed_sources": ["198.51.100.61"]},
            },
        },
    ),
}
BUILT = {
    name: build(
        on_this_machine(load_balancers), **{key: value for key, value in written.items() if not key.startswith("__")}
    )
    for name, (load_balancers, written) in SITES.items()
}
MIRRORED = [name for name in SITES if name != "single"]
FORWARDED = {name: as_dict(site)["layer4_services"] for name, site in BUILT.items()}


@pytest.fixture(scope="module")
def rendered():
    assert {name: site.problems for name, site in BUILT.items()} == {name: [] for name in BUILT}
    for name in (
        "one service",
        "web",
        "ipv6",
        "ipv6, encrypted",
        "unequal nodes, high ports",
    ):  # rendering takes its time
        BUILT[name] = dataclasses.replace(BUILT[name], hosts={"lb1": BUILT[name].hosts["lb1"]})
    return rendering.render({name: (SITES[name][1], as_dict(site)) for name, site in BUILT.items()})


# --- the real programs ------------------------------------------------------------------------------------------------


def in_kernel(*texts):
    """All that the kernel has after each text, one after the other: by name the elements of maps and sets, and the
    rules by chain.
    """
    script = "".join(f"nft --file - <<'END'\n{text}\nEND\nnft --json list table {nft.TABLE}\n" for text in texts)
    states = []
    for line in in_namespace("sh", "-e", given=script).split("\n"):
        if not line:
            continue
        states.append({"chains": {}})
        for item in json.loads(line)["nftables"]:
            for kind in ("map", "set"):
                if kind in item:
                    states[-1][item[kind]["name"]] = item[kind].get("elem", [])
            if "rule" in item:
                states[-1]["chains"].setdefault(item["rule"]["chain"], []).append(item["rule"]["expr"])
    return states


@pytest.mark.parametrize("name", SITES)
def test_nft_accepts_it(name, rendered):
    for text in rendered[name].values():
        in_namespace("nft", "--check", "--file", "-", given=text["layer4"])


@pytest.mark.skipif(not shutil.which("keepalived"), reason="keepalived is not installed")
@pytest.mark.parametrize("name", SITES)
def test_keepalived_accepts_it(name, rendered, tmp_path):
    for host, text in rendered[name].items():
        assert keepalived_says(text["keepalived"], tmp_path / f"{host}.conf") == (0, "")


@pytest.mark.skipif(not shutil.which("haproxy"), reason="haproxy is not installed")
@pytest.mark.parametrize("name", SITES)
def test_haproxy_accepts_it_and_has_every_service_that_is_forwarded(name, rendered, tmp_path):
    for host, text in rendered[name].items():
        path = tmp_path / f"{host}.cfg"
        path.write_text(text["haproxy"])
        code, said = haproxy_says(path)
        assert code == 0 and "WARNING" not in said, said
        for service in FORWARDED[name]:
            # The names are those by which the daemon asks HAProxy.
            servers = [
                line.split()[1]
                for line in section(text["haproxy"], f"backend {service['name']}")
                if line.startswith("server ")
            ]
            assert servers == [node["name"] for node in service["nodes"]]


# --- the rules and what fills them ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SITES)
def test_the_program_and_the_rules_name_the_same_things(name, rendered):
    for text in rendered[name].values():
        first, second = ([nft.map_name(service, choice) for service in FORWARDED[name]] for choice in ("to", "second"))
        declared = re.findall(r"^ +map (\w+) ", text["layer4"], re.MULTILINE)
        assert declared == [map_name for pair in zip(first, second) for map_name in pair]
        assert re.findall(r" map @(\w+)$", text["layer4"], re.MULTILINE) == [*first, *second]
        assert set(re.findall(r" mod (\d+) ", text["layer4"])) == {str(hashing.SLOTS)}
        assert f"meta mark {nft.MARK:#x} notrack" in lines(text["layer4"])
        assert f"table {nft.TABLE} {{" in lines(text["layer4"])


@pytest.mark.parametrize("name", MIRRORED)
def test_a_transaction_fills_the_kernel_and_the_next_one_replaces_it(name, rendered):
    services = FORWARDED[name]
    every = {node["name"]: node["weight"] or 1 for service in services for node in service["nodes"]}
    full = {
        nft.map_name(service, choice): hashing.place(service["nodes"], every, number)
        for service in services
        for number, choice in enumerate(("to", "second"))
    }
    empty = {map_name: [None] * hashing.SLOTS for map_name in full}
    ends = {(node["address"], node["port"]) for service in services for node in service["nodes"]}
    loaded, filled, emptied, again = in_kernel(
        rendered[name]["lb1"]["layer4"],
        nft.transaction(full, ends, {4: ["eth0", "wg-1.5"], 6: ["eth0"]}),
        nft.transaction(empty, set(), {4: [], 6: []}),
        rendered[name]["lb1"]["layer4"] + nft.transaction(full, set(), {4: [], 6: ["eth0"]}),
    )
    assert all(loaded[map_name] == [] for map_name in full), "until it is filled, connections reach HAProxy"
    for map_name, slots in full.items():
        for state in (filled, again):
            elements = state[map_name]
            assert {key["elem"]["val"]: tuple(value["concat"]) for key, value in elements} == {
                slot: (node["address"], node["port"]) for slot, node in enumerate(slots)
            }
            assert {key["elem"]["timeout"] for key, value in elements} == {nft.EXPIRY}
            listing = {"nftables": [{"metainfo": {}}, {"map": {"name": map_name, "elem": elements}}]}
            assert nft.parse_map(listing) == {(node["address"], node["port"]) for node in slots}
    assert {tuple(end["concat"]) for end in filled["dead4"] + filled["dead6"]} == ends
    assert sorted(filled["closed4"]) == ["eth0", "wg-1.5"] and filled["closed6"] == ["eth0"]
    for key in (*full, "dead4", "dead6", "closed4", "closed6"):
        assert emptied[key] == [], key
    assert again["dead4"] == again["dead6"] == again["closed4"] == [] and again["closed6"] == ["eth0"]
    assert again["chains"] == loaded["chains"], "the table that is loaded again is one, not two"


@pytest.mark.parametrize("name", SITES)
def test_what_the_kernel_knows_of_services_and_nodes(name, rendered):
    (loaded,) = in_kernel(rendered[name]["lb1"]["layer4"])
    of = {
        "4": [s for s in FORWARDED[name] if ":" not in s["address"]],
        "6": [s for s in FORWARDED[name] if ":" in s["address"]],
    }
    for family, services in of.items():
        assert {tuple(end["concat"]) for end in loaded[f"services{family}"]} == {
            (s["address"], s["port"]) for s in services
        }
        assert set(loaded[f"vips{family}"]) == {s["address"] for s in services}
        nodes = {(node["address"], node["port"]) for service in services for node in service["nodes"]}
        assert {tuple(end["concat"]) for end in loaded[f"nodes{family}"]} == nodes
    forwarding = [rule for rule in loaded["chains"]["prerouting"] if any("dnat" in part for part in rule)]
    assert len(forwarding) == len(loaded["chains"]["postrouting"]) == len(FORWARDED[name])


@pytest.mark.parametrize("name", SITES)
def test_a_node_is_asked_from_the_vip_and_from_no_port_of_a_service(name, rendered):
    for service in FORWARDED[name]:
        own = f"[{service['address']}]" if ":" in service["address"] else service["address"]
        found = [line for line in lines(rendered[name]["lb1"]["layer4"]) if f"proto-dst {service['port']} snat" in line]
        assert len(found) == 1
        low, high = re.search(rf" to {re.escape(own)}:(\d+)-(\d+)$", found[0]).groups()
        assert 1023 < int(low) < int(high) < 65536
        assert not any(int(low) <= other["port"] <= int(high) for other in FORWARDED[name])


def test_web_stays_in_haproxy_unless_it_says_layer_4(rendered):
    for name in ("pair", "one service"):
        assert not any("80" in line.split() for line in lines(rendered[name]["lb1"]["layer4"]))
    assert [service["name"] for service in FORWARDED["pair"]] == ["dicom", "query", "mwl"]
    assert [service["name"] for service in FORWARDED["one service"]] == ["dicom"]


def test_web_at_layer_4_is_forwarded_with_its_check_and_a_table_of_its_own(rendered):
    text = rendered["web"]["lb1"]
    assert any("198.51.100.10 tcp dport 80 dnat" in line for line in lines(text["layer4"]))
    backend = section(text["haproxy"], "backend web")
    for line in ("mode tcp", "option httpchk", "http-check expect status 200-399", "stick on src table _affinity_web"):
        assert line in backend
    assert "mode tcp" in section(text["haproxy"], "frontend web")
    assert not any("X-Forwarded-For" in line or "cookie" in line for line in lines(text["haproxy"]))
    assert "stick on src table _affinity_dicom" in section(text["haproxy"], "backend dicom")


# --- the mirror -------------------------------------------------------------------------------------------------------


def test_the_mirrors_port_is_open_to_the_peer_alone(rendered):
    def rules(name, host):
        text = lines(rendered[name][host]["layer4"])
        return text[text.index("chain mirror {") + 1 :][:2]

    for name, host, family, interface, there, here in (
        ("pair", "lb1", "ip", INTERFACE, "198.51.100.12", "198.51.100.11"),
        ("pair", "lb2", "ip", INTERFACE, "198.51.100.11", "198.51.100.12"),
        ("ipv6", "lb1", "ip6", INTERFACE, "2001:db8::12", "2001:db8::11"),
        ("ipv6, encrypted", "lb1", "ip", "layer4-mirror", "169.254.37.81", "169.254.37.80"),
        ("both families, a link", "lb2", "ip6", "link0", "fd00::1", "fd00::2"),
    ):
        assert rules(name, host) == [
            f'iifname "{interface}" {family} saddr {there} {family} daddr {here} return',
            "counter drop",
        ]
        assert "udp dport 3780 jump mirror" in lines(rendered[name][host]["layer4"])
    assert "mirror" not in rendered["single"]["lb1"]["layer4"] and "3780" not in rendered["single"]["lb1"]["layer4"]


def test_the_tunnel_is_between_the_hosts_own_addresses_and_its_key_stays_where_it_is(rendered):
    text = rendered["ipv6, encrypted"]["lb1"]["mirror"].replace("\\\n    ", "")
    assert (
        "ExecStart=/usr/bin/wg set layer4-mirror listen-port 3781 private-key /etc/layer4/mirror.key"
        " peer HIgo9xNzJMWLKASShiTqIybxZ0U3wGLiUeJ1PKf8ykw= endpoint [2001:db8::12]:3781 allowed-ips 169.254.37.81"
    ) in lines(text)
    assert "ExecStart=/bin/ip link set dev layer4-mirror mtu 1420 up" in lines(text)
    assert "mirror" not in rendered["ipv6"]["lb1"]


@pytest.mark.parametrize("name", MIRRORED)
def test_conntrackd_mirrors_between_the_two_ends_and_never_the_hosts_own(name, rendered):
    for host, text in rendered[name].items():
        mirror = BUILT[name].hosts[host].mirror
        family = "IPv6" if ":" in mirror.address else "IPv4"
        udp = section(text["conntrackd"].replace("    UDP", "UDP"), "UDP")
        for line in (
            f"{family}_address {mirror.address}",
            f"{family}_Destination_Address {mirror.peers[0]}",
            "Port 3780",
            f"Interface {mirror.interface}",
        ):
            assert line in udp
        assert text["conntrackd"].count("{") == text["conntrackd"].count("}")
        assert "DisableExternalCache on" in lines(text["conntrackd"]) and "Mode FTFW {" in lines(text["conntrackd"])
        assert "HashLimit 131072" in lines(text["conntrackd"])
        assert re.search(r"State Ignore \{\s+SYN_SENT for TCP\s+\}", text["conntrackd"])
        ignored = re.search(r"Address Ignore \{\n(.*?)\}", text["conntrackd"], re.DOTALL)[1].split()
        assert all((":" in value) == (key == "IPv6_address") for key, value in zip(ignored[::2], ignored[1::2]))
        values = ignored[1::2]
        assert len(values) == len(set(values))
        assert {"127.0.0.1", "::1", *(service["address"] for service in FORWARDED[name])} <= set(values)
        assert {peer["address"] for peer in BUILT[name].peers} | {mirror.address, *mirror.peers} <= set(values)
        assert ("172.18.0.0/16" in values) == (name == "both families, a link")
        assert not any(node["address"] in values for service in FORWARDED[name] for node in service["nodes"])


@pytest.mark.parametrize("name", MIRRORED)
def test_the_trial_of_a_mirror_exchanges_its_ends(name, rendered, tmp_path, monkeypatch):
    path = tmp_path / "conntrackd.conf"
    path.write_text(rendered[name]["lb1"]["conntrackd"])
    tried = {}

    def run(*command, timeout):
        tried.update(pair.split("=", 1) for pair in command if re.match("[A-Z]+=", pair))
        tried.update({end: open(tried[end], encoding="utf-8").read() for end in ("NEAR", "FAR")})
        return 1, "no"

    monkeypatch.setattr(system, "run", run)
    with pytest.raises(SystemExit, match=r"^conntrackd does not mirror with .*conntrackd\.conf: no$"):
        trial.try_mirror(str(path))
    mirror = BUILT[name].hosts["lb1"].mirror
    assert tried["INTERFACE"] == mirror.interface
    here, there = mirror.address, mirror.peers[0]
    assert (tried["HERE"], tried["THERE"]) == (here, there)
    for end, own, other in (("NEAR", here, there), ("FAR", there, here)):
        assert f"_address {own}\n" in tried[end].partition("General")[0]
        assert f"_Destination_Address {other}\n" in tried[end]
        assert "Systemd off" in tried[end] and "Systemd on" not in tried[end]
    assert [file.name for file in tmp_path.iterdir()] == ["conntrackd.conf"]


# --- what the unit and Keepalived are told ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", SITES)
def test_the_unit_is_told_what_it_asks_for(name, rendered, tmp_path):
    for host, text in rendered[name].items():
        path = tmp_path / f"{host}.json"
        path.write_text(text["configuration"])
        config.check(str(path))
        told = json.loads(text["configuration"])
        assert told["services"] == FORWARDED[name]
        assert told["mirrored"] is (name != "single") and told["interfaces"] == [INTERFACE]
        assert (told["dead_after"], told["connections"], told["peers_port"]) == (15, 65536, 1024)
        assert told["address"] == BUILT[name].hosts[host].address
        assert told["peers"] == [peer["address"] for peer in BUILT[name].hosts[host].peers]


def test_a_host_that_forwards_is_judged_by_layer4_and_completes_the_mirror_as_master(rendered):
    for name in SITES:
        for text in rendered[name].values():
            instance = section(text["keepalived"], "vrrp_instance vip")
            state_file = json.loads(text["configuration"])["state_file"]
            assert f'file "{state_file}"' in section(text["keepalived"], "track_file file_3")
            assert "haproxy" not in text["keepalived"]
            assert ('notify_master "/usr/local/sbin/layer4 master"' in instance) is (name != "single")
