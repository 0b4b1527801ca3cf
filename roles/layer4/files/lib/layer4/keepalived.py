# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The state of this host's Keepalived, as it says itself: on a signal it writes keepalived.json into /tmp
(keepalived(8), SIGNALS).
"""

from __future__ import annotations

import json
import os
import pathlib
import signal
import stat
import time

from . import system

PID = pathlib.Path("/run/keepalived.pid")
DUMP = "/proc/{}/root/tmp/keepalived.json"  # its own /tmp, which PrivateTmp hides from everybody else
SIGNAL = signal.SIGRTMIN + 2
STATES = {0: "INIT", 1: "BACKUP", 2: "MASTER", 3: "FAULT"}  # vrrp.h
LIMIT = 1 << 20  # bytes


def parse(text: str) -> list[str]:
    """Return the state of each instance. Raises ValueError for a file that is not whole."""
    content = json.loads(text)
    try:
        # json_version 2 has an object around the list.
        instances = content["vrrp"] if isinstance(content, dict) else content
        return [STATES.get(instance["data"]["state"], "UNKNOWN") for instance in instances]
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"keepalived.json is of another form: {error}") from None


def read(path: str) -> tuple[tuple[int, int], str] | None:
    """Return the identity and the text of a dump.

    A link is not followed, a pipe does not block, another user's file does not count.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    with open(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid():
            return None
        return (status.st_ino, status.st_mtime_ns), file.read(LIMIT).decode("utf-8", "replace")


def states(timeout: float) -> list[str]:
    """Ask for the state of each instance; return none where it does not run or does not answer in time (seconds)."""
    try:
        pid = int(PID.read_text())
        # A pid file may outlive its daemon, and the number then is another process's.
        if pathlib.Path(f"/proc/{pid}/comm").read_text().strip() != "keepalived":
            return []
        deadline = time.monotonic() + timeout
        before = read(DUMP.format(pid))
        os.kill(pid, SIGNAL)
        while time.monotonic() < deadline:
            now = read(DUMP.format(pid))
            if now and (not before or now[0] != before[0]):
                try:
                    return parse(now[1])
                except ValueError:
                    pass  # still being written
            system.wait(0.01)
    except (OSError, ValueError):
        pass
    return []
