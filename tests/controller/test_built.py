# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What other tools read of the collection is what they take: ansible-builder, and Event-Driven Ansible."""

from __future__ import annotations

import json
import re
import subprocess

import controlled
import pytest
import yaml

RULEBOOKS = sorted((controlled.CLONE / "extensions/eda/rulebooks").glob("*.yml"))
# ansible-rulebook's own schema and its own parser of conditions; the engine behind them would need a JVM.
READ = """
import json, sys, yaml
from ansible_rulebook.rules_parser import parse_rules
from ansible_rulebook.validators import Validate
rulebook = yaml.safe_load(sys.stdin)
Validate.rulebook(rulebook)
print(json.dumps([rule.name for ruleset in rulebook for rule in parse_rules(ruleset["rules"], {})]))
"""


def run(*command, **options):
    done = subprocess.run(
        [str(word) for word in command], cwd=controlled.CLONE, text=True, capture_output=True, check=False, **options
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_execution_environment_can_be_built(tmp_path):
    """As far as that is possible without an image to build on: ansible-builder makes all that a build is given."""
    run(controlled.TOOLS / "bin/ansible-builder", "create", "--context", tmp_path, "--output-filename", "Containerfile")
    made = tmp_path / "_build"
    assert (made / "requirements.txt").read_text() == (controlled.CLONE / "requirements/controller.txt").read_text()
    wanted = controlled.CLONE / "playbooks/tower/requirements.yml"
    assert (made / "requirements.yml").read_text() == wanted.read_text()
    assert "ansible-core>=2.16" in (tmp_path / "Containerfile").read_text()


@pytest.mark.parametrize("rulebook", RULEBOOKS, ids=lambda path: path.stem)
def test_a_rulebook_is_one(rulebook):
    assert json.loads(run(controlled.TOOLS / "bin/python", "-c", READ, input=rulebook.read_text()))


@pytest.mark.parametrize("rulebook", RULEBOOKS, ids=lambda path: path.stem)
def test_a_rulebook_starts_jobs_that_there_are_for_alerts_that_there_are(rulebook, set_up):
    controller = set_up[0].controller
    alerts = yaml.safe_load((controlled.CLONE / "monitoring/alerts.yml").read_text())["groups"]
    # What labels each has is what promtool finds it to have.
    tried = yaml.safe_load((controlled.CLONE / "monitoring/alerts_test.yml").read_text())["tests"]
    labels = {rule["alert"]: [] for group in alerts for rule in group["rules"]}
    for case in (case for test in tried for case in test["alert_rule_test"]):
        labels[case["alertname"]] += [{"alertname", *alert["exp_labels"]} for alert in case["exp_alerts"]]
    kinds = {"run_job_template": "job_templates", "run_workflow_template": "workflow_job_templates"}
    for rule in (rule for ruleset in yaml.safe_load(rulebook.read_text()) for rule in ruleset["rules"]):
        (alert,) = re.findall(r'labels\.alertname == "(\w+)"', rule["condition"])
        used = {*re.findall(r"alert\.labels\.(\w+)", json.dumps(rule))}
        assert labels[alert] and used <= set.intersection(*labels[alert]), rule["name"]
        ((kind, job),) = rule["action"].items()
        template = controller.of(kinds[kind], job["name"])
        asked = {question["variable"]: question for question in controller.survey(template).get("spec", [])}
        given = job.get("job_args", {}).get("extra_vars", {})
        assert {*given} <= {*asked}, rule["name"]
        assert {name for name, question in asked.items() if question["required"]} <= {*given}, rule["name"]
