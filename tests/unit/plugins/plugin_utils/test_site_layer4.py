# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sites whose connections the kernel forwards: layers, the mirror, and what only a proxy can do."""

from __future__ import annotations

import pytest
import yaml
from factories import NODES, ROLE, build, facts, hosts, service

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.output import as_dict

KEEPALIVED = ROLE.parent / "keepalived/vars/main.yml"


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
        {"name": "pacs1", "address": "198.51.100.21", "port": 11112, "weight": 3, "backup": False, "cut": False},
        {"name": "pacs2", "address": "198.51.100.22", "port": 11112, "weight": None, "backup": True, "cut": False},
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
    return {name: (host.mirror.address, host.mirror.interface, *host.mirror.peers) for name, host in site.hosts.items()}


def test_connections_are_mirrored_between_the_own_addresses_of_two_hosts():
    site = build(infinitt_layer=4)
    assert mirrors(site) == {
        "lb1": ("198.51.100.11", "eth0", "198.51.100.12"),
        "lb2": ("198.51.100.12", "eth0", "198.51.100.11"),
    }
    assert all(host.unmirrored == ["198.51.100.11", "198.51.100.12"] for host in site.hosts.values())


THIRD = {"ansible_host": "198.51.100.13", "facts": facts("198.51.100.13")}


def test_three_mirror_to_each_other_by_a_group_that_two_do_not_need():
    site = build(hosts(lb3=THIRD), infinitt_layer=4)
    own = ["198.51.100.11", "198.51.100.12", "198.51.100.13"]
    assert site.problems == []
    assert mirrors(site) == {
        "lb1": ("198.51.100.11", "eth0", "198.51.100.12", "198.51.100.13"),
        "lb2": ("198.51.100.12", "eth0", "198.51.100.11", "198.51.100.13"),
        "lb3": ("198.51.100.13", "eth0", "198.51.100.11", "198.51.100.12"),
    }
    assert all(host.unmirrored == own and host.mirror.group == "224.0.0.254" for host in site.hosts.values())
    assert [host.priority for host in site.hosts.values()] == [254, 253, 252]
    assert build(infinitt_layer=4).hosts["lb1"].mirror.group == ""


def test_the_gateway_is_worth_more_than_any_difference_of_priorities():
    priorities = [host.priority for host in build(hosts(lb3=THIRD), infinitt_layer=4).hosts.values()]
    gateway = yaml.safe_load(KEEPALIVED.read_text())["__keepalived_gateway_check"]
    assert -gateway["weight"] > max(priorities) - min(priorities)


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
    assert site.problems == [] and set(mirrors(site).values()) == {("", "")}


def test_a_single_unit_mirrors_nothing():
    site = build({"lb1": hosts()["lb1"]}, infinitt_layer=4)
    assert site.problems == [] and mirrors(site) == {"lb1": ("", "")}
    assert site.hosts["lb1"].unmirrored == ["198.51.100.11"]


def test_a_link_of_its_own():
    site = build(linked(), infinitt_layer=4)
    assert site.problems == []
    assert mirrors(site) == {"lb1": ("10.0.0.1", "link0", "10.0.0.2"), "lb2": ("10.0.0.2", "link0", "10.0.0.1")}
    assert all(
        {"198.51.100.11", "198.51.100.12", "10.0.0.1", "10.0.0.2"} <= set(host.unmirrored)
        for host in site.hosts.values()
    )
    assert build(linked(first="", second=""), infinitt_layer=4).hosts["lb1"].mirror.peers == ["198.51.100.12"]


def test_an_encrypted_mirror_is_between_two_addresses_of_its_own():
    pair = linked()
    pair["lb1"]["facts"]["link0"]["mtu"] = 9000
    site = build(pair, infinitt_layer=4, infinitt_mirror_encrypted="yes")
    assert site.problems == []
    assert mirrors(site) == {
        "lb1": ("169.254.37.80", "layer4-mirror", "169.254.37.81"),
        "lb2": ("169.254.37.81", "layer4-mirror", "169.254.37.80"),
    }
    tunnel = site.hosts["lb1"].mirror.tunnel
    assert (tunnel.address, tunnel.peer, tunnel.peer_name, tunnel.mtu) == ("10.0.0.1", "10.0.0.2", "lb2", 8920)
    assert site.hosts["lb2"].mirror.tunnel.mtu == 1420, "Ethernet's, where the host does not say it"
    assert build(linked(), infinitt_layer=4).hosts["lb1"].mirror.tunnel is None


def test_a_tunnel_that_is_there_already_changes_nothing():
    deployed = hosts()
    for number, host in enumerate(deployed.values()):
        own = {"address": f"169.254.37.8{number}", "prefix": "32"}
        host["facts"]["layer4_mirror"] = {"device": "layer4-mirror", "ipv4": own}
        host["facts"]["interfaces"].append("layer4-mirror")
    for encrypted in (True, False):
        written = {"infinitt_layer": 4, "infinitt_mirror_encrypted": encrypted}
        assert as_dict(build(deployed, **written)) == as_dict(build(hosts(), **written))


def test_only_conntrackds_own_interface_needs_a_name_that_it_can_parse():
    pair = linked()
    for host in pair.values():
        host["facts"]["link0"]["device"] = "10g-2"
    assert build(pair, infinitt_layer=4).problems != []
    assert build(pair, infinitt_layer=4, infinitt_mirror_encrypted=True).problems == []


@pytest.mark.parametrize("written", [{"infinitt_layer": 7}, {"infinitt_layer": 4}])
def test_where_there_is_no_mirror_none_is_encrypted(written):
    pair = hosts() if written["infinitt_layer"] == 7 else {"lb1": hosts()["lb1"]}
    site = build(pair, infinitt_mirror_encrypted=True, **written)
    assert site.problems == [] and [host.mirror.tunnel for host in site.hosts.values()] == [None] * len(pair)


def three_linked(third="10.0.0.3"):
    trio = linked(lb3={**THIRD, "facts": facts("198.51.100.13", **link("10.0.0.3"))})
    for host in trio.values():
        host["facts"]["link0"]["ipv4"]["prefix"] = "29"
    trio["lb3"]["variables"] = {"infinitt_mirror_address": third}
    return trio


def test_a_link_of_three():
    site = build(three_linked(), infinitt_layer=4)
    assert site.problems == [] and mirrors(site)["lb3"] == ("10.0.0.3", "link0", "10.0.0.1", "10.0.0.2")


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
            "infinitt_mirror_address of lb1 is set, and that of lb2 is not; set it on every load balancer, or on none.",
        ),
        (
            three_linked(third=""),
            "infinitt_mirror_address of lb1 is set, and that of lb3 is not; set it on every load balancer, or on none.",
        ),
        (
            three_linked(third="198.51.100.13"),
            "infinitt_mirror_address of lb1 is in the network 10.0.0.0/29, and that of lb3 is not; "
            "more than two load balancers mirror by multicast, within one network.",
        ),
        (
            linked(second="10.0.0.3"),
            "infinitt_mirror_address of lb2 is 10.0.0.3, which the host does not have; "
            "the host's addresses are 198.51.100.12, 10.0.0.2.",
        ),
        (
            linked(second="2001:db8::1"),
            "infinitt_mirror_address of lb1 is of a different address family than that of lb2; use one family for all.",
        ),
        (
            linked(second="198.51.100.10"),
            "infinitt_mirror_address of lb2 is 198.51.100.10, which the host does not have; "
            "the host's addresses are 198.51.100.12, 10.0.0.2.",
        ),
        (
            linked(second="link0"),
            "infinitt_mirror_address of lb2 is 'link0', which is not an IP address; "
            "give the address itself, such as 198.51.100.21.",
        ),
    ],
)
def test_a_mirror_that_cannot_be_is_told(pair, sentence):
    assert sentence in build(pair, infinitt_layer=4).problems


def test_three_cannot_encrypt_their_mirror_and_need_ipv4():
    trio = hosts(lb3=THIRD)
    assert build(trio, infinitt_layer=4, infinitt_mirror_encrypted=True).problems == [
        "infinitt_mirror_encrypted is true, and a tunnel joins two load balancers, not lb1, lb2 and lb3; "
        "set it to false, or leave two of them."
    ]
    assert build(trio, infinitt_mirror_encrypted=True).problems == [], "nothing is forwarded"
    for number, host in enumerate(trio.values(), 1):
        own = {"address": f"fd00::{number}", "prefix": "64", "scope": "global"}
        host["facts"]["link0"] = {"device": "link0", "ipv6": [own]}
        host["facts"]["interfaces"] = [*host["facts"]["interfaces"], "link0"]
        host["variables"] = {"infinitt_mirror_address": own["address"]}
    assert build(trio, infinitt_layer=4).problems == [
        "The mirror between lb1, lb2 and lb3 is of more than two, and its addresses are of IPv6; "
        "give each an infinitt_mirror_address of IPv4."
    ]


# Each of these is one sentence, which names the key.
ONLY_A_PROXY = {
    "no persistence": (
        {"infinitt_layer": 4, "infinitt_services": {"mwl": {"persistence": "none"}}},
        "infinitt_services.mwl.persistence is none at layer 4, where the client's address selects the node; "
        "set it to source, or set layer: 7.",
    ),
    "persist_for": (
        {"infinitt_layer": "4", "infinitt_services": {"hl7": {"port": 2575, "nodes": ["pacs1"], "persist_for": "8h"}}},
        "infinitt_services.hl7.persist_for is set at layer 4, where a client keeps its node for good; "
        "remove it, or set layer: 7.",
    ),
    "max_connections": (
        {"infinitt_services": {"hl7": {"port": 2575, "layer": 4, "nodes": [{**NODES[0], "max_connections": 20}]}}},
        "infinitt_services.hl7.layer is 4, and the node pacs1 has max_connections, which only a proxy can enforce; "
        "remove it, or set layer: 7.",
    ),
    "another family": (
        {
            "infinitt_services": {
                "hl7": {"port": 2575, "layer": 4, "nodes": [{"name": "v6", "address": "2001:db8::21"}]}
            }
        },
        "infinitt_services.hl7.layer is 4, and the node v6 (2001:db8::21) and the VIP 198.51.100.10 are of different "
        "address families;"
        " only a proxy can connect them: set layer: 7.",
    ),
    "one of those that share a client's node": (
        {"infinitt_layer": 4, "infinitt_services": {"mwl": {"layer": 7}}},
        "infinitt_services.mwl.layer is 7, and that of dicom, with which it shares persistence, is 4;"
        " give both the same layer, or one of them a different persistence.",
    ),
    "no such layer": (
        {"infinitt_layer": 5},
        "infinitt_layer is 5; give 7 (HAProxy terminates the connections) or 4 (the kernel forwards them).",
    ),
    "no such layer of a service": (
        {"infinitt_services": {"dicom": {"layer": "four"}}},
        "infinitt_services.dicom.layer is 'four'; give 7 (HAProxy terminates the connections) or 4 (the kernel "
        "forwards them).",
    ),
    "a layer that is a truth": (
        {"infinitt_layer": True},
        "infinitt_layer is True; give 7 (HAProxy terminates the connections) or 4 (the kernel forwards them).",
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


# --- HTTP at layer 4 --------------------------------------------------------------------------------------------------


def test_web_at_layer_4_is_forwarded_and_keeps_its_check():
    site = build(infinitt_services={"web": {"layer": 4}})
    assert site.problems == []
    web = service(site, "web")
    assert (web.layer, web.mode, web.persistence, web.persist_for) == (4, "tcp", "source", 8 * 3600)
    assert (web.check, web.check_path, web.check_status, web.timeout) == ("http", "/", "200-399", 3600)
    assert layers(site) == {"web": 4, "dicom": 7, "query": 7, "mwl": 7}
    assert [forwarded["name"] for forwarded in as_dict(site)["layer4_services"]] == ["web"]


@pytest.mark.parametrize("layer", [4, 7])
def test_web_at_layer_4_has_an_affinity_of_its_own_whatever_the_layer_of_dicom(layer):
    site = build(infinitt_layer=layer, infinitt_services={"web": {"layer": 4}})
    assert site.problems == []
    assert {s.name: s.affinity for s in site.services} == {
        "web": "web",
        "dicom": "dicom",
        "query": "dicom",
        "mwl": "dicom",
    }


@pytest.mark.parametrize("mode", [{}, {"mode": "http"}, {"mode": ""}])
def test_mode_http_says_what_is_spoken_and_the_layer_who_ends_it(mode):
    own = {"layer": 4, "check_path": "/health", "persistence": "source", **mode}
    site = build(infinitt_services={"web": own, "viewer": {**own, "mode": "http", "port": 8080}})
    assert site.problems == []
    for name in ("web", "viewer"):
        its = service(site, name)
        assert (its.layer, its.mode, its.check, its.check_path) == (4, "tcp", "http", "/health")
    # The site's layer is not meant for HTTP.
    site = build(infinitt_layer=4, infinitt_services={"viewer": {"port": 8080, "mode": "http"}})
    assert (service(site, "viewer").layer, service(site, "viewer").mode) == (7, "http")


def test_web_as_plain_tcp_at_layer_4_shares_with_nobody_either():
    site = build(infinitt_services={"web": {"mode": "tcp", "layer": 4}})
    assert site.problems == []
    assert (service(site, "web").check, service(site, "web").affinity) == ("tcp", "web")


@pytest.mark.parametrize(
    "key, value, sentence",
    [
        ("persistence", "cookie", "is cookie at layer 4, where the client's address selects the node;"),
        ("persistence", "none", "is none at layer 4, where the client's address selects the node;"),
        ("persist_for", "8h", "is set at layer 4, where a client keeps its node for good;"),
        ("timeout", "1h", "is set at layer 4, where the kernel decides how long a connection may be idle;"),
    ],
)
@pytest.mark.parametrize("mode", [{}, {"mode": "http"}])
def test_what_contradicts_layer_4_is_refused_for_web_too(mode, key, value, sentence):
    problems = build(infinitt_services={"web": {"layer": 4, key: value, **mode}}).problems
    assert len(problems) == 1 and problems[0].startswith(f"infinitt_services.web.{key} {sentence}")


def test_a_timeout_is_refused_at_layer_4_only():
    written = {"infinitt_services": {"dicom": {"timeout": "2h"}}}
    assert build(infinitt_layer=4, **written).problems == [
        "infinitt_services.dicom.timeout is set at layer 4, where the kernel decides how long a connection may be idle;"
        " remove it, or set layer: 7."
    ]
    assert build(**written).problems == []


# --- names that conntrackd cannot parse -------------------------------------------------------------------------------


def on_interface(name):
    """A pair whose only interface has this name."""
    pair = hosts()
    for host in pair.values():
        its = host["facts"]
        its["interfaces"] = ["lo", name]
        its[name.replace("-", "_")] = {**its.pop("eth0"), "device": name}
    return pair


# Each was tried with conntrackd 1.4.7.
@pytest.mark.parametrize(
    "name",
    ["10g-2", "on", "UDP", "0", "wan@x", "off", "Yes", "no", "e0", "fe", "bad", "Port", "alarm", "_x", "lan+", "CLOSE"],
)
def test_an_interface_whose_name_conntrackd_cannot_parse_carries_no_mirror(name):
    assert build(on_interface(name), infinitt_layer=4).problems == [
        f"The interface {name} of {host} carries the mirror of layer 4, and conntrackd cannot parse its name; "
        "rename it, use"
        " another interface by infinitt_mirror_address, or set infinitt_layer: 7."
        for host in ("lb1", "lb2")
    ]
    assert build(on_interface(name)).problems == []


@pytest.mark.parametrize(
    "name",
    ["eth0", "br-lan", "br_lan", "eth0.100", "inet", "any", "ens3", "eno1", "e12345", "deadbeef", "udp", "LAN", "onx"],
)
def test_any_other_interface_carries_the_mirror(name):
    assert build(on_interface(name), infinitt_layer=4).problems == []
