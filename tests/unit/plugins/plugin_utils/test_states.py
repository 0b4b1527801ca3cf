# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Nodes that a person has taken out of service: which entry holds, and what follows from it."""

from __future__ import annotations

import pytest
from factories import build, hosts, service
from observations import HOSTS, NOW, before, endpoint, node, pair, site

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis import preflight, status, verify
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._screens.status import status_screen
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site import states
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.output import as_dict


def entry(state="maintenance", since=NOW - 7200, by="ada on control", cut=False):
    return {"state": state, "since": since, "by": by, "cut": cut}


def remembering(**by_host):
    """The site of a pair whose hosts remember this."""
    return build(hosts(**{name: {"states": known} for name, known in by_host.items()}))


def of(found, name, of_node):
    return next(node.state for node in service(found, name).nodes if node.name == of_node)


def test_the_newest_entry_holds_on_every_host():
    old, new = {"dicom": {"pacs1": entry(since=5)}}, {"dicom": {"pacs1": entry("active", since=6)}}
    for found in (remembering(lb1=old, lb2=new), remembering(lb1=new, lb2=old)):
        assert of(found, "dicom", "pacs1") == "active"
        assert found.states == new


def test_a_host_without_an_entry_learns_it():
    found = remembering(lb1={"dicom": {"pacs1": entry("drain")}}, lb2=None)
    assert (of(found, "dicom", "pacs1"), of(found, "dicom", "pacs2"), of(found, "query", "pacs1")) == (
        "drain",
        "active",
        "active",
    )


def test_what_is_of_no_node_of_the_site_is_forgotten():
    known = {"dicom": {"gone": entry(), "pacs1": entry()}, "former": {"pacs1": entry()}}
    assert remembering(lb1=known).states == {"dicom": {"pacs1": entry()}}


@pytest.mark.parametrize(
    "damaged",
    [None, "error loading facts", [], {"dicom": 1}, {"dicom": {"pacs1": 1}}, {"dicom": {"pacs1": {"state": "off"}}}],
)
def test_a_damaged_file_is_as_good_as_none(damaged):
    assert remembering(lb1=damaged).states == {}


def test_who_it_was_cannot_break_out_of_a_line():
    found = remembering(lb1={"dicom": {"pacs1": entry(by="ada\n    server evil")}})
    assert found.states["dicom"]["pacs1"]["by"] == "ada server evil"


def test_a_change_leaves_all_other_entries():
    former = {"dicom": {"pacs2": entry()}}
    after = states.change(former, ["dicom", "query"], "pacs1", "drain", NOW, "bob")
    assert after == {
        "dicom": {"pacs2": entry(), "pacs1": entry("drain", NOW, "bob")},
        "query": {"pacs1": entry("drain", NOW, "bob")},
    }
    assert former == {"dicom": {"pacs2": entry()}}


# --- what is said of them ---------------------------------------------------------------------------------------------

OUT = site(states={"dicom": {"pacs1": entry()}})
OFF = endpoint(error=("timeout", "timed out after 3 s without a connection"))


@pytest.fixture
def observed():
    found = pair()
    for host in found.values():
        host["haproxy"]["services"]["dicom"]["pacs1"] = node("MAINT", "", False)
    return found


@pytest.mark.parametrize("require", ["all", "any", "none"])
def test_preflight_accepts_a_node_out_of_service_that_is_off(require):
    observed = before()
    observed["lb1"]["endpoints"] = [OFF, endpoint(node="pacs2")]
    assert preflight.problems(OUT, observed, require) == []


def test_verify_accepts_it_too(observed):
    for host in observed.values():
        host["endpoints"][0] = OFF
        assert verify.haproxy_settled(host["haproxy"], OUT, host["endpoints"], ())
    assert verify.verify(OUT, observed, "lb2", []).broken == []


def test_status_says_since_when_and_by_whom(observed):
    assert status.problems(OUT, observed, HOSTS) == []
    (notice,) = status.notices(OUT, observed, NOW)
    assert (notice.code, notice.text) == (
        "node_out",
        "dicom on pacs1: in maintenance since 13:05:52 UTC (2 h 0 min), by ada on control.",
    )
    screen = status_screen(observed, OUT["services"], HOSTS, [], [], [notice], NOW)
    assert "dicom    pacs1 (maintenance)  MAINT" in screen


def test_a_service_whose_nodes_are_all_out_on_purpose_is_no_fault(observed):
    nobody = site(states={"dicom": {"pacs1": entry(), "pacs2": entry("drain", NOW - 60)}})
    for host in observed.values():
        host["haproxy"]["services"]["dicom"]["pacs2"] = node("MAINT", "", False, name="pacs2")
    assert status.problems(nobody, observed, HOSTS) == []
    assert [notice.code for notice in status.notices(nobody, observed, NOW)] == ["service_out", "node_out", "node_out"]


def test_a_host_that_does_not_know_of_it(observed):
    observed["lb2"]["haproxy"]["services"]["dicom"]["pacs1"] = node()
    (problem,) = status.problems(OUT, observed, HOSTS)
    assert (problem.code, problem.text) == (
        "node_not_out",
        "dicom on pacs1 is out of service, and HAProxy on lb2 does not know it.",
    )


def test_it_is_drawn_for_haproxy_and_for_the_kernel():
    found = as_dict(
        build(
            hosts(lb1={"states": {"dicom": {"pacs1": entry(cut=True)}}}),
            infinitt_services={name: {"layer": 4} for name in ("dicom", "query", "mwl")},
        )
    )
    dicom = next(its for its in found["services"] if its["name"] == "dicom")
    assert [(node["state"], "cut" in node) for node in dicom["nodes"]] == [("maintenance", False), ("active", False)]
    assert [node["cut"] for node in found["layer4_services"][0]["nodes"]] == [True, False]


# --- a node serves all services that share its clients, or none -------------------------------------------------------


def together(**services):
    return build(infinitt_services=services)


def test_services_that_share_a_clients_node_have_it_together_where_one_of_them_says_so():
    found = together(query={"health": "together"})
    assert {its.name: its.together for its in found.services} == {
        "web": [],
        **dict.fromkeys(("dicom", "query", "mwl"), ["dicom", "query", "mwl"]),
    }
    assert not any(its.together for its in together(query={"health": "alone"}).services)
    assert not any(its.together for its in build().services)


@pytest.mark.parametrize(
    "services, sentence",
    [
        (
            {"web": {"health": "together"}},
            "infinitt_services.web.health is together, and no other service shares its clients' nodes; remove it.",
        ),
        (
            {"query": {"health": "together"}, "web": {"persistence": "source"}},
            "infinitt_services.query.health is together, and web, which shares its clients' nodes, has an HTTP check;"
            " give web the check tcp, or another persistence.",
        ),
        (
            {"query": {"health": "apart"}},
            "infinitt_services.query.health is 'apart'; give one of alone, together.",
        ),
    ],
)
def test_what_cannot_be_together(services, sentence):
    assert sentence in together(**services).problems


def test_a_node_that_fails_a_service_may_be_down_for_those_that_share_its_clients(observed):
    of = as_dict(together(query={"health": "together"}))
    dicom = {"pacs1": node("DOWN", "L4CON", False)}
    alone, both = ({"services": its, "peers": {}} for its in ({"dicom": dicom}, {"dicom": dicom, "query": dicom}))
    ends = [endpoint(), endpoint("query", port=105, error=("refused", "refused the connection"))]
    assert not verify.haproxy_settled(alone, of, ends[:1], ())
    assert verify.haproxy_settled(both, of, ends, ())
    assert not verify.haproxy_settled(both, as_dict(build()), ends, ())
