# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The alerts: of metrics that exist, each tried, and each leading to a page that says what to do."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest
import yaml
from loadbalancer.metrics import METRICS
from rendering import REPOSITORY

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis import certificates, nodes

DIRECTORY = REPOSITORY / "monitoring"
RULES = yaml.safe_load((DIRECTORY / "alerts.yml").read_text())["groups"][0]["rules"]
TESTS = yaml.safe_load((DIRECTORY / "alerts_test.yml").read_text())["tests"]
PROMTOOL = shutil.which("promtool")


@pytest.mark.skipif(not PROMTOOL, reason="promtool is not installed")
def test_prometheus_raises_each_when_it_should():
    done = subprocess.run(
        [PROMTOOL, "test", "rules", DIRECTORY / "alerts_test.yml"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_is_tried_with_its_fault_and_without():
    healthy, *faults = TESTS
    names = [rule["alert"] for rule in RULES]
    assert [test["alertname"] for test in healthy["alert_rule_test"]] == names
    raised = [test["alertname"] for fault in faults for test in fault["alert_rule_test"] if test["exp_alerts"]]
    assert list(dict.fromkeys(raised)) == names


def test_mail_tells_of_a_notice_when_its_alert_fires():
    expressions = {rule["alert"]: rule["expr"] for rule in RULES}
    assert expressions["PacsCertificateExpires"].endswith(f" < {certificates.LATE // certificates.DAY:g} * 86400")
    assert expressions["PacsNodeOutForLong"].endswith(f" > {nodes.LONG:g}")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_each_is_of_metrics_that_exist_and_leads_somewhere(rule):
    assert set(re.findall(r"pacs_(\w+)", rule["expr"])) <= set(METRICS)
    assert rule["labels"]["severity"] in ("critical", "warning")
    path, _hash, anchor = rule["annotations"]["runbook"].partition("#")
    headings = re.findall(r"^#+ (.+)$", (REPOSITORY / path).read_text(), re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert path == "docs/operations.md" and anchor in anchors
