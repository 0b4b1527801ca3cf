# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a user may write of DICOM at the door, and the services that routes lead to."""

from __future__ import annotations

import pytest
from factories import NODES, build, hosts, service

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils import _node_plan
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.output import as_dict
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.types import Route

RIS = [{"name": "ris1", "address": "198.51.100.31"}]


def dicom(**keys):
    none = {"enabled": False}
    return build(infinitt_services={"dicom": {"dicom": True, **keys}, "query": none, "mwl": none})


def looks(**services):
    """Which services let nothing but associations in."""
    found = build(infinitt_services=services)
    assert found.problems == []
    return [its.name for its in found.services if its.dicom]


def test_the_three_dicom_services_let_nothing_but_associations_in_unless_told_otherwise():
    assert looks(other={"port": 2575}) == ["dicom", "query", "mwl"]
    assert looks(dicom={"dicom": False}, other={"port": 2575, "dicom": True}) == ["query", "mwl", "other"]
    for its in build().services:
        assert (its.allowed_calling_ae, its.routes, its.route_of) == ([], [], "")


def test_what_nobody_wrote_is_silent_where_nobody_could_look():
    assert looks(dicom={"layer": 4, "nodes": ["pacs1"]}, mwl={"mode": "http"}) == ["query"]


@pytest.mark.parametrize("written", ["CT1,MAMMO* , MR 1", ["CT1", "MAMMO*", "MR 1", "CT1"]])
def test_allowed_titles_are_a_list_or_a_string(written):
    assert service(dicom(allowed_calling_ae=written), "dicom").allowed_calling_ae == ["CT1", "MAMMO*", "MR 1"]


def test_the_check_may_ask_the_vip_under_its_own_title():
    found = dicom(allowed_calling_ae=["CT1"], check="echo", calling_ae="LB")
    assert service(found, "dicom").allowed_calling_ae == ["CT1", "LB"]
    assert service(dicom(check="echo"), "dicom").allowed_calling_ae == [], "all are let in"


def test_a_route_leads_to_a_service_of_its_nodes_which_has_no_port_of_its_own():
    found = dicom(
        node_port=11112,
        routes=[
            {"called_ae": "RIS*", "nodes": RIS},
            {"called_ae": "WORK", "calling_ae": "CT*", "nodes": ["pacs2", "pacs1"]},
            {"calling_ae": "MR", "nodes": RIS},
        ],
    )
    assert found.problems == []
    assert service(found, "dicom").routes == [
        Route("RIS*", None, "dicom:to:ris1"),
        Route("WORK", "CT*", "dicom:to:pacs2:pacs1"),
        Route(None, "MR", "dicom:to:ris1"),
    ]
    assert [its.name for its in found.services if its.route_of == "dicom"] == ["dicom:to:ris1", "dicom:to:pacs2:pacs1"]
    ris = service(found, "dicom:to:ris1")
    assert [(node.name, node.address, node.port) for node in ris.nodes] == [("ris1", "198.51.100.31", 11112)]
    assert (ris.dicom, ris.routes, ris.affinity) == (False, [], "dicom:to:ris1")
    # The same nodes, whatever their order: a client has one node for all of it.
    assert service(found, "dicom:to:pacs2:pacs1").affinity == "dicom"
    plain = as_dict(found)
    assert [check["name"] for check in plain["vip_checks"]] == ["web", "dicom"]
    assert "dicom:to:ris1" in [check["name"] for check in plain["node_checks"]]
    assert "dicom:to:ris1" not in [port["for"] for port in found.hosts["lb1"].ports]


@pytest.mark.parametrize("called, asked", [("RIS", "RIS"), ("RIS*", "INFINITT"), (None, "INFINITT")])
def test_the_nodes_of_a_route_are_checked_by_the_title_that_leads_there(called, asked):
    found = dicom(check="echo", routes=[{"called_ae": called, "calling_ae": "CT1", "nodes": RIS}])
    assert service(found, "dicom:to:ris1").called_ae == asked


def test_a_former_vip_has_the_same_routes():
    found = build(
        infinitt_former_vips=["198.51.100.9"],
        infinitt_services={"dicom": {"dicom": True, "routes": [{"called_ae": "RIS", "nodes": RIS}]}},
    )
    assert service(found, "dicom:198.51.100.9").routes == service(found, "dicom").routes
    assert [its.name for its in found.services if its.route_of] == ["dicom:to:ris1"]


def test_a_node_that_is_out_is_out_wherever_it_serves_the_service():
    states = {"dicom": {"pacs1": {"state": "maintenance", "since": 5, "by": "ada"}}}
    found = build(
        hosts(lb1={"states": states}),
        infinitt_services={"dicom": {"dicom": True, "routes": [{"called_ae": "RIS", "nodes": ["pacs1"]}]}},
    )
    assert [node.state for node in service(found, "dicom:to:pacs1").nodes] == ["maintenance"]
    assert service(found, "dicom").nodes[0].state == "maintenance"
    assert [*found.states] == ["dicom"]


@pytest.mark.parametrize("asked", ["dicom", None])
def test_a_person_takes_a_node_out_of_all_of_a_service_at_once(asked):
    routes = [{"called_ae": "RIS", "nodes": ["pacs1"]}, {"called_ae": "OLD", "nodes": RIS}]
    site = as_dict(dicom(routes=routes))
    site["run"].update(node="pacs1", state="maintenance", service=asked)
    names = ["dicom", "dicom:to:pacs1"]
    assert _node_plan.services_of(site) == (names if asked else ["web", *names])
    states = _node_plan.changed(site, "drain", 7, "ada")
    assert {name: [*nodes] for name, nodes in states.items() if name != "web"} == {"dicom": ["pacs1"]}


@pytest.mark.parametrize(
    "keys, sentence",
    [
        (
            {"dicom": "maybe"},
            "infinitt_services.dicom.dicom is 'maybe'; give true or false.",
        ),
        (
            {"layer": 4},
            "infinitt_services.dicom.dicom is set at layer 4, where the kernel forwards an association without reading"
            " it; remove it, or set layer: 7.",
        ),
        (
            {"layer": 4, "dicom": False, "allowed_calling_ae": "CT1"},
            "infinitt_services.dicom.allowed_calling_ae is set at layer 4, where the kernel forwards an association"
            " without reading it; remove it, or set layer: 7.",
        ),
        (
            {"mode": "http"},
            "infinitt_services.dicom.dicom is true on an http service; remove it, or set mode: tcp.",
        ),
        (
            {"dicom": False, "routes": [{"called_ae": "RIS", "nodes": RIS}]},
            "infinitt_services.dicom.routes is set although HAProxy does not read AE titles there; set dicom: true.",
        ),
        (
            {"allowed_calling_ae": [17]},
            "infinitt_services.dicom.allowed_calling_ae is 17, which is not a string; put the AE title in quotes.",
        ),
        (
            {"allowed_calling_ae": ["CT1", "SEVENTEEN_LETTERS"]},
            "infinitt_services.dicom.allowed_calling_ae is 'SEVENTEEN_LETTERS', which is not an AE title; give 1 to 16"
            " printable ASCII characters, without a backslash and without a space at either end.",
        ),
        (
            {"allowed_calling_ae": {"CT1": 1}},
            "infinitt_services.dicom.allowed_calling_ae is {'CT1': 1}, which is not a list; give AE titles, such as"
            " [CT1, MAMMO*].",
        ),
        (
            {"routes": "RIS"},
            "infinitt_services.dicom.routes is 'RIS', which is not a list; give routes such as"
            " [{called_ae: RIS*, nodes: [ris1]}].",
        ),
        (
            {"routes": [{"nodes": RIS}]},
            "infinitt_services.dicom.routes[0] has no AE title; give called_ae, calling_ae or both.",
        ),
        (
            {"routes": [{"called_ae": "RIS"}]},
            "infinitt_services.dicom.routes[0] has no nodes; give names such as [pacs1], or a list of its own nodes.",
        ),
        (
            {"routes": [{"called_ae": "RIS", "nodes": ["pacs3"]}]},
            "infinitt_services.dicom.routes[0].nodes names 'pacs3', which is not in infinitt_nodes; did you mean"
            " pacs2.",
        ),
        (
            {"routes": [{"called": "RIS", "nodes": RIS, "calling_ae": "CT"}]},
            "infinitt_services.dicom.routes[0].called is not a known key; did you mean called_ae.",
        ),
        (
            {
                "routes": [
                    {"called_ae": "A", "nodes": RIS},
                    {"called_ae": "B", "nodes": [{**RIS[0], "address": "198.51.100.32"}]},
                ]
            },
            "infinitt_services.dicom.routes[1].nodes names a node that another route has with other keys; give both the"
            " same.",
        ),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(keys, sentence):
    assert dicom(**keys).problems == [sentence]


def test_the_nodes_of_the_site_may_be_of_any_kind():
    nodes = [*NODES, {**RIS[0], "backup": True}]
    found = build(
        infinitt_nodes=nodes,
        infinitt_services={"dicom": {"dicom": "yes", "routes": [{"called_ae": "RIS", "nodes": ["ris1"]}]}},
    )
    assert found.problems == [] and [node.backup for node in service(found, "dicom:to:ris1").nodes] == [True]


# --- by address -------------------------------------------------------------------------------------------------------


def test_the_load_balancers_may_connect_too_and_nobody_is_kept_out_unless_asked_to():
    written = {"dicom": {"allowed_sources": "198.51.100.128/25, 203.0.113.7,203.0.113.7/32"}, "mwl": {"layer": 4}}
    written["mwl"] |= {"allowed_sources": ["203.0.113.0/24"], "nodes": RIS}
    found = build(infinitt_services=written)
    assert found.problems == []
    ours = ["198.51.100.10", "198.51.100.11", "198.51.100.12"]
    own = ["198.51.100.10/31", "198.51.100.12"]  # the same three
    assert service(found, "dicom").allowed_sources == [*own, "198.51.100.128/25", "203.0.113.7"], ours
    assert service(found, "web").allowed_sources == []
    (forwarded,) = as_dict(found)["layer4_services"]
    assert forwarded["allowed_sources"] == [*own, "203.0.113.0/24"]


@pytest.mark.parametrize(
    "written, sentence",
    [
        ("everybody", "has 'everybody', which is no network; give networks and addresses, such as [198.51.100.0/25,"),
        (
            [198],
            "has 198, which is no network; give networks and addresses, such as [198.51.100.0/25, 198.51.100.200].",
        ),
        ("198.51.100.0/33", "has '198.51.100.0/33', which is no network;"),
        (
            "198.51.100.9/24",
            "has 198.51.100.9/24, an address in 198.51.100.0/24; give 198.51.100.9 or 198.51.100.0/24.",
        ),
        ("0.0.0.0/0", "is everybody; remove it, or give fewer networks."),
        (["0.0.0.0/1", "128.0.0.0/1"], "is everybody; remove it, or give fewer networks."),
        ({"a": 1}, "is {'a': 1}, which is not a list; give networks and addresses,"),
        ("2001:db8::/32", "has 2001:db8::/32, and the VIP 198.51.100.10 is of the other address family; give networks"),
    ],
)
def test_what_is_no_source_is_refused_in_one_sentence(written, sentence):
    (problem,) = build(infinitt_services={"web": {"allowed_sources": written}}).problems
    assert problem.startswith(f"infinitt_services.web.allowed_sources {sentence}")


@pytest.mark.parametrize(
    "keys, room, limits",
    [
        ({}, (None, None), (5000, 1000)),
        ({"client_connections": "10", "client_rate": 0}, (None, None), (10, 0)),
        ({"client_connections": 0}, (18, None), (0, 1000)),
        ({}, (18, None), (17, 1000)),
        ({}, (18, 6), (5, 1000)),
        ({}, (1, None), (1, 1000)),
        ({}, (9000, None), (5000, 1000)),
        # A client's connections are not the nodes' where HAProxy shares them out request by request.
        ({"mode": "http"}, (18, None), (5000, 1000)),
    ],
)
def test_one_client_leaves_a_nodes_last_connection_to_the_others(keys, room, limits):
    its = [{**node, **({"max_connections": most} if most else {})} for node, most in zip(NODES, room, strict=True)]
    found = build(infinitt_services={"store": {"port": 11112, "nodes": its, **keys}})
    assert found.problems == []
    store = service(found, "store")
    assert (store.client_connections, store.client_rate) == limits
