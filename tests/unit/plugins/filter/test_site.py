# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filters of the site, as Ansible calls them."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from factories import DEFAULTS, NODES, PRODUCT, facts

from ansible_collections.pacs.loadbalancer.plugins.filter import site


def test_a_missing_netaddr_is_one_sentence(monkeypatch):
    monkeypatch.setattr(site, "netaddr", None)
    with pytest.raises(
        AnsibleFilterError, match=r"netaddr is missing where Ansible runs; install it there.*pip install"
    ):
        site.infinitt_site({}, {}, [], [], [], {}, {}, 1024)


def hostvars(**changes):
    """Two load balancers as they stand in hostvars, after each has read its own variables."""
    found = {}
    for number, name in enumerate(("lb1", "lb2"), 1):
        found[name] = {
            "ansible_host": f"198.51.100.1{number}",
            "ansible_facts": facts(f"198.51.100.1{number}"),
            "infinitt_vip": "198.51.100.10/24",
            "__infinitt_written": {},
            "__infinitt_managed": [],
            **changes.get(name, {}),
        }
    return found


def site_of(hosts, asked=("lb1", "lb2"), lost=(), **written):
    product = PRODUCT["__infinitt_services"], PRODUCT["__infinitt_defaults"]
    variables = {**DEFAULTS, "infinitt_vip": "198.51.100.10/24", "infinitt_nodes": NODES, **written}
    return site.infinitt_site(variables, hosts, ["lb1", "lb2"], list(asked), list(lost), *product, "1024")


def test_the_site_of_two_hosts():
    found = site_of(hostvars())
    assert found["problems"] == [] and list(found["hosts"]) == ["lb1", "lb2"]


def test_an_address_that_keepalived_manages_is_none_of_the_hosts():
    its = facts("198.51.100.11", secondaries=[("198.51.100.9", "24")])
    managed = hostvars(lb1={"ansible_facts": its, "__infinitt_managed": ["198.51.100.9"]})
    assert "198.51.100.9" not in site_of(managed, infinitt_layer=4)["hosts"]["lb1"]["unmirrored"]
    unmanaged = hostvars(lb1={"ansible_facts": its})
    assert "198.51.100.9" in site_of(unmanaged, infinitt_layer=4)["hosts"]["lb1"]["unmirrored"]


def test_a_host_that_this_run_is_not_for_is_a_peer_by_what_stands_in_the_inventory():
    hosts = hostvars(lb2={"infinitt_address": "198.51.100.12", "ansible_host": "lb2.example.org"})
    del hosts["lb2"]["__infinitt_written"], hosts["lb2"]["__infinitt_managed"]
    found = site_of(hosts, asked=["lb1"])
    assert found["problems"] == [] and list(found["hosts"]) == ["lb1"]
    assert found["hosts"]["lb1"]["peers"] == [{"name": "lb2", "address": "198.51.100.12"}]


def test_a_variable_that_nobody_knows_is_named():
    (problem,) = site_of(hostvars(lb2={"infinitt_vpi": "x"}))["problems"]
    assert problem == "infinitt_vpi of lb2 is not a known variable; did you mean infinitt_vip."


def test_a_former_name_is_understood_with_a_warning(monkeypatch):
    monkeypatch.setitem(site.RENAMED, "infinitt_own_address", "infinitt_address")
    warnings = []
    monkeypatch.setattr(site.Display, "warning", lambda _self, text: warnings.append(text))
    hosts = hostvars(lb2={"infinitt_own_address": "198.51.100.12", "ansible_host": "lb2.example.org"})
    del hosts["lb2"]["__infinitt_written"], hosts["lb2"]["__infinitt_managed"]
    found = site_of(hosts, asked=["lb1"])
    assert found["problems"] == []
    assert found["hosts"]["lb1"]["peers"] == [{"name": "lb2", "address": "198.51.100.12"}]
    assert warnings == [
        "infinitt_own_address of lb2 is called infinitt_address now; the next major version knows that name only."
    ]


def test_the_load_balancers_of_an_inventory():
    assert site.infinitt_hosts({"all": ["lb1"], "loadbalancers": ["lb1"]}) == ["lb1"]


@pytest.mark.parametrize(
    "groups, sentence",
    [
        ({"loadbalancers": []}, "The group loadbalancers of the inventory is empty; add the hosts"),
        ({"all": [], "ungrouped": []}, "The inventory has no group loadbalancers; add the hosts"),
        (
            {"loadbalancer": ["lb1"], "nodes": []},
            r"The inventory has no group loadbalancers \(did you mean loadbalancer\); add the hosts",
        ),
    ],
)
def test_an_inventory_without_load_balancers_is_refused(groups, sentence):
    with pytest.raises(AnsibleFilterError, match=sentence):
        site.infinitt_hosts(groups)
