# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Keepalived says of itself: its state, in a pipe, and what it runs, when it is asked."""

from __future__ import annotations

import os
import re
import stat
import time

from . import _keepalived
from .advert import Announced

PID = "/run/keepalived.pid"
PATIENCE = 0.3  # seconds for an answer
# INSTANCE "vip" MASTER 254
LINE = re.compile(r'^INSTANCE "[^"]*" ([A-Z]+)(?: [0-9]+)?$', re.MULTILINE)


class Pipe:
    """The pipe into which Keepalived writes each change of its state (vrrp_notify_fifo in keepalived.conf(5)).

    It never waits for a reader.
    """

    def __init__(self, path: str) -> None:
        self.path, self.descriptor = path, -1
        self._rest = ""

    def open(self) -> None:
        """Open it, if it is not open; make it, or Keepalived would make it and remove it at its end."""
        try:
            there = os.stat(self.path)
            if self.descriptor >= 0 and os.path.samestat(there, os.fstat(self.descriptor)):
                return
            if not stat.S_ISFIFO(there.st_mode):
                os.unlink(self.path)
                raise FileNotFoundError
        except FileNotFoundError:
            os.mkfifo(self.path, 0o600)
        if self.descriptor >= 0:
            os.close(self.descriptor)
        self.descriptor = os.open(self.path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)

    def states(self) -> list[str]:
        """Return the states that have been written since the last time."""
        try:
            self._rest += os.read(self.descriptor, 65536).decode("utf-8", "replace")
        except OSError:
            return []
        whole, _newline, self._rest = self._rest.rpartition("\n")
        return LINE.findall(whole)


def instance() -> dict | None:
    """Return what Keepalived says of its first instance; None where it does not run or does not answer."""
    try:
        instances = _keepalived.dump(
            _keepalived.daemon_pid(PID),
            _keepalived.JSON_SIGNAL,
            "keepalived.json",
            _keepalived.parse_json,
            time.monotonic() + PATIENCE,
        )
        return instances[0]
    except (_keepalived.NoAnswer, OSError, IndexError):
        return None


def runs() -> Announced | None:
    """Return what Keepalived would announce; None where it does not say."""
    first = instance()
    if first is None or not first["vips"]:
        return None
    return Announced(first["virtual_router_id"], first["vips"][0].partition("/")[0], first["advertisement"])


def peers() -> set[str] | None:
    """Return the addresses that Keepalived hears: none where it does not run, None where it does not answer."""
    try:
        pid = _keepalived.daemon_pid(PID)
    except _keepalived.NoAnswer:
        return set()
    try:
        data = _keepalived.dump(
            pid, _keepalived.DATA_SIGNAL, "keepalived.data", _keepalived.parse_data, time.monotonic() + PATIENCE
        )
    except (_keepalived.NoAnswer, OSError):
        return None
    return {peer for its in data["peers"].values() for peer in its}
