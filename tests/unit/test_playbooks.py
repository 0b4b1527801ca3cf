# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What holds for every playbook, as it is written."""

from __future__ import annotations

import pytest
import yaml
from interruptions import tasks_that_change, under_a_lock
from rendering import REPOSITORY

PLAYBOOKS = {path.stem: path for path in (REPOSITORY / "playbooks").glob("*.yml")}
ROUND = REPOSITORY / "roles/infinitt/tasks/hand_over_round.yml"
ELSEWHERE = {"controller", "support_bundle"}  # they write to Tower, and on the controller
# What a host notes for itself, whoever asks it.
NOTED = {
    "Make the key of the mirror, where there is none",
    "See who still comes to a former VIP",
    "See which security updates wait",
}


@pytest.mark.parametrize("playbook", sorted(PLAYBOOKS.keys() - ELSEWHERE))
def test_a_playbook_changes_load_balancers_under_a_lock_alone(playbook):
    assert {name for name, locked in under_a_lock(PLAYBOOKS[playbook]) if not locked} <= NOTED


def test_the_tasks_that_an_interruption_may_follow_are_known():
    """And most of them are under a lock, as the test above would say of none too."""
    assert len(tasks_that_change()) > 30
    assert sum(locked for _name, locked in under_a_lock(PLAYBOOKS["site"])) > 30


def test_a_round_of_a_move_lets_back_the_hosts_that_it_keeps_the_vip_from():
    """A drill moves the VIP in one round, and waits for a healthy third host afterwards."""
    (block,) = [item for item in yaml.safe_load(ROUND.read_text()) if "always" in item]
    (begin, *_move), (end,) = block["block"], block["always"]
    kept, let = begin["pacs.loadbalancer.vip_barred"], end["pacs.loadbalancer.vip_barred"]
    assert kept["seconds"] > 0 and let["seconds"] == 0
    assert kept["handover_file"] == let["handover_file"] and begin["loop"] == end["loop"]
