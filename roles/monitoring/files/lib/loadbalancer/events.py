# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What has happened between two looks at this load balancer. Pure.

Each load balancer tells of what it sees itself: where the other one is dead, or sees something else, one that left it
to the other would tell nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from typing import Any, NamedTuple

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis import status

Memory = Mapping[str, Any]

# The states of Keepalived that last; the others are on the way to one of them.
LASTING = ("MASTER", "BACKUP", "FAULT", "STOP")

# By the guard's word for it (keepalived_guard.moves): what has become of the VIP.
WHY = {
    "peer_gave_up": "It has taken the VIP, which the other load balancer has given up.",
    "peer_silent": "It has taken the VIP, as the other load balancer is silent.",
    "no_node": "It has given the VIP up, as no node answered it.",
    "peer_differs": "It has given the VIP up, as the other load balancer announces something else.",
    "peer_preferred": "It has given the VIP up to the other load balancer, which has the higher priority.",
    "fault": "It has given the VIP up, as it has a fault.",
    "stopped": "It has given the VIP up, as Keepalived was stopped.",
}


class Event(NamedTuple):
    """One thing that has happened.

    ``event``: `state`, where Keepalived's is another one, or the code of a problem or a notice (docs/operations.md).
    ``host``: who tells it. ``where``: the load balancer, node, service or VIP that it concerns. ``former``, ``new``:
    two states; of a problem, how many there were and are in that place, so that it is over at 0. ``why``: whole
    sentences, or empty. ``at``: seconds since the epoch.
    """

    event: str
    host: str
    where: str
    former: str
    new: str
    why: str
    at: float

    def text(self) -> str:
        """Return it in one line, for a person."""
        if self.event == "state":
            was = f", and was {self.former} before" if self.former else ""
            said = f"Keepalived is {self.new}{was}. {self.why}"
        else:
            said = f"Over: {self.why}" if self.new == "0" else self.why
        return " ".join(f"{self.host}: {said}".split())

    def as_dict(self) -> dict[str, str]:
        """Return it for a program."""
        return {
            "event": self.event,
            "host": self.host,
            "where": self.where,
            "from": self.former,
            "to": self.new,
            "why": self.why,
            "at": datetime.fromtimestamp(self.at, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }


def happened(state: Mapping[str, Any], memory: Memory) -> tuple[list[Event], Memory]:
    """Return what has happened since the last look, and what is to be remembered of this one.

    ``state``: what `state.look` returns. ``memory``: what this returned last; empty for the first time.
    """
    if state["at"] == memory.get("at"):
        return [], memory
    changed, moved = _moved(state, memory)
    problems, told = _problems(state, memory)
    return [*changed, *problems], {"at": state["at"], **moved, **told}


def _moved(state: Mapping[str, Any], memory: Memory) -> tuple[list[Event], Memory]:
    name, daemon = state["name"], state["observed"]["keepalived"]
    former, new = memory.get("state", ""), memory.get("state", "")
    for instance in daemon["instances"][:1]:
        new = instance["state"] if instance["state"] in LASTING else former
    if not daemon["running"]:
        new = "STOP"
    moves = {reason: number for reasons in daemon["guard"]["moves"].values() for reason, number in reasons.items()}
    before = memory.get("moves", moves)
    reasons = [reason for reason, number in moves.items() if number > before.get(reason, 0)]
    # One that is as it was may have moved to and fro meanwhile.
    events = [Event("state", name, name, former, new, _why(daemon["guard"], new, reasons), state["at"])]
    return events if new != former or reasons else [], {"state": new, "moves": moves}


def _why(guard: Mapping[str, Any], new: str, reasons: Iterable[str]) -> str:
    said = [WHY[reason] for reason in reasons if reason in WHY]
    if new == "FAULT" and guard["held"]:
        said.append(f"The guard keeps it from the VIP: {guard['held']}.")
    return " ".join(said)


def _problems(state: Mapping[str, Any], memory: Memory) -> tuple[list[Event], Memory]:
    """What lasts for one look alone is not told, be it that a problem is there or that there is none: a reload, say."""
    now: dict[str, list[str]] = {}
    overdue = status.overdue(state["site"], {state["name"]: state["observed"]}, state["at"])
    for problem in (*state["problems"], *overdue):
        now.setdefault(problem.key, []).append(problem.text)
    found, events = {}, []
    before = memory.get("problems", {})
    for key in dict.fromkeys([*now, *before]):
        here = len(now.get(key, ()))
        its = before.get(key, {"here": 0, "told": 0, "why": ""})
        told = min(max(its["told"], min(here, its["here"])), max(here, its["here"]))
        why = " ".join(now[key]) if here else its["why"]
        if told != its["told"]:
            code, _blank, where = key.partition(" ")
            events.append(Event(code, state["name"], where, str(its["told"]), str(told), why, state["at"]))
        if here or told:
            found[key] = {"here": here, "told": told, "why": why}
    return events, {"problems": found}
