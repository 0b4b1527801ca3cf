# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""playbooks/controller.yml sets up a controller: what the modules of awx.awx send to a stand-in for its API."""

from __future__ import annotations

import controlled
import pytest
import yaml
from resources import render
from survey_rules import variables

SURVEYS = yaml.safe_load((controlled.CLONE / "playbooks/tower/surveys.yml").read_text())["survey_questions"]


@pytest.fixture
def controller(set_up):
    return set_up[0].controller


def names(items):
    return [item["name"] for item in items]


def test_every_playbook_has_a_job_template(controller):
    assert {template["playbook"] for template in controller.held["job_templates"].values()} == controlled.PLAYBOOKS


def test_no_module_had_anything_to_warn_of(set_up):
    assert "[WARNING]" not in set_up[1] and "[DEPRECATION" not in set_up[1], set_up[1]


def test_no_secret_was_sent(controller):
    assert [item["inputs"] for item in controller.held["credentials"].values()] == [{}, {}, {}]


def test_each_survey_asks_what_stands_in_the_file_of_surveys(controller):
    asked = {}
    for template in controller.held["job_templates"].values():
        questions = [question["variable"] for question in controller.survey(template).get("spec", [])]
        asked.setdefault(template["playbook"].removeprefix("playbooks/").removesuffix(".yml"), []).append(questions)
    for playbook, questions in SURVEYS.items():
        assert [question["variable"] for question in questions] in asked.pop(playbook), playbook
    # For these there is nothing to ask.
    assert asked == {"preflight": [[]], "controller": [[]]}


def test_the_links_of_the_workflows_are_those_of_the_file(controller):
    nodes = controller.held["workflow_job_template_nodes"]
    by_workflow = {}
    for node in nodes.values():
        workflow = controller.held["workflow_job_templates"][node["workflow_job_template"]]["name"]
        runs = controller.unified(node["unified_job_template"])["name"]
        follows = [nodes[number]["identifier"] for number in node["associations"]["success_nodes"]]
        by_workflow.setdefault(workflow, {})[node["identifier"]] = (runs, follows)
    written = yaml.safe_load((controlled.CLONE / "playbooks/tower/workflows.yml").read_text())["controller_workflows"]
    assert by_workflow == {
        workflow["name"]: {
            node["identifier"]: (
                node.get("unified_job_template") or node["approval_node"]["name"],
                node.get("success_nodes", []),
            )
            for node in workflow["simplified_workflow_nodes"]
        }
        for workflow in written
    }


def test_the_drill_of_the_workflow_is_confirmed_by_what_its_plan_says(controller):
    template = controller.of("job_templates", "Failover drill that was approved")
    assert "infinitt_confirm" not in variables(controller.survey(template), {}, {})
    assert "loadbalancer_drill.vip" in template["extra_vars"]


def test_a_notification_says_what_is_wrong(controller):
    (told,) = controller.held["notification_templates"].values()
    artifacts = {
        "loadbalancer_status": {"problems": [{"code": "node_down", "text": "It is down.", "remedy": "Fix it."}]}
    }
    assert "[node_down] It is down. Fix it." in render(told["messages"]["error"]["body"], artifacts=artifacts)
    healthy = render(told["messages"]["success"]["body"], artifacts={"loadbalancer_status": {"problems": []}})
    assert "Nothing is wrong" in healthy


# In the order of the file: each of these leaves what it changes as the next one finds it.


def test_a_second_run_changes_and_sends_nothing_and_keeps_the_secrets(set_up):
    server = set_up[0]
    machine = server.controller.of("credentials", "PACS load balancers")
    machine["inputs"] = {"username": "ansible", "ssh_key_data": "a key"}
    server.controller.writes.clear()
    said, changed = controlled.play(server)
    assert (changed, server.controller.writes) == (0, []), said
    assert machine["inputs"]["ssh_key_data"] == "a key"


def test_a_survey_that_has_changed_is_sent_and_nothing_else(set_up, tmp_path):
    server = set_up[0]
    template = server.controller.of("job_templates", "Switch over")
    server.controller.surveys[template["id"]]["spec"][0]["question_name"] = "Another question"
    server.controller.writes.clear()
    said, changed = controlled.play(server, "--tags", "templates")
    ((method, path, data),) = server.controller.writes
    assert (changed, method, path) == (1, "POST", f"/api/v2/job_templates/{template['id']}/survey_spec/"), said
    assert data["spec"][0]["question_name"] != "Another question"


def test_what_is_marked_absent_is_removed(set_up):
    server = set_up[0]
    workflow = server.controller.of("workflow_job_templates", "Quarterly drill")
    gone = [
        {"name": "Quarterly drill", "organization": "Radiology", "simplified_workflow_nodes": [], "state": "absent"},
    ]
    server.controller.writes.clear()
    controlled.play(server, "--tags", "workflows", controller_workflows=gone)
    assert server.controller.writes == [("DELETE", workflow["url"], None)]
    left = {node["workflow_job_template"] for node in server.controller.held["workflow_job_template_nodes"].values()}
    assert workflow["id"] not in left and left == {*server.controller.held["workflow_job_templates"]}


def test_a_dry_run_says_what_it_would_do_and_does_nothing(set_up):
    server = set_up[0]
    template = server.controller.of("job_templates", "Switch over")
    template["description"] = "Another one"
    server.controller.writes.clear()
    changed = controlled.play(server, "--check", "--tags", "templates")[1]
    assert (changed, server.controller.writes, template["description"]) == (1, [], "Another one")
