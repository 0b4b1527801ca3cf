# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Load balancers that come and go."""

from __future__ import annotations

import pytest
from factories import build, facts
from observations import ADDRESSES, HOSTS, MACS, VIP, pair, site

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis import members


def strangers(heard, hosts=("lb1",), asked=("lb1",), managed=(), more_facts=()):
    """``heard``: the peers that lb1's Keepalived has. ``more_facts``: further addresses of lb1."""
    its = facts(ADDRESSES["lb1"])
    its["all_ipv4_addresses"] = [*its.get("all_ipv4_addresses", []), *more_facts]
    written = {"variables": {}, "managed": list(managed)}
    inventory = {
        name: {**written, "ansible_host": ADDRESSES[name], "facts": facts(ADDRESSES[name]) if name in asked else None}
        for name in hosts
    }
    inventory["lb1"].update(facts=its, heard=heard)
    return build(inventory).strangers


def test_one_that_was_taken_out_of_the_inventory_is_a_stranger():
    assert strangers([ADDRESSES["lb2"]]) == {ADDRESSES["lb2"]: ["lb1"]}


def test_one_that_is_added_is_none():
    assert strangers([], hosts=("lb1", "lb2"), asked=("lb1", "lb2")) == {}


def test_one_that_this_run_leaves_out_is_none():
    assert strangers([ADDRESSES["lb2"]], hosts=("lb1", "lb2")) == {}


@pytest.mark.parametrize("heard, more", [(VIP, {}), ("198.51.100.9", {"managed": ["198.51.100.9"]})])
def test_the_peer_of_a_single_unit_is_none(heard, more):
    assert strangers([heard], **more) == {}


def test_an_address_that_a_host_had_before_and_still_has_is_none():
    assert strangers(["198.51.100.77"], more_facts=["198.51.100.77"]) == {}


def removal(leaving="lb2", dead=False, names=HOSTS, answers=(), lost=()):
    """``answers``: addresses for which, asked from lb1, a machine answers that is none of the load balancers."""
    observed = {name: host for name, host in pair().items() if name in names and name not in lost}
    for name, host in observed.items():
        owners = {**dict.fromkeys([*ADDRESSES.values()], []), VIP: [MACS["lb1"]] if name != "lb1" else []}
        owners.update({address: ["02:00:00:00:00:99"] for address in answers})
        host.update(owners={"eth0": owners}, macs=[MACS[name]])
    return members.Removal(site(names=names), observed, leaving, dead)


def test_it_says_what_it_will_do_before_it_does_it():
    standby, holder = removal("lb2"), removal("lb1")
    assert [*standby.refusals(force=False), *standby.problems()] == []
    assert not any("hands the VIP" in step for step in standby.plan())
    assert holder.plan()[0] == f"lb1 hands the VIP {VIP} over to lb2."
    assert holder.plan()[-1] == "Then take lb1 out of the inventory, or the next playbooks/site.yml deploys it again."


@pytest.mark.parametrize(
    "asked, sentence",
    [
        ({"leaving": None}, "infinitt_host is not set; name the one to remove: lb1 or lb2."),
        ({"leaving": "lb9"}, "infinitt_host is lb9, which no load balancer is called; name the one to remove: lb1"),
        (
            {"lost": ["lb2"]},
            "lb2 cannot be reached, so it cannot be stopped; bring it back, or set infinitt_dead: true",
        ),
        ({"dead": True}, "infinitt_dead is true, and lb2 answers; leave it unset."),
        (
            {"dead": True, "lost": ["lb2"], "answers": [ADDRESSES["lb2"]]},
            "02:00:00:00:00:99 answers lb1 for 198.51.100.12",
        ),
        ({"dead": True, "lost": ["lb2"], "answers": [VIP]}, "00:99 answers lb1 for 198.51.100.10"),
        ({"leaving": "lb1", "names": ["lb1"]}, "lb1 is the last load balancer, and without it nobody serves the VIP"),
        ({"leaving": "lb1", "names": ["lb1"], "dead": True, "lost": ["lb1"]}, "so nobody has to forget it"),
    ],
)
def test_it_refuses_in_one_sentence(asked, sentence):
    (said,) = removal(**asked).refusals(force=False)
    assert sentence in said


def test_a_dead_one_whose_address_is_silent_may_go():
    gone = removal(dead=True, lost=["lb2"])
    assert [*gone.refusals(force=False), *gone.problems()] == []
    assert gone.plan()[0] == "lb1 forgets lb2, by a reload."


def test_the_last_one_goes_by_force():
    last = removal("lb1", names=["lb1"])
    assert [*last.refusals(force=True)] == []
    assert last.plan()[0] == f"lb1 gives up the VIP {VIP}, and nobody serves it any more."


def test_those_that_stay_must_be_well_and_the_one_that_goes_need_not():
    broken = removal("lb2")
    broken.observed["lb2"]["haproxy"]["running"] = False
    assert [*broken.problems()] == []
    broken.observed["lb1"]["haproxy"]["running"] = False
    assert [problem.code for problem in broken.problems()] == ["haproxy_down"]
    assert [problem.code for problem in removal("lb2", lost=["lb1"]).problems()] == ["host_unreachable"]
