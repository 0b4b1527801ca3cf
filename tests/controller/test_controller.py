# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""playbooks/controller.yml sets up a controller: what the modules of awx.awx send to a stand-in for its API."""

from __future__ import annotations

import re

import controlled
import pytest
import yaml
from resources import FIELDS, JOB, render
from survey_rules import variables

ON_CALL = {"PACS on call"}
ASKED = {"job_type": "job type", "diff_mode": "show changes"}
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


def test_each_job_template_asks_and_has_the_label_that_the_page_says(controller):
    page = (controlled.CLONE / "docs/tower.md").read_text()
    rows = re.findall(r"^\| ([^|]+) \| `playbooks/\w+\.yml` \| (\w*) ?\| ([\w ,]+) \|", page, re.MULTILINE)
    said = {name: ({"pacs", label} - {""}, {*asked.split(", ")}) for name, label, asked in rows}
    assert said == {
        template["name"]: (
            controller.linked(template, "labels"),
            {
                ASKED.get(what, what)
                for what in (field.removeprefix("ask_").removesuffix("_on_launch") for field in template)
                if template.get(f"ask_{what}_on_launch")
            },
        )
        for template in controller.held["job_templates"].values()
    }


def test_each_job_template_has_its_credentials_and_runs_whole_alone_and_without_root(controller):
    for template in controller.held["job_templates"].values():
        its_own = template["playbook"] == "playbooks/controller.yml"
        wanted = {"This controller"} if its_own else {"PACS load balancers", "PACS secrets"}
        assert controller.linked(template, "credentials") == wanted, template["name"]
        found = [template[name] for name in ("job_slice_count", "allow_simultaneous", "become_enabled")]
        assert found == [1, False, False], template["name"]


def test_the_schedules_are_those_of_the_page(controller):
    schedules = controller.held["schedules"].values()
    found = {
        controller.unified(each["unified_job_template"])["name"]: each["rrule"].partition("RRULE:")[2]
        for each in schedules
    }
    assert found == {
        "Status": "FREQ=MINUTELY;INTERVAL=5",
        "Is the PACS answering?": "FREQ=DAILY;INTERVAL=1",
        "Quarterly drill": "FREQ=MONTHLY;INTERVAL=3;BYDAY=TU;BYSETPOS=2",
    }
    assert all(each["enabled"] for each in schedules)


def test_whoever_is_on_call_is_told_what_fails_and_what_waits(controller):
    workflows = [*controller.held["workflow_job_templates"].values()]
    scheduled = [controller.unified(each["unified_job_template"]) for each in controller.held["schedules"].values()]
    for each in [*workflows, *scheduled]:
        assert controller.linked(each, "notification_templates_error") == ON_CALL, each["name"]
    for node in controller.held["workflow_job_template_nodes"].values():
        if controller.unified(node["unified_job_template"])["type"] == "workflow_approval_template":
            workflow = controller.held["workflow_job_templates"][node["workflow_job_template"]]
            assert controller.linked(workflow, "notification_templates_approvals") == ON_CALL, workflow["name"]


def test_nobody_is_told_of_a_success_but_where_an_alert_has_asked(controller):
    templates = [*controller.held["job_templates"].values(), *controller.held["workflow_job_templates"].values()]
    told = {each["name"] for each in templates if controller.linked(each, "notification_templates_success")}
    assert told == {"Status, told to everybody"}


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
    body = told["messages"]["error"]["body"]
    down = {"code": "node_down", "text": "It is down.", "remedy": "Fix it."}
    for problem, words in ((down, "[node_down] It is down. Fix it."), ("It is ill.", "It is ill.")):
        assert words in render(body, {**JOB, "artifacts": {"loadbalancer_status": {"problems": [problem]}}})
    assert "Nothing is wrong" in render(body, {**JOB, "artifacts": {"loadbalancer_status": {"problems": []}}})


def test_a_notification_of_a_workflow_whose_job_has_no_artifacts_says_where_it_is(controller):
    (told,) = controller.held["notification_templates"].values()
    job = {name: value for name, value in JOB.items() if name != "artifacts"}
    assert render(told["messages"]["error"]["body"], job).strip() == "https://controller.example.org/#/jobs/1"


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


class Loader(yaml.SafeLoader):
    """Leaves out the texts that are for AWX to fill in: as an extra variable, Ansible would."""


Loader.add_constructor("!unsafe", lambda *_: "")


def called_gone(**more):
    """Return the data of the playbook, of each kind that can be removed the first, by another name."""
    data = {}
    for path in sorted((controlled.CLONE / "playbooks/tower").glob("*.yml")):
        loaded = yaml.load(path.read_text(), Loader)
        kinds = loaded if isinstance(loaded, dict) else {}
        for variable, entries in kinds.items():
            if variable.startswith(("aap_", "controller_")):
                data[variable] = [{**entries[0], "name": "Gone", **more}] if variable != "controller_labels" else []
    return data


def kinds_of(controller, name):
    return {kind for kind, items in controller.held.items() if any(item.get("name") == name for item in items.values())}


REMOVABLE = {*FIELDS} - {"labels", "workflow_job_template_nodes", "workflow_approval_templates"}


def test_what_is_marked_present_is_made_whole(set_up):
    server = set_up[0]
    data = called_gone(state="present")
    (workflow,) = data["controller_workflows"]
    for node in workflow["simplified_workflow_nodes"]:
        node["state"] = "present"
    controlled.play(server, **data)
    assert kinds_of(server.controller, "Gone") == REMOVABLE
    number = server.controller.of("workflow_job_templates", "Gone")["id"]
    nodes = server.controller.held["workflow_job_template_nodes"].values()
    links = [len(node["associations"]["success_nodes"]) for node in nodes if node["workflow_job_template"] == number]
    assert links == [1, 1, 1, 1, 0]


def test_a_node_that_is_marked_absent_is_removed(set_up):
    server = set_up[0]
    (workflow,) = called_gone()["controller_workflows"]
    *_others, before, last = workflow["simplified_workflow_nodes"]
    del before["success_nodes"]
    last["state"] = "absent"
    server.controller.writes.clear()
    controlled.play(server, "--tags", "workflows", controller_workflows=[workflow])
    assert [method for method, _path, _data in server.controller.writes].count("DELETE") == 1


def test_what_is_marked_absent_is_removed(set_up):
    server = set_up[0]
    server.controller.writes.clear()
    controlled.play(server, **called_gone(state="absent"))
    assert {path.split("/")[3] for method, path, _data in server.controller.writes if method == "DELETE"} == REMOVABLE
    assert len(server.controller.writes) == len(REMOVABLE)


def test_a_dry_run_says_what_it_would_do_and_does_nothing(set_up):
    server = set_up[0]
    template = server.controller.of("job_templates", "Switch over")
    template["description"] = "Another one"
    server.controller.writes.clear()
    changed = controlled.play(server, "--check", "--tags", "templates")[1]
    assert (changed, server.controller.writes, template["description"]) == (1, [], "Another one")
