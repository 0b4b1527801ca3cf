# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Addresses, networks, interfaces and gateways: what may be written, and what is found on the hosts."""

from __future__ import annotations

import pytest
from factories import NODES, build, facts, hosts

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.types import Vip

# --- a VIP's prefix ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", [0, 8, 16, 23, 25, 31])
def test_a_prefix_that_is_not_the_networks_would_cut_the_holder_off(prefix):
    assert build(infinitt_vip=f"198.51.100.10/{prefix}").problems == [
        f"infinitt_vip is 198.51.100.10/{prefix}, and the network of eth0 on lb1 is 198.51.100.0/24;"
        " give /24, or /32 for the address alone."
    ]


def test_a_services_own_vip_has_a_prefix_of_its_network_too():
    (problem,) = build(infinitt_services={"mwl": {"vip": "198.51.100.9/16"}}).problems
    assert problem.startswith("infinitt_services.mwl.vip is 198.51.100.9/16, and the network of eth0 on lb1 is")


@pytest.mark.parametrize("written, prefix", [("", 24), ("/24", 24), ("/32", 32)])
def test_the_networks_prefix_and_that_of_a_single_address_are_right(written, prefix):
    site = build(infinitt_vip=f"198.51.100.10{written}")
    assert site.problems == [] and site.hosts["lb1"].vips == [Vip("198.51.100.10", prefix, "eth0")]


def test_an_interface_with_a_network_inside_of_another_one_may_have_either_prefix():
    pair = hosts()
    for number, host in enumerate(pair.values(), 1):
        host["facts"] = facts(f"198.51.100.1{number}", secondaries=[(f"198.51.100.2{number}0", "25")])
    for prefix in (24, 25):
        nested = "198.51.100.200"
        assert build(pair, infinitt_vip=f"{nested}/{prefix}").problems == []


# --- addresses that no host has ---------------------------------------------------------------------------------------

NO_ADDRESS = {
    "198.51.100.021": "is '198.51.100.021', which is not an IP address",
    "10": "is '10', which is not an IP address",
    "0x0a000001": "is '0x0a000001', which is not an IP address",
    "198.51.100": "is '198.51.100', which is not an IP address",
    "0.0.0.0": "is 0.0.0.0, the unspecified address",
    "::": "is ::, the unspecified address",
    "127.0.0.1": "is 127.0.0.1, a loopback address",
    "::1": "is ::1, a loopback address",
    "224.0.0.18": "is 224.0.0.18, a multicast address",
    "ff02::12": "is ff02::12, a multicast address",
    "255.255.255.255": "is 255.255.255.255, the broadcast address",
    "fe80::1": "is fe80::1, a link-local address",
    "169.254.1.1": "is 169.254.1.1, a link-local address",
    "2001:db8::1%eth0": "is '2001:db8::1%eth0', which is not an IP address",
    "::ffff:198.51.100.21": "the IPv4 address 198.51.100.21 written as an IPv6 one; give 198.51.100.21.",
}
PLACES = {
    "infinitt_vip": lambda text: {"infinitt_vip": text},
    "infinitt_services.mwl.vip": lambda text: {"infinitt_services": {"mwl": {"vip": text}}},
    "infinitt_nodes[0] (pacs1).address": lambda text: {"infinitt_nodes": [{**NODES[0], "address": text}, NODES[1]]},
}


@pytest.mark.parametrize("text", NO_ADDRESS)
@pytest.mark.parametrize("place", PLACES)
def test_what_is_no_hosts_address_is_none_of_a_vip_or_a_node(place, text):
    problems = build(**PLACES[place](text)).problems
    assert any(problem.startswith(f"{place} is ") and NO_ADDRESS[text] in problem for problem in problems), problems


@pytest.mark.parametrize("text", list(NO_ADDRESS))
@pytest.mark.parametrize("name", ["infinitt_address", "infinitt_gateway", "infinitt_mirror_address"])
def test_nor_of_a_load_balancer_its_gateway_or_its_end_of_the_mirror(name, text):
    problems = build(hosts(lb1={"variables": {name: text}}), infinitt_layer=4).problems
    assert any(problem.startswith(f"{name} of lb1 is ") and NO_ADDRESS[text] in problem for problem in problems), (
        problems
    )


@pytest.mark.parametrize(
    "text, shown", [("127.0.0.1", "127.0.0.1"), ("fe80::11%eth0", "'fe80::11%eth0'"), ("0.0.0.0", "0.0.0.0")]
)
def test_nor_is_an_ansible_host_that_is_one(text, shown):
    (problem, *_others) = build(hosts(lb1={"ansible_host": text})).problems
    assert problem.startswith(f"infinitt_address of lb1 is not set, and ansible_host is {shown}, ")


@pytest.mark.parametrize("ip, edge", [("198.51.100.0", "first"), ("198.51.100.255", "last")])
def test_an_edge_of_a_load_balancers_network_is_no_address_of_a_node_or_a_gateway(ip, edge):
    right = f"is {ip}, the {edge} address of the network 198.51.100.0/24; choose an address that a host can have."
    site = build(infinitt_nodes=[{**NODES[0], "address": ip}, NODES[1]])
    assert site.problems == [f"The address of the node pacs1 {right}"]
    site = build(hosts(lb1={"variables": {"infinitt_gateway": ip}}))
    assert site.problems == [f"infinitt_gateway of lb1 {right}"]


# --- labels and gateways ----------------------------------------------------------------------------------------------


def labelled(address, number):
    """Facts as Ansible gathers them where an address has the label eth0:1: an interface eth0_1, and no device."""
    its = facts(address)
    return {
        **its,
        "interfaces": ["lo", "eth0", "eth0_1"],
        "eth0": {"device": "eth0", "ipv6": its["eth0"]["ipv6"]},
        "eth0_1": {"ipv4": {"address": address, "prefix": "24"}},
    }


def test_the_label_of_an_address_is_no_interface():
    pair = hosts(lb1={"facts": labelled("198.51.100.11", 1)}, lb2={"facts": labelled("198.51.100.12", 2)})
    site = build(pair, infinitt_layer=4)
    assert site.problems == []
    for host in site.hosts.values():
        assert (host.interface, host.mirror.interface, [vip.interface for vip in host.vips]) == (
            "eth0",
            "eth0",
            ["eth0"],
        )


def test_a_labelled_secondary_address_is_found_once():
    its = facts("198.51.100.11", secondaries=[("198.51.100.13", "24")])
    its["interfaces"].append("eth0_1")
    its["eth0_1"] = {"ipv4_secondaries": [{"address": "198.51.100.13", "prefix": "24"}]}
    site = build(hosts(lb1={"facts": its}), infinitt_layer=4)
    assert site.problems == []
    assert site.hosts["lb1"].unmirrored == ["198.51.100.11", "198.51.100.12", "198.51.100.13"]


def test_an_interface_that_is_written_as_a_label_is_the_one_that_has_it():
    site = build(hosts(lb1={"variables": {"infinitt_interface": "eth0:1"}}))
    assert site.problems == [] and site.hosts["lb1"].vips[0].interface == "eth0"


@pytest.mark.parametrize("name", ["we#ird", "a!b", 'a"b', "a{b", "-x"])
def test_an_interface_that_keepalived_would_not_read_is_named(name):
    its = facts("198.51.100.11")
    its = {**its, "interfaces": [name], name.replace("-", "_"): {**its.pop("eth0"), "device": name}}
    assert build(hosts(lb1={"facts": its})).problems == [
        f"The interface {name} of lb1 has a name that Keepalived cannot parse;"
        " use letters, digits, dots, dashes and underscores."
    ]


def routed(gateway, interface="eth0"):
    """A pair with IPv6 addresses on eth0, and this default gateway."""
    pair = {}
    for number in (1, 2):
        address = f"2001:db8::1{number}"
        its = facts(f"198.51.100.1{number}")
        its["eth0"]["ipv6"].append({"address": address, "prefix": "64", "scope": "global"})
        pair[f"lb{number}"] = {
            "variables": {},
            "ansible_host": address,
            "facts": {**its, "default_ipv6": {"gateway": gateway, "interface": interface}},
        }
    return pair


V6 = {"infinitt_vip": "2001:db8::10/64"}


def test_a_link_local_default_gateway_is_found_with_its_interface():
    site = build(routed("fe80::1"), **V6)
    assert site.problems == [] and site.hosts["lb1"].gateway == "fe80::1%eth0"
    assert build(routed("fe80::1", interface="eth7"), **V6).hosts["lb1"].gateway is None
    assert build(routed("2001:db8::1"), **V6).hosts["lb1"].gateway == "2001:db8::1"
    # VRRP over IPv4 says nothing of the way to an IPv6 gateway.
    pair = routed("fe80::1")
    for number, host in enumerate(pair.values(), 1):
        host["ansible_host"] = f"198.51.100.1{number}"
    assert build(pair).hosts["lb1"].gateway == "198.51.100.1"


def test_a_link_local_gateway_is_written_with_an_interface_of_the_host():
    def with_gateway(text):
        pair = routed("2001:db8::1")
        pair["lb1"]["variables"]["infinitt_gateway"] = text
        return build(pair, **V6)

    site = with_gateway("FE80::1%eth0")
    assert site.problems == [] and site.hosts["lb1"].gateway == "fe80::1%eth0"
    assert with_gateway("fe80::1%eth7").problems == [
        "infinitt_gateway of lb1 is fe80::1%eth7, and the host has no interface eth7; VRRP uses eth0."
    ]
    (problem,) = with_gateway("fe80::1").problems
    assert problem == (
        "infinitt_gateway of lb1 is fe80::1, a link-local address; give the address itself, such as 198.51.100.1, a"
        " link-local one as fe80::1%eth0, or none."
    )
    assert with_gateway("2001:db8::1%eth0").problems and with_gateway("fe80::1%et h0").problems


# --- addresses that Keepalived put there ------------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["24", "32"])
def test_a_former_vip_is_no_address_of_the_host_so_that_the_run_after_a_change_changes_nothing(prefix):
    def run(held):
        pair = hosts(lb1={"facts": facts("198.51.100.11", secondaries=held), "managed": ["198.51.100.10"]})
        return build(pair, infinitt_layer=4, infinitt_vip="198.51.100.20/24")

    during, after = run([("198.51.100.10", prefix)]), run([("198.51.100.20", "24")])
    assert during.problems == after.problems == []
    assert during.hosts == after.hosts
    assert "198.51.100.10" not in during.hosts["lb1"].unmirrored
