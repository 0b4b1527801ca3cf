# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who has a connection to a node: through HAProxy, its old workers among them, and forwarded by the kernel.

Answers: HAProxy Management Guide, "9.3. Unix Socket commands" (`show sess`, `shutdown session`) and "9.4. Master CLI"
(`@!<pid>`). The same in 2.6 and in 3.0.
"""

from __future__ import annotations

import os
import re
import select
import time
from collections import Counter

from ansible_collections.pacs.loadbalancer.plugins.module_utils import _haproxy, _layer4

POLL = 1  # seconds
ASK_TIMEOUT = 5  # seconds for each question
NOBODY = (_haproxy.NoAnswer, _layer4.NoAnswer)

_SESSION = re.compile(r"(0x[0-9a-f]+): proto=tcpv[46] src=(\S+):\d+ fe=\S+ be=(\S+) srv=(\S+) ")


def parse_sessions(text: str) -> list[dict[str, str]]:
    """Parse the answer of `show sess`: `id`, `client`, `service` and `node` of each that has a node."""
    return [dict(zip(("id", "client", "service", "node"), found)) for found in _SESSION.findall(text)]


def through_haproxy(master_socket: str) -> list[dict[str, str]]:
    """Return the sessions of all workers, each with the pid of its `worker`. Raises NoAnswer."""
    try:
        workers = _haproxy.parse_proc(_haproxy.ask(master_socket, "show proc", ASK_TIMEOUT))["workers"]
    except ValueError:
        raise _haproxy.NoAnswer("%s is not the socket of an HAProxy master." % master_socket) from None
    found = []
    for worker in workers:
        # One that has just ended has nobody left.
        answer = _haproxy.ask(master_socket, "@!%d show sess" % worker["pid"], ASK_TIMEOUT)
        found += [{**session, "worker": str(worker["pid"])} for session in parse_sessions(answer)]
    return found


def end(master_socket: str, sessions: list[dict[str, str]]) -> None:
    """Close these sessions. (An old worker refuses `shutdown sessions server`: its proxies are disabled.)"""
    for session in sessions:
        _haproxy.ask(master_socket, "@!%(worker)s shutdown session %(id)s" % session, ASK_TIMEOUT)


class Sessions:
    """The sessions of one node, of some services."""

    def __init__(self, master_socket: str, node: str, services: list[str]) -> None:
        self._master_socket, self._node, self._services = master_socket, node, services

    def _its(self, sessions: list[dict[str, str]]) -> list[dict[str, str]]:
        return [one for one in sessions if one["node"] == self._node and one["service"] in self._services]

    def end(self) -> int:
        """Close those that go through HAProxy; return their number."""
        sessions = self._its(through_haproxy(self._master_socket))
        end(self._master_socket, sessions)
        return len(sessions)

    def left(self, seconds: float) -> list[dict]:
        """Wait until nobody is left, for so many seconds at most; return who is."""
        deadline = time.monotonic() + seconds
        while True:
            sessions = self._its(through_haproxy(self._master_socket) + forwarded())
            if not sessions or time.monotonic() > deadline:
                return summed(sessions)
            select.select([], [], [], POLL)


def forwarded() -> list[dict[str, str]]:
    """Return what the kernel forwards on the VIPs that this host has. Raises NoAnswer."""
    return _layer4.ask(_layer4.PROGRAM, ASK_TIMEOUT, "sessions") if os.path.exists(_layer4.PROGRAM) else []


def summed(sessions: list[dict[str, str]]) -> list[dict]:
    """Count sessions by client and service."""
    counted = Counter((session["client"], session["service"]) for session in sessions)
    return [
        {"client": client, "service": service, "sessions": number}
        for (client, service), number in sorted(counted.items())
    ]
