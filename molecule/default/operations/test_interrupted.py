# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a person does to the pair, killed on its way: the pair goes on serving, and the same command completes it.
The tests of site.yml are in tests/test_interruptions.py.
"""

from __future__ import annotations

import pytest
from interruptions import killed, task
from pair import ASSOCIATION, CONFIGURATION, PAIR, UNBROKEN, holds, other, owners, play, the_holder, traffic, until


@pytest.mark.parametrize("after", [2, 4, 7, 10])
def test_a_rollback_that_was_killed_is_completed(lab, vip, holder, after, tmp_path):
    """After 10 changes the standby has the former files and has not read them yet, or the holder has not."""

    def files():
        return [lab[name].check_output(CONFIGURATION) for name in PAIR]

    before = files()
    with traffic(lab, vip, **ASSOCIATION) as held:
        deployed = play("site", infinitt_services={"hl7": {"port": 2575, "node_port": 104}})
        assert deployed.code == 0, deployed.said
        killed("rollback", after, tmp_path / "log")
        completed = play("rollback")
    assert completed.code == 0, completed.said
    assert files() == before
    assert held["failures"] == 0, held["outages"]
    assert play("site").changed == dict.fromkeys(PAIR, 0) and play("status").code == 0


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


def test_the_fault_of_a_drill_is_undone_when_the_controller_is_gone(lab, vip, holder, tmp_path):
    asked = {"infinitt_faults": "haproxy_hung", "infinitt_probe_host": "modality", "infinitt_confirm": vip}
    happens = task("drill_fault.yml", "Let it happen")
    killed("failover_drill", happens, tmp_path / "log", **asked, infinitt_report_dir=str(tmp_path))
    assert until(lambda: holds(lab[other(holder)], vip), 15), "nothing has happened"
    assert until(lambda: play("status").code == 0, 120)
