# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The network facts that `make render` assumes of a host."""

from __future__ import annotations

import assumed


def test_one_interface_with_the_prefix_of_the_vip_and_the_first_free_address_as_the_gateway():
    known, said = assumed.facts("198.51.100.2", "", ["198.51.100.1/26"], taken=["198.51.100.2", "198.51.100.3"])
    assert known == {
        "interfaces": ["eth0"],
        "eth0": {
            "device": "eth0",
            "ipv4": {"address": "198.51.100.2", "prefix": "26"},
            "ipv4_secondaries": [],
            "ipv6": [],
        },
        "default_ipv4": {"gateway": "198.51.100.4"},
    }
    assert said == ["eth0 198.51.100.2/26", "gateway 198.51.100.4"]


def test_the_interface_that_was_named():
    known, _said = assumed.facts("198.51.100.11", "bond0.7", ["198.51.100.10/24"])
    assert known["interfaces"] == ["bond0.7"] and known["bond0.7"]["device"] == "bond0.7"


def test_a_prefix_that_is_no_networks_is_taken_for_the_usual_one():
    for written in ("198.51.100.10", "198.51.100.10/32", " 198.51.100.10 "):
        assert assumed.facts("198.51.100.11", "", [written])[0]["eth0"]["ipv4"]["prefix"] == "24"
    known, said = assumed.facts("2001:db8::11", "", ["2001:db8::10/128"])
    assert known["eth0"]["ipv6"] == [{"address": "2001:db8::11", "prefix": "64", "scope": "global"}]
    assert said == ["eth0 2001:db8::11/64", "gateway 2001:db8::1"]


def test_another_interface_for_the_mirror_and_another_address_for_each_other_network_of_a_vip():
    vips = ["198.51.100.10/24", "198.51.100.9/24", "10.1.2.1/29", "2001:db8::10/64"]
    known, said = assumed.facts("198.51.100.11", "bond0", vips, mirror="10.9.8.1")
    assert known["interfaces"] == ["bond0", "eth1"]
    assert known["bond0"]["ipv4_secondaries"] == [{"address": "10.1.2.2", "prefix": "29"}]
    assert said == [
        "bond0 198.51.100.11/24",
        "eth1 10.9.8.1/24",
        "bond0 10.1.2.2/29",
        "bond0 2001:db8::1/64",
        "gateway 198.51.100.1",
        "gateway 2001:db8::2",
    ]


def test_what_is_no_address_is_left_to_the_model():
    assert assumed.facts("lb1.example.org", "", ["nonsense", ""], mirror="x") == ({"interfaces": []}, [])
