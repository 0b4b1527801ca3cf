# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table of variables, and every other place that must name them: none has more or fewer than the table."""

from __future__ import annotations

import re

import pytest
import yaml
from factories import DEFAULTS, ROLE, build, hosts, service

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.output import as_dict
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.values import Choice, is_set
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.variables import (
    HOST_VARIABLES,
    NODE_KEYS,
    RENAMED,
    RUN_VARIABLES,
    SERVICE_KEYS,
    SITE_VARIABLES,
    VARIABLES,
)

SPECS = yaml.safe_load((ROLE / "meta/argument_specs.yml").read_text())["argument_specs"]["main"]["options"]
WRITTEN = yaml.safe_load((ROLE / "vars/main/variables.yml").read_text())


def test_the_argument_specs_describe_every_variable_and_no_other():
    assert list(SPECS) == [variable.name for variable in VARIABLES]


def test_a_secret_is_one_in_the_argument_specs_too():
    secrets = {variable.name for variable in VARIABLES if variable.secret}
    assert {name for name, spec in SPECS.items() if spec.get("no_log")} == secrets != set()


@pytest.mark.parametrize("variable", VARIABLES, ids=lambda variable: variable.name)
def test_the_argument_specs_name_every_choice(variable):
    if isinstance(variable.parser, Choice):
        assert all(f"C({word})" in str(SPECS[variable.name]["description"]) for word in variable.parser.words)


def test_the_argument_specs_name_every_key_of_a_node_and_of_a_service():
    assert list(SPECS["infinitt_nodes"]["options"]) == list(NODE_KEYS)
    named = re.findall(r"C\((\w+)\)", " ".join(SPECS["infinitt_services"]["description"]))
    choices = {word for parser in SERVICE_KEYS.values() if isinstance(parser, Choice) for word in parser.words}
    for word in {*SERVICE_KEYS, *choices}:
        assert word in named


def test_the_defaults_have_every_variable_of_the_site_and_mention_those_of_a_host_and_of_a_run():
    assert list(DEFAULTS) == list(SITE_VARIABLES)
    text = (ROLE / "defaults/main.yml").read_text()
    assert re.findall(r"^# (infinitt_\w+):", text, re.MULTILINE) == [*HOST_VARIABLES, *RUN_VARIABLES]


@pytest.mark.parametrize("variable", SITE_VARIABLES.values(), ids=lambda variable: variable.name)
def test_a_default_is_the_one_that_holds_where_nothing_is_written(variable):
    written = DEFAULTS[variable.name]
    if variable.default is None:
        assert not is_set(written) or not written
    else:
        assert variable.parser(written) == variable.default


def test_every_variable_is_read_in_the_hosts_own_play():
    former = {name: f"{before} | default({name})" for before, name in RENAMED.items()}

    def wanted(variables, default=""):
        return {name: "{{ %s%s }}" % (former.get(name, name), default) for name in variables}

    assert WRITTEN["__infinitt_variables"] == wanted(SITE_VARIABLES)
    assert WRITTEN["__infinitt_host_variables"] == wanted(HOST_VARIABLES, " | default('')")
    assert WRITTEN["__infinitt_run_variables"] == wanted(RUN_VARIABLES, " | default('')")


def test_no_former_name_is_in_use_and_each_leads_to_a_variable():
    names = {variable.name for variable in VARIABLES}
    assert names.isdisjoint(RENAMED) and names.issuperset(RENAMED.values())


def test_a_former_name_is_understood_but_not_beside_the_present_one(monkeypatch):
    monkeypatch.setitem(RENAMED, "infinitt_segment", "infinitt_interface")
    inventory = hosts()
    inventory["lb1"]["names"] = ["infinitt_segment"]
    assert build(inventory).problems == []
    inventory["lb1"]["names"] = ["infinitt_interface", "infinitt_segment"]
    assert build(inventory).problems == [
        "infinitt_segment of lb1 is there beside infinitt_interface, its present name; keep infinitt_interface."
    ]


@pytest.mark.parametrize(
    "path",
    sorted({*ROLE.glob("tasks/*.yml"), *ROLE.glob("vars/main/*.yml")} - {ROLE / "vars/main/variables.yml"}),
    ids=lambda path: path.name,
)
def test_no_task_uses_a_value_as_it_was_written(path):
    used = set(re.findall(r"(?<![.\w])infinitt_\w+", path.read_text())) & {variable.name for variable in VARIABLES}
    # The one value that is no part of the site.
    assert used <= {variable.name for variable in VARIABLES if variable.secret}


# --- a value is used as it was parsed ---------------------------------------------------------------------------------


def test_blanks_around_a_value_are_no_part_of_it():
    site = build(
        hosts(lb1={"variables": {"infinitt_interface": " eth0 ", "infinitt_gateway": " none"}}),
        infinitt_preflight="all ",
        infinitt_failover=" fast",
        infinitt_stats_port=" 8404 ",
        infinitt_stats_password="secret",
        infinitt_services={"web": {"check_path": "/health ", "nodes": [" pacs1"]}},
        infinitt_nodes=[{"name": "pacs1 ", "address": " 198.51.100.21 "}],
    )
    assert site.problems == []
    assert (site.preflight, site.failover, site.stats_port) == ("all", "fast", 8404)
    assert site.hosts["lb1"].gateway is None
    web = service(site, "web")
    assert (web.check_path, web.nodes[0].name, web.nodes[0].address) == ("/health", "pacs1", "198.51.100.21")


@pytest.mark.parametrize("blank", [None, "", "  ", "\t"])
@pytest.mark.parametrize(
    "name", [name for name in (*SITE_VARIABLES, *RUN_VARIABLES) if name not in ("infinitt_vip", "infinitt_nodes")]
)
def test_a_blank_is_unset_whatever_the_variable(name, blank):
    assert as_dict(build(**{name: blank})) == as_dict(build())


@pytest.mark.parametrize("blank", [None, "", "  "])
@pytest.mark.parametrize("name", HOST_VARIABLES)
def test_a_blank_is_unset_on_a_host_too(name, blank):
    assert as_dict(build(hosts(lb1={"variables": {name: blank}}))) == as_dict(build())


def test_hosts_that_write_the_same_differently_do_not_differ():
    pair = hosts(
        lb1={"variables": {"infinitt_layer": "4 ", "infinitt_router_id": ""}},
        lb2={"variables": {"infinitt_layer": 4, "infinitt_router_id": None}},
    )
    assert build(pair, infinitt_layer=4).problems == []


def test_no_secret_comes_out_of_the_site():
    site = build(infinitt_stats_port=8404, infinitt_stats_password="canary-7f3a")
    assert site.problems == [] and "canary-7f3a" not in repr(site) + repr(as_dict(site))


def test_a_node_may_be_named_by_a_number():
    numbered = [{"name": 1, "address": "198.51.100.21"}, {"name": "2", "address": "198.51.100.22"}]
    site = build(infinitt_nodes=numbered, infinitt_services={"mwl": {"nodes": [1, 2]}, "query": {"nodes": ["1"]}})
    assert site.problems == []
    assert [node.name for node in service(site, "mwl").nodes] == ["1", "2"]
    assert [node.name for node in service(site, "query").nodes] == ["1"]


@pytest.mark.parametrize(
    "written, read",
    [
        ({"infinitt_wait": "2h"}, {"wait": 7200}),
        ({"infinitt_wait": " 90 "}, {"wait": 90}),
        ({"infinitt_force": "True"}, {"force": True}),
        ({"infinitt_cut": "yes"}, {"cut": True}),
        ({"infinitt_dead": "no"}, {"dead": False}),
        ({"infinitt_node": " pacs1", "infinitt_state": "drain "}, {"node": "pacs1", "state": "drain"}),
        ({"infinitt_node": 1}, {"node": "1"}),
        ({"infinitt_to": "lb2 "}, {"to": "lb2"}),
        ({"infinitt_echoes": "5"}, {"echoes": 5}),
        ({"infinitt_confirm": " 198.51.100.10"}, {"confirm": "198.51.100.10"}),
        ({"infinitt_check_timeout": "10"}, {"check_timeout": 10}),
    ],
)
def test_what_is_asked_of_a_run_may_be_a_string(written, read):
    site = build(**written)
    assert site.problems == [] and {name: site.run[name] for name in read} == read


@pytest.mark.parametrize("written", ["cut_off, switchover ", ["cut_off", "switchover"]])
def test_faults_are_a_list_or_a_string_with_commas_and_keep_their_order(written):
    assert build(infinitt_faults=written).run["faults"] == ["cut_off", "switchover"]


@pytest.mark.parametrize("written", ["power", "switchover,", ["reboot", 1], {"reboot": True}, 1])
def test_a_fault_that_the_drill_does_not_know_is_named(written):
    (problem,) = build(infinitt_faults=written).problems
    assert problem.startswith("infinitt_faults is ") and "give some of switchover, keepalived_stopped" in problem


def test_the_drill_reboots_no_host_that_was_not_meant():
    assert build().run["faults"] == ["switchover", "keepalived_stopped", "haproxy_killed", "haproxy_hung", "cut_off"]
