# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What playbooks tell the next job of a workflow, as far as they come where nothing runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import namespaces
import played
import pytest
import yaml
from drilled import drilled, record, web
from factories import ROLE
from rendering import REPOSITORY

MISSING = namespaces.missing(played.PROGRAMS)


@pytest.fixture
def play(tmp_path):
    # In words: the programs that this machine or this user lacks for a network namespace.
    if MISSING:
        pytest.skip(MISSING)
    with played.player(tmp_path, "198.51.100.12") as run:
        yield run


def test_the_preflight_tells_what_is_in_the_way(play):
    code, said = play("preflight", hosts={"lb1": played.HERE})
    assert code == 2, said
    told = played.artefacts(said)["loadbalancer_preflight"]
    assert list(told) == ["problems"] and "pacs1" in str(told["problems"]), told


def test_the_plan_of_a_drill_tells_the_vip_and_the_faults(play):
    hosts = {"lb1": played.HERE, "lb2": {**played.HERE, "ansible_host": "198.51.100.12"}}
    code, said = play("failover_drill", "--check", hosts=hosts, infinitt_faults="switchover,cut_off")
    assert code == 0, said
    told = {"vip": "198.51.100.10", "faults": ["switchover", "cut_off"]}
    assert played.artefacts(said) == {"loadbalancer_drill": told}


@pytest.mark.parametrize(
    ("silence", "left", "told"),
    [
        (0, [], []),
        (0.95, [], ["Figures were missed: /reports/drill.html has them."]),
        (0, ["lb1 is ill."], ["lb1 is ill."]),
    ],
)
def test_a_drill_tells_what_came_of_it(silence, left, told, tmp_path):
    tasks = yaml.safe_load((ROLE / "tasks/drill_report.yml").read_text())
    playbook = tmp_path / "playbook.yml"
    variables = {
        "__infinitt_report": drilled([record(web=web(silence))]),
        "__infinitt_report_path": "/reports/drill",
        "__infinitt_problems": left,
        "__infinitt_plan": {"vip": "198.51.100.10"},
        "__infinitt": {"run": {"faults": ["cut_off"]}},
    }
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "vars_files": [str(ROLE / "vars/main/drill.yml")],
        "tasks": [task for task in tasks if task["name"] == "Tell the next job"],
    }
    playbook.write_text(yaml.safe_dump([play]))
    done = subprocess.run(
        [sys.executable, "-m", "ansible", "playbook", str(playbook), "--extra-vars", json.dumps(variables)],
        env={
            **os.environ,
            "ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg"),
            "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
            "ANSIBLE_SHOW_CUSTOM_STATS": "true",
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert played.artefacts(done.stdout) == {
        "loadbalancer_drill": {
            "vip": "198.51.100.10",
            "faults": ["cut_off"],
            "problems": told,
            "report": "/reports/drill.html",
        }
    }, done.stdout + done.stderr
