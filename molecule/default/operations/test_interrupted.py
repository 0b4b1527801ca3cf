# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a person does to the pair, killed on its way: the pair goes on serving, and the same command completes it.
The tests of site.yml are in tests/test_interruptions.py.
"""

from __future__ import annotations

import pytest
from interruptions import changes, killed_after
from pair import PAIR, REPOSITORY, UNBROKEN, other, owners, play, the_holder, traffic, until

FAULT = REPOSITORY / "roles/infinitt/tasks/drill_fault.yml"


def killed(playbook, after, log, **variables):
    run, was_killed = killed_after(after, log, playbook=playbook, **variables)
    assert was_killed, f"it was not killed after {after} changes: {run.said}"
    print(f"killed after {after}: {changes(log)[-1]}")


@pytest.mark.parametrize("after", [1, 4])
def test_a_node_that_was_half_taken_out_is_taken_out_and_brought_back(lab, vip, after, tmp_path):
    with traffic(lab, vip, timeout=3) as seen:
        killed("node_maintenance", after, tmp_path / "out", infinitt_node="pacs1", infinitt_state="drain")
        out = play("node_maintenance", infinitt_node="pacs1", infinitt_state="drain")
        killed("node_maintenance", after, tmp_path / "back", infinitt_node="pacs1", infinitt_state="active")
        back = play("node_maintenance", infinitt_node="pacs1", infinitt_state="active")
    assert out.code == 0 and back.code == 0, out.said + back.said
    assert seen["failures"] == 0, seen["outages"]
    assert play("site").changed == dict.fromkeys(PAIR, 0) and play("status").code == 0


def test_a_switchover_that_was_killed_leaves_one_owner_and_is_completed(lab, vip, holder, tmp_path):
    with traffic(lab, vip, **UNBROKEN) as held, owners(lab, vip) as had:
        killed("switchover", 1, tmp_path / "log", infinitt_to=other(holder))
        assert until(lambda: play("switchover", infinitt_to=other(holder)).code == 0, 60)
    assert held["failures"] == 0, held["outages"]
    assert had["both"] == 0 and had["nobody"] < 1, had
    assert the_holder(lab, vip) == other(holder) and play("status").code == 0


def test_a_removal_that_was_killed_is_completed_and_undone(lab, vip, holder, tmp_path):
    with traffic(lab, vip, **UNBROKEN) as held, owners(lab, vip) as had:
        killed("remove_loadbalancer", 1, tmp_path / "log", infinitt_host=holder)
        removed = play("remove_loadbalancer", infinitt_host=holder)
        back = play("site")
    assert removed.code == 0 and back.code == 0, removed.said + back.said
    assert held["failures"] == 0, held["outages"]
    assert had["both"] == 0 and had["nobody"] < 1, had
    assert play("status").code == 0


def test_the_fault_of_a_drill_is_undone_when_the_controller_is_gone(lab, vip, holder, tmp_path):
    asked = {"infinitt_faults": "haproxy_hung", "infinitt_probe_host": "modality", "infinitt_confirm": vip}
    lines = FAULT.read_text().splitlines()
    (happens,) = (number for number, line in enumerate(lines, 1) if "- name: Let it happen" in line)
    killed("failover_drill", f"{FAULT.name}:{happens}", tmp_path / "log", **asked, infinitt_report_dir=str(tmp_path))
    assert until(lambda: play("status").code == 0, 120)
