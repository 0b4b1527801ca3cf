# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What counts as a move of the VIP, and for which reason."""

from __future__ import annotations

import pytest
from keepalived_guard.moves import REASONS, Moves, why


def counted(moves):
    return {f"{move} {why}": number for move, reasons in moves.counts.items() for why, number in reasons.items()}


def test_a_move_is_one_to_or_from_the_vip():
    moves = Moves({})
    for former, state in (("", "BACKUP"), ("BACKUP", "FAULT"), ("FAULT", "BACKUP"), ("MASTER", "MASTER")):
        moves.note(former, state, "fault")
    assert set(counted(moves).values()) == {0}, "a counter that appears has no increase"
    for former, state, reason in (
        ("BACKUP", "MASTER", "peer_silent"),
        ("MASTER", "FAULT", "no_node"),
        ("BACKUP", "MASTER", "peer_silent"),
        ("MASTER", "STOP", "stopped"),
    ):
        moves.note(former, state, reason)
    found = {name: number for name, number in counted(moves).items() if number}
    assert found == {"taken peer_silent": 2, "given_up no_node": 1, "given_up stopped": 1}


def test_a_guard_that_starts_again_goes_on_counting():
    moves = Moves({"taken": {"peer_silent": 3}})
    moves.note("BACKUP", "MASTER", "peer_silent")
    assert counted(moves)["taken peer_silent"] == 4 and counted(moves)["given_up fault"] == 0


@pytest.mark.parametrize(
    "state, gave_up, hands_over, held, reason",
    [
        ("MASTER", False, False, False, "peer_silent"),
        ("MASTER", True, False, False, "peer_gave_up"),
        ("BACKUP", False, False, False, "peer_preferred"),
        ("FAULT", False, True, True, "no_node"),
        ("FAULT", False, False, True, "peer_differs"),
        ("FAULT", False, False, False, "fault"),
        ("STOP", False, False, False, "stopped"),
    ],
)
def test_why_it_moved(state, gave_up, hands_over, held, reason):
    assert why(state, gave_up, hands_over, held) == reason
    assert reason in REASONS["taken" if state == "MASTER" else "given_up"]
