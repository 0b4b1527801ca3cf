# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the scenario `history` makes of its lab, with commands and a namespace of this machine."""

from __future__ import annotations

import os
import sys
import time

import pytest
from history.actions import Playbook
from history.belief import Step
from history.lab import Lab, Running
from history.sampler import Sampler

RECAP = "lb1                        : ok=9    changed=3    unreachable=0    failed=0"
FATAL = 'fatal: [lb1]: FAILED! => {"changed": false, "msg": "lb2 cannot be reached."}'


def ended(tmp_path, script, seconds=20):
    return Running([sys.executable, "-c", script], dict(os.environ), tmp_path / "log", {}).end(seconds)


def test_a_playbook_tells_what_it_changed_and_said(tmp_path):
    end = ended(tmp_path, f"print({FATAL!r}); print({RECAP!r}); raise SystemExit(2)")
    assert (end["code"], end["killed"], end["changed"]) == (2, False, {"lb1": 3})
    assert "lb2 cannot be reached." in end["said"]


def test_a_controller_that_is_killed_is_told_from_one_that_takes_too_long(tmp_path):
    assert ended(tmp_path, "import os; os.kill(os.getpid(), 9)")["killed"]
    late = ended(tmp_path, "import time; time.sleep(60)", seconds=0.2)
    assert not late["killed"] and late["said"] == "it took more than 0.2 s"


@pytest.fixture
def lab(tmp_path, monkeypatch):
    monkeypatch.setattr("history.lab.WORK", tmp_path)
    balancers = {"lb1": "pacs-lab-lb1", "lb2": "pacs-lab-lb2"}
    addresses = {"lb1": "198.51.100.11", "lb2": "198.51.100.12", "lb3": "198.51.100.13"}
    observer = {"vip": "198.51.100.10", "balancers": balancers}
    third = {"lb3": "pacs-lab-lb3"}
    given = {"environment": {}, "observer": observer, "vips": [], "third": third, "nodes": {}, "addresses": addresses}
    return Lab(given)


def test_a_step_fills_in_its_value_and_its_place_and_leaves_other_braces(lab):
    text = {"a": {"b": "{value} on {host}, not {others}, {{ jinja }}"}, "c": 1}
    filled = lab.fill(text, Step.parse("deploy:8043"), "lb1")
    assert filled == {"a": {"b": "8043 on lb1, not 198.51.100.12, {{ jinja }}"}, "c": 1}


def test_who_is_in_service_follows_from_what_the_playbooks_did(lab):
    served = []
    gone = Playbook("remove_loadbalancer", extra={"infinitt_host": "{host}"})
    for playbook in (Playbook(third=True), gone, Playbook(options=("--check",)), Playbook("status"), Playbook()):
        lab.serve(playbook, Step("third"), "lb1")
        served.append(" ".join(lab.balancers))
    assert served == ["lb1 lb2 lb3", "lb2 lb3", "lb2 lb3", "lb2 lb3", "lb1 lb2"]


def test_a_sample_tells_who_has_the_vip_and_who_is_off(tmp_path):
    (tmp_path / "here").write_text(str(os.getpid()))
    (tmp_path / "off").write_text("4194305")  # above pid_max
    notes = []
    files = {"lb1": str(tmp_path / "here"), "lb2": str(tmp_path / "off"), "lb3": str(tmp_path / "never")}
    sampler = Sampler(files, ["127.0.0.1"], lambda event, **more: notes.append({"event": event, **more}))
    sampler.start()
    deadline = time.monotonic() + 10
    while not notes and time.monotonic() < deadline:
        time.sleep(0.02)
    sampler.stop()
    assert notes[0]["event"] == "sample" and notes[0]["vip"] == ["lb1"]
