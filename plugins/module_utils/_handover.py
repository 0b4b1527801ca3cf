# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Let the VIP leave this host at a moment at which nobody notices.

TCP connections that end in HAProxy break when the VIP leaves, so it waits until there are none. HTTP clients open
connections and keep them: from the beginning on HAProxy closes each after its answer (the variable closing_until in its
configuration). Then new connections are held for the instant in which the last requests are answered and the VIP moves.

All of that is done here, in one process on the host, so that nothing waits for whoever started it.
"""

from __future__ import annotations

import select
import subprocess
import time
from typing import NamedTuple

from . import _barred, _carried, _haproxy, _neighbours, _programs
from ._addresses import held_since
from ._hold import Hold

# Seconds: between two looks, also while new connections are held; how long they are held for the last answers; how long
# they are let in before they are held once more; for how long an idle HTTP connection may come to its end by itself.
POLL, POLL_HELD, SETTLE, PAUSE, PATIENCE = 0.25, 0.02, 0.8, 3.0, 10.0

# Seconds in which Keepalived takes the addresses off, and another host takes them; a multiple of what they need. After
# BARRED this host may take them again, should this process have been killed.
LEAVES, TAKEN, RETURNS = 2.0, 3.0, 10.0
BARRED = LEAVES + TAKEN + 3.0


class Plan(NamedTuple):
    """`vips` are on `interface`. `wait`: seconds. `cut`: go on where no quiet moment has come by then."""

    services: list[_carried.Service]
    vips: list[str]
    interface: str
    handover_file: str
    wait: float
    cut: bool
    socket: str
    master_socket: str


def holds(vips: list[str]) -> bool:
    return not held_since().keys().isdisjoint(vips)


def wait_until(condition, seconds: float, poll: float = POLL_HELD) -> bool:
    """Return whether it was true within so many seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= deadline:
            return False
        select.select([], [], [], poll)
    return True


def hand_over(plan: Plan) -> dict:
    """Return what the module vip_handover returns. Raises CannotHold, and CannotBar."""
    began = time.monotonic()
    deadline, not_before = began + plan.wait, began
    close_after_answers(plan, plan.wait + SETTLE)
    while True:
        carried = look(plan)
        now = time.monotonic()
        last = now >= deadline
        waited = last or now - began >= PATIENCE
        ready = not carried.lasting() and (waited or not carried.unused())
        if ready and now >= not_before or last:
            if ready or plan.cut:
                with Hold([(it.address, it.port) for it in plan.services if not it.forwarded]) as hold:
                    if wait_until(lambda: is_quiet_twice(plan), SETTLE) or (last and plan.cut):
                        return {**move(plan, hold), "waited_s": round(now - began, 1)}
                not_before = time.monotonic() + PAUSE
            if last:
                holding_on = _carried.in_words(look(plan)) or _carried.in_words(carried)
                return result(holding_on=holding_on, waited_s=round(now - began, 1))
        select.select([], [], [], POLL)


def look(plan: Plan) -> _carried.Carried:
    return _carried.look(plan.services, plan.master_socket)


def is_quiet_twice(plan: Plan) -> bool:
    """A connection that the kernel has just given to HAProxy may be in neither's list, once."""
    return look(plan).is_quiet() and look(plan).is_quiet()


def close_after_answers(plan: Plan, seconds: float) -> None:
    """Let HAProxy close each HTTP connection after its next answer, for so many seconds from now; not at all for 0.

    It ends by itself, as the hold does.
    """
    until = int(time.time() + seconds) + 1 if seconds else 0
    try:
        _haproxy.ask(plan.socket, "experimental-mode on;set var proc.closing_until int(%d)" % until, 3.0)
    except _haproxy.NoAnswer:
        pass  # whatever it is that does not answer, it has no clients


def result(**more) -> dict:
    return {"moved": False, "msg": "", "holding_on": [], "cut": 0, "held_ms": 0, "waited_s": 0.0, **more}


def move(plan: Plan, hold: Hold) -> dict:
    """Give the VIP away, and see that another host has taken it; else it comes back."""
    hold.renew()
    carried = look(plan)
    _carried.shut(carried.sessions, plan.master_socket)
    close_idle(carried.idle)
    found = result(cut=len(carried.sessions))
    _barred.begin(plan.handover_file, BARRED)
    try:
        if not wait_until(lambda: not holds(plan.vips), LEAVES):
            return {**found, "msg": "Keepalived did not take the VIP off this host within %g s." % LEAVES}
        hold.end()
        found["held_ms"] = round(hold.seconds * 1000)
        taken = wait_until(lambda: any(_neighbours.owners(plan.interface, plan.vips[:1], 0.5).values()), TAKEN)
    finally:
        _barred.end(plan.handover_file)
        close_after_answers(plan, 0)
    if taken:
        return {**found, "moved": True}
    back = wait_until(lambda: holds(plan.vips), RETURNS)
    return {**found, "msg": "No other host took the VIP%s." % (", so it is here again" if back else "")}


def close_idle(sockets: list[_carried.Socket]) -> None:
    """Close connections that wait for another request: their clients open a new one for it.

    Without it they would hear of it only when they ask. A kernel without INET_DIAG_DESTROY does nothing.
    """
    for address, port in {(it.address, it.port) for it in sockets}:
        end = "[%s]" % address if ":" in address else address
        _programs.run(
            ["ss", "--kill", "--tcp", "state", "established", "src", "%s:%d" % (end, port)],
            stderr=subprocess.DEVNULL,
            timeout=10,
        )
