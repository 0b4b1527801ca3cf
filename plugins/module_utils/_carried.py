# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What HAProxy carries on this host, and so what would break if the VIP left it now.

`parse_sockets` is pure; `look` asks HAProxy and the kernel. An idle HTTP connection has no session, and is known to the
kernel only.
"""

from __future__ import annotations

import re
import time
from typing import NamedTuple

from . import _programs, _sessions
from ._haproxy import NoAnswer
from ._sessions import Session

# What one more request takes, at most, before it counts as one that holds on. Seconds.
BRIEF = 1.0

_SOCKET = re.compile(r"^(\S+)\s+(\d+)\s+(\d+)\s+(\S+):(\d+)\s+(\S+):(\S+)", re.MULTILINE)
_CLOSING = ("FIN-WAIT-1", "CLOSING", "LAST-ACK")


class Socket(NamedTuple):
    """`unread` and `unsent`: bytes that HAProxy, or the client, has not taken yet."""

    state: str
    unread: int
    unsent: int
    address: str
    port: int
    client: str


class Service(NamedTuple):
    """A frontend. `forwarded`: the kernel forwards its connections past HAProxy."""

    name: str
    address: str
    port: int
    mode: str
    forwarded: bool


def parse_sockets(text: str) -> list[Socket]:
    """Parse the answer of `ss --no-header --tcp --all --numeric`: state, both queues, own and other end."""
    return [
        Socket(state, int(unread), int(unsent), address.strip("[]"), int(port), client.strip("[]"))
        for state, unread, unsent, address, port, client, _port in _SOCKET.findall(text)
        if state not in ("LISTEN", "TIME-WAIT", "FIN-WAIT-2")
    ]


def is_busy(socket: Socket, mode: str) -> bool:
    """Would its client miss something? Not one that is idle between two HTTP requests, or has all but our FIN."""
    if socket.state in _CLOSING:
        return socket.unsent > 1
    return socket.state == "SYN-RECV" or mode == "tcp" or socket.unread > 0 or socket.unsent > 0


class Carried(NamedTuple):
    """`busy` and `idle`: the sockets of the services, by whether a client would miss something."""

    modes: dict[str, str]
    sessions: list[Session]
    busy: list[Socket]
    idle: list[Socket]

    def lasting(self) -> list[Session]:
        """Return those that do not end by themselves in an instant: whole TCP connections and long requests."""
        return [it for it in self.sessions if self.modes[it.frontend] == "tcp" or it.age > BRIEF]

    def is_quiet(self) -> bool:
        return not self.sessions and not self.busy

    def unused(self) -> int:
        """Return how many HTTP connections wait for another request."""
        return max(len(self.idle) - sum(self.modes[it.frontend] == "http" for it in self.sessions), 0)


def look(services: list[Service], master_socket: str, timeout: float = 3.0) -> Carried:
    """Ask HAProxy and the kernel. What does not answer carries nothing that is known."""
    modes = {service.name: service.mode for service in services}
    ends = {(service.address, service.port): service for service in services}
    listed = _programs.run(["ss", "--no-header", "--tcp", "--all", "--numeric"], check=True, timeout=timeout).stdout
    try:
        sessions = _sessions.read(master_socket, timeout)
    except NoAnswer:
        sessions = []  # it hangs, or is being reloaded
    sockets = [it for it in parse_sockets(listed) if (it.address, it.port) in ends]
    busy = [it for it in sockets if is_busy(it, ends[it.address, it.port].mode)]
    return Carried(
        modes,
        [it for it in sessions if it.frontend in modes],
        busy,
        [it for it in sockets if it not in busy],
    )


def shut(sessions: list[Session], master_socket: str, timeout: float = 3.0) -> None:
    """Cut these sessions."""
    for it in sessions:
        try:
            _sessions.end([it], master_socket, timeout)
        except NoAnswer:
            pass  # it has ended, and with it the session


def in_words(carried: Carried, most: int = 20) -> list[str]:
    """Return who holds on, since when, the longest first: a line each, `most` at most."""
    now = time.time()
    lines = [
        "%s: %s%s, since %s UTC"
        % (
            it.frontend,
            it.client,
            " on " + it.node if it.node else "",
            time.strftime("%H:%M:%S", time.gmtime(now - it.age)),
        )
        for it in sorted(carried.sessions, key=lambda it: -it.age)
    ]
    if not lines:
        lines = ["port %d: %s, which has not got all of its answer" % (it.port, it.client) for it in carried.busy]
    return lines[:most] + (["and %d more" % (len(lines) - most)] if len(lines) > most else [])
