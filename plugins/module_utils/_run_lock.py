# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A lock on this host that keeps two runs apart, however they were started.

It says who has it, for what, since when and until when, and ends by itself. It is in /run: no run outlives a reboot of
the host that it changes.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import syslog
import time

DIRECTORY = "/run/pacs.loadbalancer"


class Taken(Exception):
    """Another run has the lock: `holder` is its record."""

    def __init__(self, holder: dict) -> None:
        super().__init__(
            "%s runs here: %s, since %s. Wait until it has ended; the lock ends by itself at %s."
            % (holder["act"], holder["by"], moment(holder["since"]), moment(holder["until"]))
        )
        self.holder = holder


def moment(epoch: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(epoch))


def note(text: str) -> None:
    """Write a line to the journal."""
    syslog.openlog("pacs.loadbalancer", 0, syslog.LOG_DAEMON)
    syslog.syslog(syslog.LOG_NOTICE, text)


class RunLock:
    """The lock as it stands. Only to be had from `opened`, while no other process changes it."""

    def __init__(self, path: str) -> None:
        self._path = path

    def holder(self) -> dict:
        """Return the record of the run that has the lock; empty where none has."""
        try:
            with open(self._path) as file:
                record = json.load(file)
            return record if record["until"] > time.time() else {}
        except (OSError, ValueError, KeyError, TypeError):
            return {}

    def check(self, run: str, instead: str = "") -> None:
        """Raise Taken where another run has it. `instead`: a run that has ended without releasing it."""
        holder = self.holder()
        if holder and holder["run"] not in (run, instead):
            raise Taken(holder)

    def take(self, run: str, act: str, by: str, seconds: float) -> bool:
        """Take it, or keep it for that long from now on; return whether it was taken anew."""
        holder = self.holder()
        new = holder.get("run") != run
        now = time.time()
        record = {"run": run, "act": act, "by": by, "since": now if new else holder["since"], "until": now + seconds}
        beside = self._path + ".new"
        with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644), "w") as file:
            json.dump(record, file)
        os.replace(beside, self._path)
        return new

    def release(self, run: str) -> bool:
        """Give it back; return whether it was this run's."""
        if self.holder().get("run") != run:
            return False
        os.unlink(self._path)
        return True


def current() -> dict:
    """Return the record of the run that has the lock of this host; empty where none has."""
    return RunLock(os.path.join(DIRECTORY, "lock.json")).holder()


@contextlib.contextmanager
def opened():
    """Yield the lock of this host, for one process at a time."""
    os.makedirs(DIRECTORY, 0o755, exist_ok=True)
    directory = os.open(DIRECTORY, os.O_RDONLY)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)
        yield RunLock(os.path.join(DIRECTORY, "lock.json"))
    finally:
        os.close(directory)
