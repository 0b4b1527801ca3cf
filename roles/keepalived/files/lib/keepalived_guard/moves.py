# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How often this host took the VIP and gave it up, and why; pure."""

from __future__ import annotations

from collections.abc import Mapping

MASTER = "MASTER"
# By move, the words of `why`: each counts from 0.
REASONS = {
    "taken": ("peer_gave_up", "peer_silent"),
    "given_up": ("no_node", "peer_differs", "peer_preferred", "fault", "stopped"),
}


class Moves:
    """``counts``: by move and reason, as in `REASONS`."""

    def __init__(self, counts: Mapping[str, Mapping[str, int]]) -> None:
        """``counts``: what it was in the former process, if it was."""
        self.counts: dict[str, dict[str, int]] = {
            move: {**dict.fromkeys(reasons, 0), **counts.get(move, {})} for move, reasons in REASONS.items()
        }

    def note(self, former: str, state: str, reason: str) -> None:
        """Keepalived has gone from one state to another."""
        if MASTER in (former, state) and former != state:
            self.counts["taken" if state == MASTER else "given_up"][reason] += 1


def why(state: str, peer_gave_up: bool, hands_over: bool, is_held: bool) -> str:
    """Say in one word why Keepalived went to this state.

    ``peer_gave_up``: a peer has just announced that. ``hands_over``, ``is_held``: this host keeps from the VIP as no
    node answers it, or for any reason of the guard's own. In FAULT without one Keepalived has another: HAProxy, layer 4
    or an interface.
    """
    if state == MASTER:
        return "peer_gave_up" if peer_gave_up else "peer_silent"
    if state == "FAULT":
        return "no_node" if hands_over else "peer_differs" if is_held else "fault"
    return "peer_preferred" if state == "BACKUP" else "stopped"
