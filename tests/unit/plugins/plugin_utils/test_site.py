# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the user writes, and the site that is built from it."""

from __future__ import annotations

import dataclasses

import pytest
from factories import NODES, build, facts, hosts, service

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.output import as_dict
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.types import Vip

# --- what is right ----------------------------------------------------------------------------------------------------


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


# --- what is wrong ----------------------------------------------------------------------------------------------------

LONG_AE = "A" * 17
WRONG = {
    "no vip": ({"infinitt_vip": ""}, ["infinitt_vip is not set; give"]),
    "vip no address": (
        {"infinitt_vip": "pacs.example.org"},
        ["infinitt_vip is 'pacs.example.org', which is not an IP address; give"],
    ),
    "vip of a wrong type": (
        {"infinitt_vip": ["198.51.100.10"]},
        ["infinitt_vip is ['198.51.100.10'], which is not an IP address"],
    ),
    "vip with a bad prefix": ({"infinitt_vip": "198.51.100.10/33"}, ["infinitt_vip is '198.51.100.10/33'"]),
    "vip first": (
        {"infinitt_vip": "198.51.100.0/24"},
        ["infinitt_vip is 198.51.100.0, the first address of the network 198.51.100.0/24; choose"],
    ),
    "vip last": (
        {"infinitt_vip": "198.51.100.255"},
        ["infinitt_vip is 198.51.100.255, the last address of the network 198.51.100.0/24; choose"],
    ),
    "vip last behind a /32": (
        {"infinitt_vip": "198.51.100.255/32"},
        ["infinitt_vip is 198.51.100.255, the last address of the network 198.51.100.0/24; choose"],
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
        ["infinitt_nodes[1] (pacs1) repeats the name pacs1; give every node its own name"],
    ),
    "same address": (
        {"infinitt_nodes": [NODES[0], {**NODES[1], "address": "198.51.100.21"}]},
        ["repeats the address 198.51.100.21; give every node its own address"],
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
        ["infinitt_services.query.port is 104, which dicom already uses on 198.51.100.10"],
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
        ["infinitt_services disables every service; leave"],
    ),
    "unknown node": (
        {"infinitt_services": {"mwl": {"nodes": ["pacs3"]}}},
        ["infinitt_services.mwl.nodes names 'pacs3', which is not in infinitt_nodes; did you mean pacs"],
    ),
    "long AE title": (
        {"infinitt_services": {"dicom": {"called_ae": LONG_AE}}},
        ["infinitt_services.dicom.called_ae is 'AAAAAAAAAAAAAAAAA', which is not an AE title; give 1 to 16"],
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
    "command": (
        {"infinitt_on_event": "tell ops"},
        ["infinitt_on_event is 'tell ops', which is not valid; give a program by its full path"],
    ),
    "former vip in use": (
        {"infinitt_former_vips": "198.51.100.10"},
        ["infinitt_former_vips has 198.51.100.10, which is the VIP of a service; remove it."],
    ),
    "former vip twice": (
        {"infinitt_former_vips": ["198.51.100.9", "198.51.100.9/24"]},
        ["infinitt_former_vips has 198.51.100.9 twice; remove one of them."],
    ),
    "former vip of the other family": (
        {"infinitt_former_vips": ["2001:db8::9"]},
        ["infinitt_former_vips has 2001:db8::9, and the VIP 198.51.100.10 is of the other address family"],
    ),
    "preflight": ({"infinitt_preflight": False}, ["infinitt_preflight is False; give one of all, any, none"]),
    "profile": (
        {"infinitt_failover": "quick"},
        ["infinitt_failover is 'quick'; give one of standard, fast, conservative"],
    ),
    "metrics for everybody": (
        {"infinitt_metrics": {"port": 9101}},
        ["infinitt_metrics.allowed_sources is not set; give the address of Prometheus"],
    ),
    "metrics on another's port": (
        {"infinitt_metrics": {"port": "1024", "allowed_sources": "198.51.100.50"}},
        ["infinitt_metrics.port is 1024, which is for HAProxy's peers; give another port."],
    ),
    "metrics on the port of the stats page": (
        {
            "infinitt_stats_port": 9101,
            "infinitt_stats_password": "secret",
            "infinitt_metrics": {"allowed_sources": ["198.51.100.50"]},
        },
        ["infinitt_metrics.port is 9101, which is for the stats page; give another port."],
    ),
    "metrics on the port of node_exporter": (
        {"infinitt_metrics": {"port": 9100, "allowed_sources": "198.51.100.50", "node_exporter": "yes"}},
        ["infinitt_metrics.port is 9100, which is for node_exporter; give another port."],
    ),
    "a check that never ends": (
        {"infinitt_check_every": "30s"},
        ["infinitt_check_every is '30s', which is too often; give a minute or more, such as 5m."],
    ),
    "a metric of what": ({"infinitt_metrics": {"ports": 9101}}, ["infinitt_metrics"]),
    "stats without password": (
        {"infinitt_stats_port": 8404},
        ["infinitt_stats_password is not set although infinitt_stats_port is"],
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_input_is_answered_in_one_sentence(case):
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
            "infinitt_address of lb1 is 198.51.100.99, which the host does not have; "
            "the host's addresses are 198.51.100.11",
        ),
        (
            {"variables": {"infinitt_address": "198.51.100.12"}},
            "infinitt_address of lb2 is 198.51.100.12, which lb1 already has",
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
            "infinitt_interface of lb1 is not set, and eth0 and eth1 both have the network of the VIP 198.51.100.10; "
            "choose one of them",
        ),
    ],
)
def test_wrong_hosts_are_named(change, sentence):
    problems = build(hosts(lb1=change)).problems
    assert any(sentence in problem for problem in problems), problems


def test_a_variable_that_differs_between_hosts_is_told():
    pair = hosts(lb1={"variables": {"infinitt_router_id": 1}}, lb2={"variables": {"infinitt_router_id": 2}})
    assert (
        "infinitt_router_id of lb2 is 2 and differs from that of lb1; set one value for the group."
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
        "lb2 cannot be reached; bring it back, or leave it out with --limit lb1."
    ]


def test_all_problems_are_told_at_once():
    problems = build(
        infinitt_vip="",
        infinitt_nodes="x",
        infinitt_router_id=0,
        infinitt_services={"web": {"port": 0, "colour": "red"}},
    ).problems
    assert len(problems) == 5


# --- names, ports, times and weights ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["stats", "_stats", "affinity_dicom", "pair", "2575", 2575])
def test_a_service_may_have_any_name_that_is_one(name):
    site = build(infinitt_services={name: {"port": 2575}})
    if name == "_stats":  # what HAProxy has beside the services begins so
        assert site.problems == [
            "infinitt_services._stats has an invalid name; use up to 63 letters, digits, dots, dashes and underscores."
        ]
    else:
        assert site.problems == [] and service(site, str(name)).port == 2575


def test_a_service_that_is_named_by_a_number_and_again_by_a_text_is_refused():
    assert build(infinitt_services={2575: {"port": 2575}, "2575": {"port": 2576}}).problems == [
        "infinitt_services has one name twice, as a number and as a string; remove one of them."
    ]


@pytest.mark.parametrize("name", ["lb 1", "lb#1", "a/b", "lb'1", 'lb"1', "lbä", "lb1,x", "a" * 254])
def test_a_load_balancer_whose_name_is_no_peers_is_named(name):
    pair = hosts()
    pair[name] = pair.pop("lb2")
    (problem,) = build(pair).problems
    assert problem.startswith("The load balancer ") and problem.endswith(
        " has a name that HAProxy rejects for a peer; use letters, digits, dots, colons, dashes and underscores in the"
        " inventory."
    )


@pytest.mark.parametrize("name", ["lb1.example.org", "198.51.100.12", "2001:db8::12", "LB-2_b"])
def test_a_load_balancer_may_have_any_usual_name(name):
    pair = hosts()
    pair[name] = pair.pop("lb2")
    assert build(pair).problems == []


def test_nodes_whose_names_give_the_same_id_are_refused():
    first, second = "pacs-mxyzvyxud", "pacs-jypjfeuxm"
    twins = [{**NODES[0], "name": first}, {**NODES[1], "name": second}]
    assert build(infinitt_nodes=twins).problems == [
        f"infinitt_nodes[1] ({second}) has the same id in HAProxy as {first}, since ids are made from names; "
        "rename one of them."
    ]


def test_the_stats_page_does_not_take_the_peers_port():
    assert build(infinitt_stats_port="1024", infinitt_stats_password="secret").problems == [
        "infinitt_stats_port is 1024, which is for HAProxy's peers; give another port."
    ]


@pytest.mark.parametrize("key", ["timeout", "persist_for"])
@pytest.mark.parametrize(
    "text, right", [("24d", True), (2147483, True), ("2147484", False), ("25d", False), ("0", False)]
)
def test_no_time_is_longer_than_haproxys_clock(key, text, right):
    problems = build(infinitt_services={"web": {key: text}}).problems
    assert (
        not problems
        if right
        else problems
        == [f"infinitt_services.web.{key} is {text!r}; give a time up to 24 days, such as 8h, 30m or 600 (seconds)."]
    )


def test_a_range_of_codes_from_high_to_low_is_refused():
    assert build(infinitt_services={"web": {"check_status": "200,399-300"}}).problems == [
        "infinitt_services.web.check_status is '200,399-300', whose range 399-300 is reversed; give 300-399."
    ]
    assert build(infinitt_services={"web": {"check_status": "200-200,302"}}).problems == []


def test_nodes_that_all_have_the_weight_0_serve_nobody():
    wrong = "sets the weight of every node to 0, so none of them serves; give at least one of them a higher weight."
    idle, busy = {**NODES[0], "weight": "0"}, {**NODES[1], "weight": 10}
    assert build(infinitt_nodes=[idle, {**busy, "weight": 0}]).problems == [f"infinitt_nodes {wrong}"]
    assert build(infinitt_nodes=[idle, busy]).problems == []
    assert build(infinitt_nodes=[idle, busy], infinitt_services={"mwl": {"nodes": ["pacs1"]}}).problems == [
        f"infinitt_services.mwl.nodes {wrong}"
    ]
    assert build(infinitt_services={"mwl": {"nodes": [idle]}}).problems == [f"infinitt_services.mwl.nodes {wrong}"]


@pytest.mark.parametrize("written", [["198.51.100.9", "198.51.100.8/24"], "198.51.100.9, 198.51.100.8/24"])
def test_former_vips_are_served_by_all_that_have_none_of_their_own(written):
    site = build(infinitt_former_vips=written, infinitt_services={"mwl": {"vip": "198.51.100.7"}}, infinitt_layer=4)
    assert site.problems == []
    assert [vip.address for vip in site.hosts["lb1"].vips] == [f"198.51.100.{number}" for number in (10, 9, 8, 7)], (
        "VRRP announces the first"
    )
    original, copy = service(site, "dicom"), service(site, "dicom:198.51.100.9")
    assert copy == dataclasses.replace(original, name=copy.name, address="198.51.100.9", former=True)
    plain = as_dict(site)
    assert [one["name"] for one in plain["former_services"]] == [
        f"{name}:198.51.100.{number}" for number in (9, 8) for name in ("web", "dicom", "query")
    ]
    assert [check["name"] for check in plain["node_checks"]] == ["web", "dicom", "query", "mwl"]
