# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a playbook says with --check that it would do. Those that are not here say it in the tests of what they do."""

from __future__ import annotations

import pytest
from pair import CONFIGURATION, PAIR, other, play, the_holder


@pytest.mark.parametrize(
    "playbook, plan",
    [
        ("switchover", "The VIP {vip} moves from {holder} to {other}."),
        ("remove_loadbalancer", "{holder} hands the VIP {vip} over to {other}."),
        ("failover_drill", "A drill on lb1 and lb2, which serve {vip}."),
    ],
)
def test_a_dry_run_says_what_would_be_done_and_does_nothing(lab, vip, holder, playbook, plan):
    before = [lab[name].check_output(CONFIGURATION) for name in PAIR]
    told = play(playbook, "--check", infinitt_host=holder if playbook == "remove_loadbalancer" else "")
    assert told.code == 0, told.said
    assert plan.format(vip=vip, holder=holder, other=other(holder)) in told.said, told.said
    assert [lab[name].check_output(CONFIGURATION) for name in PAIR] == before
    assert not any(lab[name].file("/run/pacs.loadbalancer/lock.json").exists for name in PAIR)
    assert the_holder(lab, vip) == holder
    assert play("status").code == 0
