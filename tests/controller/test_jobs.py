# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each job template that the controller was given, run by ansible-runner as it would be, where no load balancer can be
reached: the playbook takes every default of its survey, and says of every bad answer what is wrong with it.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys

import controlled
import pytest
import yaml
from resources import Refused
from survey_rules import variables

# Nobody is there, and the answer comes at once.
NOBODY = {"ansible_host": "127.0.0.1", "ansible_port": 1}
INVENTORY = {
    "loadbalancers": {
        "hosts": {
            "lb1": {**NOBODY, "infinitt_address": "198.51.100.11"},
            "lb2": {**NOBODY, "infinitt_address": "198.51.100.12"},
        },
        "vars": {
            "infinitt_vip": "198.51.100.10/24",
            "infinitt_nodes": [{"name": "pacs1", "address": "198.51.100.21"}],
        },
    }
}
REQUIRED = {"infinitt_node": "pacs1", "infinitt_state": "drain", "infinitt_host": "lb1"}
TEMPLATES = yaml.load(
    (controlled.CLONE / "playbooks/tower/templates.yml").read_text().replace("!unsafe", ""), yaml.SafeLoader
)["controller_templates"]
JOBS = [template["name"] for template in TEMPLATES if template["playbook"] != "playbooks/controller.yml"]


# Where that one is dead, more can be done than to mend the connection; and status shows what it could not ask.
UNREACHED = {
    "Remove a load balancer": "lb1 cannot be reached, so it cannot be stopped",
    **dict.fromkeys(("Status", "Status, told to everybody"), "lb1 could not be reached, so its state is unknown"),
}


class Unsafe(str):
    """A text that Ansible must not fill in: AWX marks each answer as one."""


class Dumper(yaml.SafeDumper):
    pass


Dumper.add_representer(Unsafe, lambda dumper, text: dumper.represent_scalar("!unsafe", str(text)))


@pytest.fixture
def start(set_up, tmp_path):
    """start(name, answers, artefacts) runs a job; it returns the exit code, and each message that a task has shown."""
    server = set_up[0]

    def run(name, answers, artefacts=None):
        template = server.controller.of("job_templates", name)
        own = json.loads(template["extra_vars"] or "{}")
        asked = variables(server.controller.survey(template), own, {**answers, **(artefacts or {})})
        for directory in ("env", "inventory", "project"):
            (tmp_path / directory).mkdir(exist_ok=True)
        (tmp_path / "inventory/hosts.json").write_text(json.dumps(INVENTORY))
        marked = {
            key: Unsafe(value) if isinstance(value, str) and key not in own else value for key, value in asked.items()
        }
        (tmp_path / "env/extravars").write_text(yaml.dump(marked, Dumper=Dumper))
        its = {"PATH": f"{controlled.VENV}:{controlled.PATH}"}
        if "This controller" in server.controller.linked(template, "credentials"):
            its |= {**server.environment, "ANSIBLE_ACTION_PLUGINS": str(controlled.HERE / "action")}
        done = subprocess.run(
            [
                *(sys.executable, "-m", "ansible_runner", "run", str(tmp_path), "--ident", "job"),
                *("--project-dir", str(controlled.CLONE), "--playbook", template["playbook"]),
            ],
            env=controlled.ansible_environment(**its),
            text=True,
            capture_output=True,
            check=False,
        )
        events = [json.loads(path.read_text()) for path in (tmp_path / "artifacts/job/job_events").glob("*.json")]
        results = [event.get("event_data", {}).get("res") or {} for event in events]
        said = "\n".join(json.dumps(result["msg"]) for result in results if "msg" in result)
        return done.returncode, said or done.stdout + done.stderr

    return run


def needed(controller, name):
    spec = controller.survey(controller.of("job_templates", name)).get("spec", [])
    return {question["variable"]: REQUIRED[question["variable"]] for question in spec if question["required"]}


@pytest.mark.parametrize("name", JOBS)
def test_a_job_takes_the_defaults_of_its_survey_and_says_that_nobody_can_be_reached(name, start, set_up):
    code, said = start(name, needed(set_up[0].controller, name))
    assert code == 2, said
    assert UNREACHED.get(name, "check the SSH connection") in said, said
    assert not re.search(r"infinitt_\w+ is ", said), said
    assert "\\u001b" not in said  # no colours: whoever reads it may have none


@pytest.mark.parametrize("name", JOBS)
def test_a_job_says_of_each_bad_answer_what_is_wrong_and_does_nothing_with_it(name, start, set_up, tmp_path):
    mark = tmp_path / "mark"
    bad = f'$(touch {mark}) {{{{ lookup("ansible.builtin.pipe", "touch {mark}") }}}}'
    controller = set_up[0].controller
    spec = controller.survey(controller.of("job_templates", name)).get("spec", [])
    texts = [question["variable"] for question in spec if question["type"] == "text"]
    if not texts:
        pytest.skip("nothing is asked that could be answered badly: the controller itself refuses what is no choice")
    code, said = start(name, {**needed(controller, name), **dict.fromkeys(texts, bad)})
    assert code == 2, said
    # A rollback first asks to which site it would go back, and here nobody answers.
    told = [f"{text} is '$(touch" for text in texts] if name != "Go back" else ["check the SSH connection"]
    assert [words for words in told if words not in said] == [], said
    assert not mark.exists()


def test_the_job_that_sets_up_the_controller_makes_what_is_missing_there(start, set_up):
    controller = set_up[0].controller
    controller.delete("schedules", controller.of("schedules", "Status, every 5 minutes"))
    code, said = start("Set up this controller", {})
    assert code == 0, said
    assert controller.of("schedules", "Status, every 5 minutes")


def test_the_controller_itself_refuses_what_is_no_choice_and_what_is_out_of_range(set_up):
    controller = set_up[0].controller
    drill = controller.survey(controller.of("job_templates", "Failover drill"))
    for bad in ({"infinitt_echoes": 21}, {"infinitt_echoes": "1; reboot"}, {"infinitt_force": "maybe"}):
        with pytest.raises(Refused):
            variables(drill, {}, bad)


def test_an_approved_drill_takes_its_yes_and_its_faults_from_the_plan_before_it(start):
    plan = {"loadbalancer_drill": {"vip": "what the plan named", "faults": ["switchover", "and this"]}}
    code, said = start("Failover drill that was approved", {}, plan)
    assert code == 2 and "infinitt_confirm is 'what the plan named'" in said, said
    assert "infinitt_faults is ['switchover', 'and this']" in said, said
