# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""This host's HAProxy by its stats socket, and that of another host by its peers' port."""

from __future__ import annotations

import csv
import select
import socket

from . import system


class HAProxy:
    """The HAProxy of this host."""

    TIMEOUT = 0.8  # seconds; one that takes longer twice in a row hangs

    def __init__(self, path: str) -> None:
        self.path = path
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

    def wait(self, seconds: float) -> None:
        """Wait for that long, or until a worker has ended."""
        if self.idle and select.select([self.idle], [], [], max(seconds, 0))[0]:
            self.idle.close()
            self.idle = None
        elif not self.idle:
            system.wait(seconds)


def peer_answers(address: str, port: int) -> bool:
    """Is another host's HAProxy alive? Its peers' port answers 502 to a greeting that it does not understand (peers protocol, status)."""
    try:
        with socket.create_connection((address, port), 0.3) as peer:
            peer.sendall(b"HAProxyS 0.0\n")
            return peer.recv(16).startswith(b"50")
    except OSError:
        return False
