# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has happened to the associations: those that are open, and every event."""

from __future__ import annotations

import collections
import dataclasses
import itertools
import json
import pathlib
import time

PATIENCE = 30  # seconds without an answer after which an association counts as broken


class Broken(Exception):
    """An association has ended, and not because this side ended it."""


@dataclasses.dataclass
class Association:
    """An open association; times in seconds since the epoch."""

    kind: str
    number: int
    client: str
    opened: float
    answers: int = 0
    asked: float | None = None  # since when it has been waiting for an answer
    answered: float = 0.0


class Journal:
    """The open associations, and the events until now."""

    def __init__(self, path: str) -> None:
        self._file = pathlib.Path(path).open("w", buffering=1)
        self._numbers = itertools.count(1)
        self.events: list[dict] = []
        self.alive: dict[int, Association] = {}

    def note(self, event: str, kind: str, number: int = 0, **more) -> None:
        entry = {"t": round(time.time(), 4), "event": event, "kind": kind, "number": number, **more}
        self.events.append(entry)
        self._file.write(json.dumps(entry) + "\n")

    def opened(self, kind: str, client: str, asked: float) -> Association:
        now = time.time()
        association = Association(kind, next(self._numbers), client, now, answered=now)
        self.alive[association.number] = association
        self.note("opened", kind, association.number, waited=round(now - asked, 4))
        return association

    def answered(self, association: Association, asked: float) -> None:
        now = time.time()
        association.asked, association.answered = None, now
        association.answers += 1
        self.note("answer", association.kind, association.number, waited=round(now - asked, 4))

    def closed(self, association: Association) -> None:
        del self.alive[association.number]
        self.note("closed", association.kind, association.number, answers=association.answers)

    def broken(self, association: Association, reason: str) -> None:
        del self.alive[association.number]
        self.note(
            "broken",
            association.kind,
            association.number,
            answers=association.answers,
            why=reason,
            answered=round(association.answered, 4),
            client=association.client,
        )

    def failed(self, kind: str, reason: str, client: str, asked: float, **more) -> None:
        """Note an association that did not come about; `asked` is when it was begun."""
        self.note("failed", kind, why=reason, client=client, asked=round(asked, 4), **more)

    def of(self, *kinds: str) -> list[Association]:
        """Return the open associations of these kinds."""
        return [association for association in self.alive.values() if association.kind in kinds]

    def count(self, before: float) -> dict[str, int]:
        """Count the associations by kind that are open, and were opened before some time."""
        return dict(collections.Counter(one.kind for one in self.alive.values() if one.opened < before))

    def since(self, start: float, event: str) -> list[dict]:
        return [entry for entry in self.events if entry["t"] >= start and entry["event"] == event]

    def pauses(self, start: float) -> dict[str, float]:
        """Return the longest wait of each kind since then, in seconds; that for an association to open is `opening`."""
        pauses: dict[str, float] = {}
        for entry in self.events:
            if entry["t"] >= start and "waited" in entry:
                kind = entry["kind"] if entry["event"] == "answer" else "opening"
                pauses[kind] = max(pauses.get(kind, 0), entry["waited"])
        now = time.time()
        for association in self.alive.values():
            if association.asked:
                waited = round(now - association.asked, 4)
                pauses[association.kind] = max(pauses.get(association.kind, 0), waited)
        return pauses
