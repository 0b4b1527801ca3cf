# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The user's command, which is told what has happened. It can neither delay nor stop anything."""

from __future__ import annotations

import os
import signal
import subprocess
import time

LIMIT = 30.0  # seconds that it has
AT_ONCE = 8


class Events:
    """Starts the command for each event, and ends one that hangs."""

    def __init__(self) -> None:
        self._running: list[tuple[str, subprocess.Popen, float]] = []

    def tell(self, command: list[str], event: str, former: str, new: str, reason: str) -> None:
        """Start the command with the event, this host's name, what was, what is, and why."""
        if not command:
            return
        if len(self._running) >= AT_ONCE:
            print(f"{command[0]} is not told of {event} {new}: {AT_ONCE} of it are still running.", flush=True)
            return
        try:
            started = subprocess.Popen(
                [*command, event, os.uname().nodename, former, new, reason],
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as error:
            print(f"{command[0]} cannot be started: {error}.", flush=True)
            return
        self._running.append((command[0], started, time.monotonic()))

    def tend(self) -> None:
        """See which have ended, and end those that have had their time."""
        left = []
        for name, process, began in self._running:
            code = process.poll()
            if code is None and time.monotonic() - began > LIMIT:
                print(f"{name} has not ended within {LIMIT:g} s, and is killed.", flush=True)
                os.killpg(process.pid, signal.SIGKILL)
                code = process.wait()
            elif code:
                print(f"{name} has failed with exit code {code}.", flush=True)
            if code is None:
                left.append((name, process, began))
        self._running = left
