# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Questions to the traffic that runs."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import subprocess
import time

from .echo import Echo
from .journal import Journal
from .stored import Stored
from .visits import Visits
from .web import PIECE

POLL = 0.1  # seconds


class Control:
    def __init__(self, config: dict, journal: Journal, echo: Echo, visits: Visits, stored: Stored) -> None:
        self._vip, self._number = config["vip"], config["associations"]
        # What is transferred in many pieces: the number of answers of a complete one.
        self._pieces = {"store": config["images"], "get": config["images"], "download": config["download"] // PIECE}
        self._journal, self._echo, self._visits, self._stored = journal, echo, visits, stored
        self.finished = asyncio.Event()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one question, an object of `do` (a method below) and its arguments."""
        question = json.loads(await reader.readline())
        methods = (self.ready, self.round, self.renew, self.report, self.count, self.finish)
        ask = {method.__name__: method for method in methods}[question.pop("do")]
        writer.write(json.dumps(await ask(**question)).encode() + b"\n")
        await writer.drain()
        writer.close()

    async def ready(self) -> dict:
        """Wait until all associations are open and a C-STORE, a C-GET and a download are in the middle.

        Return the number of that download.
        """
        while not self._is_ready():
            await asyncio.sleep(POLL)
        return {"now": time.time(), "download": self._journal.of("download")[0].number}

    def _is_ready(self) -> bool:
        # All, not one of each kind: whoever opens later would not have been there throughout.
        if any(len(self._journal.of(kind)) != number for kind, number in self._number.items()):
            return False
        answers = {association.kind: association.answers for association in self._journal.of(*self._pieces)}
        return all(0.02 * number < answers.get(kind, 0) < 0.9 * number for kind, number in self._pieces.items())

    async def round(self, seconds: float) -> dict:
        """Wait until each association but the silent ones has had an answer or has ended, and each newcomer's visit has
        ended; return the other associations.
        """
        began = time.time()
        waiting = {number for number, association in self._journal.alive.items() if association.kind != "silent"}
        alive, coming = self._journal.alive, set(self._visits.coming)
        while (waiting or coming & self._visits.coming) and time.time() - began < seconds:
            await asyncio.sleep(POLL)
            waiting = {number for number in waiting if number in alive and alive[number].answered < began}
        return {
            "took": round(time.time() - began, 2),
            "waiting": [dataclasses.asdict(alive[number]) for number in waiting],
        }

    async def renew(self) -> dict:
        """Replace all associations of our own."""
        await self._echo.renew()
        return {}

    async def report(self, since: float, silent: bool = False) -> dict:
        """Visit every service as each client; return what has happened since. silent: use silent associations first."""
        if silent:
            await self._echo.use_silent()
        visits = await self._visits.visit_all()
        until = time.time()
        established = ["ss", "-Htn", "state", "established", "dst", self._vip]
        connections = subprocess.run(established, stdout=subprocess.PIPE, check=True, text=True).stdout
        answers = self._journal.since(since, "answer")
        return {
            "since": since,
            "until": until,
            "throughout": self._journal.count(before=since),
            "pauses": self._journal.pauses(since),
            **{event: self._journal.since(since, event) for event in ("broken", "failed", "stored", "retrieved")},
            "acknowledged": sum(event["kind"] == "store" for event in answers),
            "visits": visits,
            "connections": [line.split()[2:4] for line in connections.splitlines()],
        }

    async def count(self) -> dict:
        """Note which associations are open, at its place among all that is noted."""
        self._journal.note("open", "all", numbers=sorted(self._journal.alive))
        return {}

    async def finish(self) -> dict:
        """End the traffic once the nodes have been asked for what was stored last."""
        await self._stored.end()
        self.finished.set()
        return {event: self._journal.since(0, event) for event in ("stored", "downloaded")}
