# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tells of what has happened since the last look, in a process of its own for which nothing waits.

What nobody has taken is told again, later and later, and forgotten after a day. So it may be told twice; the moment in
it tells one from another.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from . import channels, events, files
from .events import Event

SETTINGS = "/etc/loadbalancer/notify.json"
MEMORY = os.path.join(os.environ.get("RUNTIME_DIRECTORY", "/run/loadbalancer"), "told.json")

LIMIT = 30.0  # seconds for all of them, side by side; the unit has a minute
MOST = 100  # events that wait
OLDEST = 86400.0  # seconds that one waits
LONGEST_PAUSE = 1800.0  # seconds

# How each is told, and of how many events at once.
CHANNELS: dict[str, tuple[Callable[[Any, Sequence[Event]], None], int]] = {
    "webhook": (channels.webhook, 1),
    "mail": (channels.mail, MOST),
    "command": (channels.command, 1),
}
# The guard of Keepalived has told the user's command already, at once.
OF_THE_GUARD = ("state", "split_brain")


class Delivery(threading.Thread):
    """Tells one channel of what waits for it, the oldest first. ``waiting``: what is left; ``failure``: why."""

    def __init__(self, name: str, settings: Any, waiting: Sequence[Event]) -> None:
        super().__init__(daemon=True)  # one that hangs ends with the program
        self.channel, self.settings, self.waiting = name, settings, list(waiting)
        self.failure = f"has not answered within {LIMIT:g} s"
        self.start()

    def run(self) -> None:
        tell, at_once = CHANNELS[self.channel]
        try:
            while self.waiting:
                tell(self.settings, self.waiting[:at_once])
                del self.waiting[:at_once]
            self.failure = ""
        except channels.NotTold as reason:
            self.failure = str(reason)
        except Exception as error:  # whatever a server has made of it: the others are told
            self.failure = f"cannot be told ({type(error).__name__})"


def tell(state: Mapping[str, Any]) -> None:
    """Tell all channels what is new in this look, and what they have not taken yet."""
    settings, memory = _load(SETTINGS), _load(MEMORY)
    new, seen = events.happened(state, memory.get("seen", {}))
    now = time.time()
    queues = {name: _queue(name, memory.get(name, {}), new, now) for name in settings}
    started = [
        Delivery(name, settings[name], [Event(*its) for its in queue["waiting"]])
        for name, queue in queues.items()
        if queue["waiting"] and _is_due(queue, now)
    ]
    for delivery in _ended(started):
        queue, failure = queues[delivery.channel], delivery.failure
        queue["waiting"] = list(delivery.waiting)
        queue["failing"] = (queue["failing"] or now) if failure else 0.0
        queue["tried"] = now
        if failure:
            where = channels.place(delivery.channel, delivery.settings)
            print(f"{where} {failure}; {len(queue['waiting'])} to be told.", flush=True)
    _keep({"seen": seen, **queues})


def try_out() -> bool:
    """Tell all channels of something that has not happened; say who has taken it, and return whether all have."""
    host, settings = os.uname().nodename, _load(SETTINGS)
    event = Event("test", host, host, "0", "1", "This is a test; nothing has happened.", time.time())
    if not settings:
        print("Nobody is to be told: infinitt_notify and infinitt_on_event are not set.")
    started = [Delivery(name, its, [event]) for name, its in settings.items()]
    for delivery in _ended(started):
        where = channels.place(delivery.channel, delivery.settings)
        print(f"{where} {delivery.failure or 'was told'}.")
    return bool(started) and not any(delivery.failure for delivery in started)


def _ended(started: Sequence[Delivery]) -> Sequence[Delivery]:
    deadline = time.monotonic() + LIMIT
    for delivery in started:
        delivery.join(max(deadline - time.monotonic(), 0.0))
    return started


def _queue(name: str, known: Mapping[str, Any], new: Sequence[Event], now: float) -> dict[str, Any]:
    """What waits for a channel, since when it fails, and when it was tried last."""
    fresh = [event for event in new if name != "command" or event.event not in OF_THE_GUARD]
    waiting = [*known.get("waiting", ()), *fresh]
    kept = [its for its in waiting if now - Event(*its).at < OLDEST][-MOST:]
    if len(kept) < len(waiting):
        print(f"Events that nobody took by {name}, and that are forgotten: {len(waiting) - len(kept)}.", flush=True)
    return {"waiting": kept, "failing": known.get("failing", 0.0), "tried": known.get("tried", 0.0)}


def _is_due(queue: Mapping[str, Any], now: float) -> bool:
    """One that fails is left alone for as long as it has failed already; a clock that was set back delays nothing."""
    pause = min(queue["tried"] - queue["failing"], LONGEST_PAUSE) if queue["failing"] else 0.0
    return not 0 <= now - queue["tried"] < pause


def _load(path: str) -> dict[str, Any]:
    try:
        with open(path, encoding="utf-8") as file:
            found = json.load(file)
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _keep(memory: Mapping[str, Any]) -> None:
    files.replace(MEMORY, json.dumps(memory), 0o600)
