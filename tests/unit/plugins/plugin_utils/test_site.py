# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the user writes, and the site that is built from it."""

from __future__ import annotations

import pytest
from factories import DEFAULTS, NODES, build, facts, hosts, service
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.output import as_dict
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.types import Vip
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.variables import NODE_KEYS, SERVICE_KEYS

# --- what is right -----------------------------------------------------------------------------------------------------


def test_two_variables_make_the_four_services_of_the_contract():
    site = build()
    assert site.problems == []
    rows = [(s.name, s.port, s.mode, s.check, s.persistence, s.address) for s in site.services]
    assert rows == [
        ("web", 80, "http", "http", "cookie", "198.51.100.10"),
        ("dicom", 104, "tcp", "tcp", "source", "198.51.100.10"),
        ("query", 105, "tcp", "tcp", "source", "198.51.100.10"),
        ("mwl", 204, "tcp", "tcp", "source", "198.51.100.10"),
    ]


def test_one_affinity_for_dicom_query_and_mwl():
    site = build()
    assert {s.name: s.affinity for s in site.services} == {
        "web": None,
        "dicom": "dicom",
        "query": "dicom",
        "mwl": "dicom",
    }


def test_a_service_with_other_nodes_has_an_affinity_of_its_own():
    site = build(
        infinitt_services={
            "mwl": {"nodes": [{"name": "ris", "address": "198.51.100.31"}]},
            "query": {"nodes": ["pacs1"]},
        }
    )
    assert {s.name: s.affinity for s in site.services if s.affinity} == {
        "dicom": "dicom",
        "query": "query",
        "mwl": "mwl",
    }
    assert [node.address for node in service(site, "mwl").nodes] == ["198.51.100.31"]
    assert [node.name for node in service(site, "query").nodes] == ["pacs1"]


def test_what_differs_is_merged_over_the_defaults():
    site = build(
        infinitt_services={
            "web": {"check_path": "/health"},
            "dicom": {"check": "echo", "called_ae": "ARCHIVE"},
            "mwl": {"enabled": False},
        }
    )
    assert service(site, "web").check_path == "/health" and service(site, "web").check == "http"
    assert (service(site, "dicom").check, service(site, "dicom").called_ae) == ("echo", "ARCHIVE")
    assert [s.name for s in site.services] == ["web", "dicom", "query"]


def test_a_new_service_needs_its_port_alone():
    tls = service(build(infinitt_services={"dicomtls": {"port": 2762, "node_port": 2763}}), "dicomtls")
    assert (tls.mode, tls.check, tls.persistence, tls.port, tls.nodes[0].port) == ("tcp", "tcp", "source", 2762, 2763)


def test_strings_of_a_survey_are_as_good_as_numbers_and_empty_is_unset():
    site = build(
        infinitt_router_id="77",
        infinitt_stats_port="",
        infinitt_preflight="",
        infinitt_services={"web": {"port": "8080", "enabled": "true"}},
    )
    assert site.problems == []
    assert site.router_id == 77 and service(site, "web").port == 8080


def test_a_vip_without_prefix_takes_that_of_the_interface():
    site = build(infinitt_vip="198.51.100.10")
    assert site.problems == []
    assert site.hosts["lb1"].vips == [Vip("198.51.100.10", 24, "eth0")]


def test_one_port_may_stand_on_several_vips():
    site = build(infinitt_services={"mwl": {"vip": "198.51.100.9/24", "port": 104}})
    assert site.problems == []
    assert [vip.address for vip in site.hosts["lb1"].vips] == ["198.51.100.10", "198.51.100.9"]


def test_the_router_id_is_found_in_the_vip():
    assert build().router_id == 10


def test_priorities_count_down_and_everybody_else_is_a_peer():
    site = build(hosts(lb3={"ansible_host": "198.51.100.13", "facts": None}))
    assert [host.priority for host in site.hosts.values()] == [254, 253]
    assert [peer["name"] for peer in site.hosts["lb1"].peers] == ["lb2", "lb3"]
    assert [peer["name"] for peer in site.peers] == ["lb1", "lb2", "lb3"]


def test_the_gateway_is_found_where_it_is_a_neighbour():
    assert build().hosts["lb1"].gateway == "198.51.100.1"
    elsewhere = hosts(lb1={"facts": facts("198.51.100.11", gateway="203.0.113.1")})
    assert build(elsewhere).hosts["lb1"].gateway is None
    assert build(hosts(lb1={"variables": {"infinitt_gateway": "none"}})).hosts["lb1"].gateway is None


def test_a_vip_that_is_held_does_not_hide_its_network():
    holder = hosts(lb1={"facts": facts("198.51.100.11", secondaries=[("198.51.100.10", "32")])})
    assert build(holder, infinitt_vip="198.51.100.10/32").hosts["lb1"].vips == [Vip("198.51.100.10", 32, "eth0")]


def test_ipv6():
    both = {
        name: {
            "facts": facts(
                f"198.51.100.{n}",
                eth1={"device": "eth1", "ipv6": [{"address": f"2001:db8::{n}", "prefix": "64", "scope": "global"}]},
            )
        }
        for name, n in (("lb1", 11), ("lb2", 12))
    }
    for name, n in (("lb1", 11), ("lb2", 12)):
        both[name]["variables"] = {"infinitt_address": f"2001:db8::{n}"}
    site = build(hosts(**both), infinitt_vip="2001:db8::10/64")
    assert site.problems == []
    assert site.hosts["lb2"].interface == "eth1" and service(site, "web").check_host == "[2001:db8::10]"


def test_ids_and_cookies_stay_with_the_name():
    node = service(build(), "dicom").nodes[1]
    alone = service(build(infinitt_nodes=[NODES[1]]), "dicom").nodes[0]
    assert (node.name, node.id, node.cookie) == (alone.name, alone.id, alone.cookie)
    assert "pacs" not in node.cookie and 0 < node.id < 2**31


def test_questions_for_the_nodes_and_for_the_vip():
    site = as_dict(build(infinitt_services={"dicom": {"check": "echo", "node_port": 11112}}))
    asked = {check["name"]: check for check in site["node_checks"]}
    assert asked["dicom"] == {
        "name": "dicom",
        "check": "echo",
        "called_ae": "INFINITT",
        "calling_ae": "PACSLB",
        "port": 11112,
        "nodes": [{"name": n["name"], "address": n["address"]} for n in NODES],
    }
    through = {check["name"]: check for check in site["vip_checks"]}
    assert through["dicom"]["port"] == 104 and through["dicom"]["nodes"] == [
        {"name": "VIP", "address": "198.51.100.10"}
    ]


# --- layer 4 -----------------------------------------------------------------------------------------------------------


def layers(site):
    return {service.name: service.layer for service in site.services}


@pytest.mark.parametrize(
    "written, layer",
    [
        ({}, 7),
        ({"infinitt_layer": ""}, 7),
        ({"infinitt_layer": "7"}, 7),
        ({"infinitt_layer": 4}, 4),
        ({"infinitt_layer": " 4 "}, 4),
    ],
)
def test_the_layer_is_that_of_all_tcp_services_and_web_stays_in_the_proxy(written, layer):
    site = build(infinitt_services={"hl7": {"port": 2575}, "viewer": {"port": 8080, "mode": "http"}}, **written)
    assert site.problems == []
    assert layers(site) == {"web": 7, "dicom": layer, "query": layer, "mwl": layer, "hl7": layer, "viewer": 7}


def test_a_services_own_layer_is_stronger_than_the_sites():
    apart = {"nodes": [{"name": "ris", "address": "198.51.100.31"}]}
    site = build(
        infinitt_layer=4,
        infinitt_services={"mwl": {"layer": "7", **apart}, "query": {"layer": ""}, "web": {"layer": 7}},
    )
    assert site.problems == [] and layers(site) == {"web": 7, "dicom": 4, "query": 4, "mwl": 7}
    site = build(infinitt_services={"mwl": {"layer": 4, **apart}})
    assert site.problems == [] and layers(site) == {"web": 7, "dicom": 7, "query": 7, "mwl": 4}


def test_haproxy_has_every_service_and_the_kernel_those_that_are_forwarded():
    nodes = [{**NODES[0], "weight": "3"}, {**NODES[1], "backup": "yes"}]
    plain = as_dict(
        build(
            infinitt_nodes=nodes,
            infinitt_layer=4,
            infinitt_services={"dicom": {"node_port": 11112}, "mwl": {"enabled": False}},
        )
    )
    assert [service["name"] for service in plain["services"]] == ["web", "dicom", "query"]
    assert all("layer" not in service for service in plain["services"])
    assert [(service["name"], service["address"], service["port"]) for service in plain["layer4_services"]] == [
        ("dicom", "198.51.100.10", 104),
        ("query", "198.51.100.10", 105),
    ]
    assert plain["layer4_services"][0]["nodes"] == [
        {"name": "pacs1", "address": "198.51.100.21", "port": 11112, "weight": 3, "backup": False},
        {"name": "pacs2", "address": "198.51.100.22", "port": 11112, "weight": None, "backup": True},
    ]
    assert as_dict(build())["layer4_services"] == []


@pytest.mark.parametrize(
    "ports, expected",
    [
        ({}, "1024-65535"),
        ({"dicomtls": 2762}, "2763-65535"),
        ({"dicomtls": 2762, "store": 11112}, "11113-65535"),
        ({"store": 11112, "high": 60000}, "11113-59999"),
        ({"low": 1024, "high": 65535}, "1025-65534"),
    ],
)
def test_the_nodes_are_asked_from_ports_that_no_forwarded_service_has(ports, expected):
    services = {name: {"port": port} for name, port in ports.items()}
    assert as_dict(build(infinitt_layer=4, infinitt_services=services))["source_ports"] == expected
    assert as_dict(build(infinitt_services=services))["source_ports"] == "1024-65535"


def link(address, device="link0"):
    return {device: {"device": device, "ipv4": {"address": address, "prefix": "30"}}}


def linked(first="10.0.0.1", second="10.0.0.2", **changes):
    """A pair with a link of its own between the hosts, named by those that have an address for it."""
    pair = hosts(**changes)
    for number, (name, mirror) in enumerate((("lb1", first), ("lb2", second)), 1):
        pair[name]["facts"] = facts(f"198.51.100.1{number}", **link(f"10.0.0.{number}"))
        pair[name]["variables"] = {"infinitt_mirror_address": mirror}
    return pair


def mirrors(site):
    return {name: (host.mirror.address, host.mirror.interface, host.mirror.peer) for name, host in site.hosts.items()}


def test_connections_are_mirrored_between_the_own_addresses_of_two_hosts():
    site = build(infinitt_layer=4)
    assert mirrors(site) == {
        "lb1": ("198.51.100.11", "eth0", "198.51.100.12"),
        "lb2": ("198.51.100.12", "eth0", "198.51.100.11"),
    }
    assert all(host.unmirrored == ["198.51.100.11", "198.51.100.12"] for host in site.hosts.values())


def test_a_third_host_has_no_mirror_and_its_own_connections_are_nobodys():
    site = build(hosts(lb3={"ansible_host": "198.51.100.13", "facts": facts("198.51.100.13")}), infinitt_layer=4)
    assert site.problems == [] and mirrors(site)["lb3"] == ("", "", "")
    assert mirrors(site)["lb1"] == ("198.51.100.11", "eth0", "198.51.100.12")
    assert all(host.unmirrored == ["198.51.100.11", "198.51.100.12", "198.51.100.13"] for host in site.hosts.values())


def test_a_host_that_was_not_asked_is_an_end_all_the_same():
    site = build(hosts(lb2={"facts": None}), infinitt_layer=4)
    assert mirrors(site) == {"lb1": ("198.51.100.11", "eth0", "198.51.100.12")}


@pytest.mark.parametrize(
    "written",
    [
        {},
        {"infinitt_layer": 7},
        {"infinitt_layer": 4, "infinitt_services": {n: {"enabled": False} for n in ("dicom", "query", "mwl")}},
    ],
)
def test_where_nothing_is_forwarded_nothing_is_mirrored(written):
    site = build(linked(), **written)
    assert site.problems == [] and set(mirrors(site).values()) == {("", "", "")}


def test_a_single_unit_mirrors_nothing():
    site = build({"lb1": hosts()["lb1"]}, infinitt_layer=4)
    assert site.problems == [] and mirrors(site) == {"lb1": ("", "", "")}
    assert site.hosts["lb1"].unmirrored == ["198.51.100.11"]


def test_a_link_of_its_own():
    site = build(linked(), infinitt_layer=4)
    assert site.problems == []
    assert mirrors(site) == {"lb1": ("10.0.0.1", "link0", "10.0.0.2"), "lb2": ("10.0.0.2", "link0", "10.0.0.1")}
    assert all(
        {"198.51.100.11", "198.51.100.12", "10.0.0.1", "10.0.0.2"} <= set(host.unmirrored)
        for host in site.hosts.values()
    )
    assert build(linked(first="", second=""), infinitt_layer=4).hosts["lb1"].mirror.peer == "198.51.100.12"


def test_a_link_between_the_second_host_and_the_third():
    trio = linked(lb3={"ansible_host": "198.51.100.13", "facts": facts("198.51.100.13", **link("10.0.0.2"))})
    trio["lb3"]["variables"] = {"infinitt_mirror_address": "10.0.0.2"}
    trio["lb1"] = hosts()["lb1"]
    trio["lb2"] = {
        **trio["lb2"],
        "variables": {"infinitt_mirror_address": "10.0.0.1"},
        "facts": facts("198.51.100.12", **link("10.0.0.1")),
    }
    site = build(trio, infinitt_layer=4)
    assert site.problems == []
    assert mirrors(site) == {
        "lb1": ("", "", ""),
        "lb2": ("10.0.0.1", "link0", "10.0.0.2"),
        "lb3": ("10.0.0.2", "link0", "10.0.0.1"),
    }


def test_networks_of_containers_are_the_hosts_own_and_that_of_the_vip_is_not():
    bridge = {"type": "bridge", "ipv4": {"address": "172.17.0.1", "prefix": "16"}}
    more = {
        "docker0": {**bridge, "device": "docker0"},
        "br_1f": {**bridge, "device": "br-1f", "ipv4": {"address": "172.18.0.1", "prefix": "24"}},
    }
    pair = hosts(lb1={"facts": facts("198.51.100.11", **more)})
    pair["lb1"]["facts"]["interfaces"] = ["lo", "eth0", "docker0", "br-1f"]
    pair["lb1"]["facts"]["eth0"]["type"] = "bridge"
    site = build(pair, infinitt_layer=4)
    assert {"172.17.0.0/16", "172.18.0.0/24"} <= set(site.hosts["lb1"].unmirrored)
    assert not {"198.51.100.0/24", "127.0.0.0/8"} & set(site.hosts["lb1"].unmirrored)
    assert site.hosts["lb2"].unmirrored == ["198.51.100.11", "198.51.100.12"]


@pytest.mark.parametrize(
    "pair, sentence",
    [
        (
            linked(second=""),
            "infinitt_mirror_address of lb1 is given, and no other load balancer has one; give both ends of the link.",
        ),
        (
            linked(second="10.0.0.3"),
            "infinitt_mirror_address of lb2 is 10.0.0.3, which the host does not have; its addresses are 198.51.100.12, 10.0.0.2.",
        ),
        (
            linked(second="2001:db8::1"),
            "infinitt_mirror_address of lb1 is of another family than that of lb2; give both of one.",
        ),
        (
            linked(second="198.51.100.10"),
            "infinitt_mirror_address of lb2 is 198.51.100.10, which the host does not have; its addresses are 198.51.100.12, 10.0.0.2.",
        ),
        (
            linked(second="link0"),
            "infinitt_mirror_address of lb2 is 'link0', which is not an IP address; give the address itself, such as 198.51.100.21.",
        ),
    ],
)
def test_a_mirror_that_cannot_be_is_told(pair, sentence):
    assert sentence in build(pair, infinitt_layer=4).problems


# Each of these is one sentence, which names the key.
ONLY_A_PROXY = {
    "http": (
        {"infinitt_services": {"web": {"layer": 4}}},
        "infinitt_services.web.layer is 4 with mode http; only a proxy understands HTTP: give layer 7.",
    ),
    "a new http service": (
        {
            "infinitt_layer": 4,
            "infinitt_services": {"viewer": {"port": 8080, "mode": "http", "layer": "4", "persistence": "source"}},
        },
        "infinitt_services.viewer.layer is 4 with mode http; only a proxy understands HTTP: give layer 7.",
    ),
    "no persistence": (
        {"infinitt_layer": 4, "infinitt_services": {"mwl": {"persistence": "none"}}},
        "infinitt_services.mwl.persistence is none at layer 4; there a client's address chooses its node: give source, or layer 7.",
    ),
    "persist_for": (
        {"infinitt_layer": "4", "infinitt_services": {"hl7": {"port": 2575, "nodes": ["pacs1"], "persist_for": "8h"}}},
        "infinitt_services.hl7.persist_for is given at layer 4; there a client keeps its node for good: leave it out, or give layer 7.",
    ),
    "max_connections": (
        {"infinitt_services": {"hl7": {"port": 2575, "layer": 4, "nodes": [{**NODES[0], "max_connections": 20}]}}},
        "infinitt_services.hl7.layer is 4, and the node pacs1 has max_connections; only a proxy can count: leave that out, or give layer 7.",
    ),
    "another family": (
        {
            "infinitt_services": {
                "hl7": {"port": 2575, "layer": 4, "nodes": [{"name": "v6", "address": "2001:db8::21"}]}
            }
        },
        "infinitt_services.hl7.layer is 4, and the node v6 (2001:db8::21) is of another family than the VIP 198.51.100.10;"
        " only a proxy can go between them: give layer 7.",
    ),
    "one of those that share a client's node": (
        {"infinitt_layer": 4, "infinitt_services": {"mwl": {"layer": 7}}},
        "infinitt_services.mwl.layer is 7, and that of dicom, with which it shares a client's node, is 4;"
        " give both the same layer, or one of them another persistence.",
    ),
    "no such layer": (
        {"infinitt_layer": 5},
        "infinitt_layer is 5; give 7, where HAProxy ends the connections, or 4, where the kernel forwards them.",
    ),
    "no such layer of a service": (
        {"infinitt_services": {"dicom": {"layer": "four"}}},
        "infinitt_services.dicom.layer is 'four'; give 7, where HAProxy ends the connections, or 4, where the kernel forwards them.",
    ),
    "a layer that is a truth": (
        {"infinitt_layer": True},
        "infinitt_layer is True; give 7, where HAProxy ends the connections, or 4, where the kernel forwards them.",
    ),
}


@pytest.mark.parametrize("case", ONLY_A_PROXY)
def test_what_only_a_proxy_can_do_is_refused_in_one_sentence(case):
    written, sentence = ONLY_A_PROXY[case]
    assert build(**written).problems == [sentence]


def test_a_cookie_at_layer_4_is_refused_by_its_key():
    problems = build(infinitt_layer=4, infinitt_services={"mwl": {"persistence": "cookie"}}).problems
    assert problems and all(problem.startswith("infinitt_services.mwl.persistence is cookie ") for problem in problems)


def test_a_node_that_only_a_proxy_can_spare_is_refused_for_the_whole_site():
    problems = build(infinitt_layer=4, infinitt_nodes=[{**NODES[0], "max_connections": 20}, NODES[1]]).problems
    assert len(problems) == 3 and all("the node pacs1 has max_connections" in problem for problem in problems)
    assert build(infinitt_nodes=[{**NODES[0], "max_connections": 20}, NODES[1]]).problems == []


def test_services_that_share_no_node_may_be_at_different_layers():
    for apart in ({"persistence": "none"}, {"persist_for": "30m"}, {"nodes": ["pacs1"]}):
        site = build(infinitt_layer=4, infinitt_services={"mwl": {"layer": 7, **apart}})
        assert site.problems == [] and layers(site)["mwl"] == 7


# --- what is wrong -----------------------------------------------------------------------------------------------------

LONG_AE = "A" * 17
WRONG = {
    "no vip": ({"infinitt_vip": ""}, ["infinitt_vip is not set; give"]),
    "vip no address": (
        {"infinitt_vip": "pacs.example.org"},
        ["infinitt_vip is 'pacs.example.org', which is not an address; give"],
    ),
    "vip of a wrong type": (
        {"infinitt_vip": ["198.51.100.10"]},
        ["infinitt_vip is ['198.51.100.10'], which is not an address"],
    ),
    "vip with a bad prefix": ({"infinitt_vip": "198.51.100.10/33"}, ["infinitt_vip is '198.51.100.10/33'"]),
    "vip first": (
        {"infinitt_vip": "198.51.100.0/24"},
        ["infinitt_vip is 198.51.100.0/24, the first address of its network"],
    ),
    "vip last": (
        {"infinitt_vip": "198.51.100.255"},
        ["infinitt_vip is 198.51.100.255/24, the last address of its network"],
    ),
    "vip last behind a /32": (
        {"infinitt_vip": "198.51.100.255/32"},
        ["infinitt_vip is 198.51.100.255, the last address of the network of eth0"],
    ),
    "vip of a node": (
        {"infinitt_vip": "198.51.100.21/24"},
        ["infinitt_vip is 198.51.100.21, the address of the node pacs1"],
    ),
    "vip of a host": ({"infinitt_vip": "198.51.100.12/24"}, ["infinitt_vip is 198.51.100.12, the own address of lb2"]),
    "vip in nobody's network": (
        {"infinitt_vip": "203.0.113.10/24"},
        ["infinitt_vip is 203.0.113.10, which is in no network of lb1", "of lb2"],
    ),
    "no nodes": ({"infinitt_nodes": []}, ["infinitt_nodes is empty; give the PACS nodes"]),
    "nodes of a wrong type": ({"infinitt_nodes": "pacs1"}, ["infinitt_nodes is 'pacs1', which is not a list"]),
    "node of a wrong type": ({"infinitt_nodes": ["pacs1"]}, ["infinitt_nodes[0] is 'pacs1', which is not a mapping"]),
    "node without address": ({"infinitt_nodes": [{"name": "pacs1"}]}, ["infinitt_nodes[0] (pacs1) has no address"]),
    "same name": (
        {"infinitt_nodes": [NODES[0], {**NODES[1], "name": "pacs1"}]},
        ["infinitt_nodes[1] (pacs1) has the name pacs1 of another node"],
    ),
    "same address": (
        {"infinitt_nodes": [NODES[0], {**NODES[1], "address": "198.51.100.21"}]},
        ["has the address 198.51.100.21 of another node"],
    ),
    "node by name": (
        {"infinitt_nodes": [{"name": "pacs1", "address": "pacs1.example.org"}]},
        ["infinitt_nodes[0] (pacs1).address is 'pacs1.example.org', which is not"],
    ),
    "node with an unknown key": (
        {"infinitt_nodes": [{**NODES[0], "wieght": 1}]},
        ["infinitt_nodes[0] (pacs1).wieght is not a known key; did you mean weight"],
    ),
    "node whose name breaks out": (
        {"infinitt_nodes": [{**NODES[0], "name": "pacs1\n  server x"}]},
        ["infinitt_nodes[0].name is 'pacs1"],
    ),
    "node that is a host": (
        {"infinitt_nodes": [*NODES, {"name": "x", "address": "198.51.100.11"}]},
        ["infinitt_address of lb1 is 198.51.100.11, the address of the node x"],
    ),
    "port twice": (
        {"infinitt_services": {"query": {"port": 104}}},
        ["infinitt_services.query.port is 104, which dicom has on 198.51.100.10 already"],
    ),
    "port out of range": (
        {"infinitt_services": {"web": {"port": 70000}}},
        ["infinitt_services.web.port is 70000, which is out of range"],
    ),
    "port no number": (
        {"infinitt_services": {"web": {"port": "http"}}},
        ["infinitt_services.web.port is 'http', which is not a whole number"],
    ),
    "unknown key": (
        {"infinitt_services": {"web": {"chek_path": "/"}}},
        ["infinitt_services.web.chek_path is not a known key; did you mean check_path"],
    ),
    "misspelt service": (
        {"infinitt_services": {"dicmo": {"check": "echo"}}},
        ["infinitt_services.dicmo is not a known service and has no port; did you mean dicom"],
    ),
    "services of a wrong type": (
        {"infinitt_services": ["web"]},
        ["infinitt_services is ['web'], which is not a mapping"],
    ),
    "service of a wrong type": (
        {"infinitt_services": {"web": 80}},
        ["infinitt_services.web is 80, which is not a mapping"],
    ),
    "all switched off": (
        {"infinitt_services": {n: {"enabled": False} for n in ("web", "dicom", "query", "mwl")}},
        ["infinitt_services switches every service off"],
    ),
    "unknown node": (
        {"infinitt_services": {"mwl": {"nodes": ["pacs3"]}}},
        ["infinitt_services.mwl.nodes names 'pacs3', which is not in infinitt_nodes; did you mean pacs"],
    ),
    "long AE title": (
        {"infinitt_services": {"dicom": {"called_ae": LONG_AE}}},
        ["infinitt_services.dicom.called_ae is 'AAAAAAAAAAAAAAAAA', which is no AE title; give 1 to 16"],
    ),
    "path that breaks out": (
        {"infinitt_services": {"web": {"check_path": "/x\nbackend y"}}},
        ["infinitt_services.web.check_path is '/x"],
    ),
    "host that breaks out": (
        {"infinitt_services": {"web": {"check_host": 'a" b'}}},
        ["infinitt_services.web.check_host is"],
    ),
    "status": (
        {"infinitt_services": {"web": {"check_status": "2xx"}}},
        ["infinitt_services.web.check_status is '2xx'"],
    ),
    "cookie on tcp": (
        {"infinitt_services": {"dicom": {"persistence": "cookie"}}},
        ["infinitt_services.dicom.persistence is cookie on a tcp service"],
    ),
    "time": (
        {"infinitt_services": {"dicom": {"persist_for": "8 hours"}}},
        ["infinitt_services.dicom.persist_for is '8 hours'; give a time"],
    ),
    "router id": (
        {"infinitt_router_id": 256},
        ["infinitt_router_id is 256, which is out of range; give a whole number from 1 to 255"],
    ),
    "router id 0": ({"infinitt_router_id": "0"}, ["infinitt_router_id is 0, which is out of range"]),
    "boolean as a number": ({"infinitt_router_id": True}, ["infinitt_router_id is True, which is not a whole number"]),
    "preflight": ({"infinitt_preflight": False}, ["infinitt_preflight is False; give one of all, any, none"]),
    "profile": (
        {"infinitt_failover": "quick"},
        ["infinitt_failover is 'quick'; give one of standard, fast, conservative"],
    ),
    "stats without password": (
        {"infinitt_stats_port": 8404},
        ["infinitt_stats_password is not set although infinitt_stats_port is"],
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_input_is_told_in_one_sentence(case):
    written, sentences = WRONG[case]
    problems = build(**written).problems
    assert problems, "nothing was found wrong"
    for sentence in sentences:
        assert any(sentence in problem for problem in problems), problems
    for problem in problems:
        assert problem.endswith(".") and ";" in problem and "\n" not in problem


@pytest.mark.parametrize(
    "change, sentence",
    [
        (
            {"ansible_host": "lb1.example.org"},
            "infinitt_address of lb1 is not set, and ansible_host is 'lb1.example.org', which is not an IP address",
        ),
        (
            {"ansible_host": "203.0.113.5"},
            "infinitt_address of lb1 is not set, and ansible_host 203.0.113.5 is not in the VIP's network",
        ),
        (
            {"variables": {"infinitt_address": "198.51.100.99"}},
            "infinitt_address of lb1 is 198.51.100.99, which the host does not have; its addresses are 198.51.100.11",
        ),
        (
            {"variables": {"infinitt_address": "198.51.100.12"}},
            "infinitt_address of lb2 is 198.51.100.12, which lb1 has already",
        ),
        (
            {"variables": {"infinitt_interface": "eth7"}},
            "infinitt_interface of lb1 is eth7, which has no network with the VIP",
        ),
        (
            {"variables": {"infinitt_vpi": "x"}},
            "infinitt_vpi of lb1 is not a known variable; did you mean infinitt_vip",
        ),
        (
            {
                "facts": facts(
                    "198.51.100.11", eth1={"device": "eth1", "ipv4": {"address": "198.51.100.99", "prefix": "24"}}
                )
            },
            "infinitt_interface of lb1 is not set, and eth0 and eth1 both have the network of the VIP 198.51.100.10; name one of them",
        ),
    ],
)
def test_wrong_hosts_are_named(change, sentence):
    problems = build(hosts(lb1=change)).problems
    assert any(sentence in problem for problem in problems), problems


def test_a_variable_that_differs_between_hosts_is_told():
    pair = hosts(lb1={"variables": {"infinitt_router_id": 1}}, lb2={"variables": {"infinitt_router_id": 2}})
    assert (
        "infinitt_router_id of lb2 is 2 and differs from that of lb1; give the group one value."
        in build(pair, infinitt_router_id=1).problems
    )


def test_a_password_stands_in_no_sentence():
    pair = hosts(
        lb1={"variables": {"infinitt_stats_password": "alpha"}}, lb2={"variables": {"infinitt_stats_password": "beta"}}
    )
    told = " ".join(build(pair, infinitt_stats_port=8404, infinitt_stats_password="gam ma").problems)
    assert "infinitt_stats_password" in told and not any(word in told for word in ("alpha", "beta", "gam"))


def test_a_lost_host_is_named_with_the_way_on():
    pair = hosts(lb2={"facts": None})
    assert build(pair, lost=["lb2"]).problems == [
        "lb2 cannot be reached, so nothing was changed on any host; bring it back, or deploy the others with --limit lb1."
    ]


def test_all_problems_are_told_at_once():
    problems = build(
        infinitt_vip="",
        infinitt_nodes="x",
        infinitt_router_id=0,
        infinitt_services={"web": {"port": 0, "colour": "red"}},
    ).problems
    assert len(problems) == 5


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=20)
    | st.sampled_from([4, "4", "none"])
)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
keys = st.sampled_from([*SERVICE_KEYS, *NODE_KEYS, "web", "dicom", "x"])


@settings(deadline=None, max_examples=100)
@given(
    st.dictionaries(
        st.sampled_from(list(DEFAULTS)),
        anything
        | st.dictionaries(keys, anything | st.dictionaries(keys, anything, max_size=3), max_size=3)
        | st.lists(st.dictionaries(keys, anything, max_size=3), max_size=3),
    ),
)
def test_nothing_that_a_user_writes_raises(written):
    site = build(**written)
    assert all(isinstance(problem, str) and "\n" not in problem for problem in site.problems)


def test_a_hosts_other_addresses_are_its_own_too():
    eth1 = {"eth1": {"device": "eth1", "ipv4": {"address": "10.1.0.11", "prefix": "24"}}}
    nodes = [{"name": "pacs1", "address": "10.1.0.21"}]
    site = build(hosts(lb1={"facts": facts("198.51.100.11", **eth1)}), infinitt_layer=4, infinitt_nodes=nodes)
    # HAProxy asks the nodes from there.
    assert "10.1.0.11" in site.hosts["lb1"].unmirrored


def test_a_bridge_behind_which_the_nodes_are_is_mirrored():
    br1 = {"br1": {"device": "br1", "type": "bridge", "ipv4": {"address": "10.1.0.11", "prefix": "24"}}}
    nodes = [{"name": "pacs1", "address": "10.1.0.21"}]
    site = build(hosts(lb1={"facts": facts("198.51.100.11", **br1)}), infinitt_layer=4, infinitt_nodes=nodes)
    assert site.problems == [] and "10.1.0.0/24" not in site.hosts["lb1"].unmirrored
