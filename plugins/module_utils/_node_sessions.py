# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who has a connection to a node: through HAProxy, its old workers among them, and forwarded by the kernel."""

from __future__ import annotations

import os
import select
import time
from collections import Counter

from ansible_collections.pacs.loadbalancer.plugins.module_utils import _haproxy, _layer4, _sessions

POLL = 1  # seconds
ASK_TIMEOUT = 5  # seconds for each question
NOBODY = (_haproxy.NoAnswer, _layer4.NoAnswer)


class Sessions:
    """The sessions of one node, of some services."""

    def __init__(self, master_socket: str, node: str, services: list[str]) -> None:
        self._master_socket, self._node, self._services = master_socket, node, services

    def _through_haproxy(self) -> list[_sessions.Session]:
        found = _sessions.read(self._master_socket, ASK_TIMEOUT)
        return [it for it in found if it.node == self._node and it.backend in self._services]

    def _forwarded(self) -> list[dict[str, str]]:
        """Return what the kernel forwards on the VIPs that this host has. Raises NoAnswer."""
        found = _layer4.ask(_layer4.PROGRAM, ASK_TIMEOUT, "sessions") if os.path.exists(_layer4.PROGRAM) else []
        return [it for it in found if it["node"] == self._node and it["service"] in self._services]

    def end(self) -> int:
        """Close those that go through HAProxy; return their number."""
        sessions = self._through_haproxy()
        _sessions.end(sessions, self._master_socket, ASK_TIMEOUT)
        return len(sessions)

    def left(self, seconds: float) -> list[dict]:
        """Wait until nobody is left, for so many seconds at most; return who is, by client and service."""
        deadline = time.monotonic() + seconds
        while True:
            who = Counter((it.client, it.backend) for it in self._through_haproxy())
            who.update((it["client"], it["service"]) for it in self._forwarded())
            if not who or time.monotonic() > deadline:
                return [
                    {"client": client, "service": service, "sessions": number}
                    for (client, service), number in sorted(who.items())
                ]
            select.select([], [], [], POLL)
