# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""This host's HAProxy, by its stats socket."""

from __future__ import annotations

import csv
import socket


class HAProxy:
    """What HAProxy answers, and whether it does."""

    TIMEOUT = 0.8  # seconds; one that takes longer twice in a row hangs

    def __init__(self) -> None:
        self.path = ""
        self.idle: socket.socket | None = None
        self.misses = 0

    def ask(self) -> list[dict[str, str]] | None:
        """Return the servers' lines of `show stat`, or None where there is no answer."""
        try:
            with socket.socket(socket.AF_UNIX) as admin:
                admin.settimeout(self.TIMEOUT)
                admin.connect(self.path)
                admin.sendall(b"show stat -1 4 -1\n")
                admin.shutdown(socket.SHUT_WR)
                answer = b"".join(iter(lambda: admin.recv(65536), b""))
        except socket.timeout:
            self.misses += 1
            return None
        except OSError:
            self.misses += 2
            return None
        self.misses = 0
        if not self.idle:
            self._watch()
        return list(csv.DictReader(answer.decode("utf-8", "replace").lstrip("# ").splitlines()))

    @property
    def answers(self) -> bool:
        return self.misses < 2

    def _watch(self) -> None:
        """Open a connection on which nothing is said: its end is the end of a worker, and is heard at once."""
        idle = socket.socket(socket.AF_UNIX)
        idle.settimeout(self.TIMEOUT)
        try:
            idle.connect(self.path)
            self.idle = idle
        except OSError:
            idle.close()

    def worker_ended(self) -> None:
        """Close the idle connection, which can be read: a worker has ended."""
        if self.idle:
            self.idle.close()
            self.idle = None
