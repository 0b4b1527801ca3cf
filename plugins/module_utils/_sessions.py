# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The sessions of HAProxy, those of its old workers too: TCP connections, and HTTP requests that are being answered.

Answers: HAProxy Management Guide, "9.3. Unix Socket commands" (`show sess`, `shutdown session`) and "9.4. Master CLI"
(`@!<pid>`). The same in 2.6 and in 3.0.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from ._haproxy import NoAnswer, ask, parse_proc

_SESSION = re.compile(
    r"^(0x[0-9a-f]+): proto=tcpv[46] src=(\S+):\d+ fe=(\S+) be=(\S+) srv=(\S+) .*?\bage=(\S+)", re.MULTILINE
)
_AGE = re.compile(r"(\d+)([dhms])")
_SECONDS = {"d": 86400, "h": 3600, "m": 60, "s": 1}


class Session(NamedTuple):
    """`age` in seconds; `node` is empty where it has none yet; `pid`: its worker."""

    frontend: str
    backend: str
    client: str
    node: str
    age: int
    key: str
    pid: int


def parse(text: str, pid: int) -> list[Session]:
    """Parse what a worker answers to `show sess`; leave out its own, such as the one that asks."""
    sessions = []
    for key, client, frontend, backend, node, age in _SESSION.findall(text):
        seconds = sum(int(number) * _SECONDS[unit] for number, unit in _AGE.findall(age))
        node = "" if node == "<none>" else node
        sessions.append(Session(frontend, backend, client.strip("[]"), node, seconds, key, pid))
    return sessions


def read(master_socket: str, timeout: float) -> list[Session]:
    """Return the sessions of all workers; `timeout` in seconds for each question. Raises NoAnswer."""
    try:
        workers = parse_proc(ask(master_socket, "show proc", timeout))["workers"]
    except ValueError:
        raise NoAnswer("%s is not the socket of an HAProxy master." % master_socket) from None
    found = []
    for worker in workers:
        # One that has just ended has nobody left.
        found += parse(ask(master_socket, "@!%d show sess" % worker["pid"], timeout), worker["pid"])
    return found


def end(sessions: list[Session], master_socket: str, timeout: float) -> None:
    """Close these sessions; their clients hear of it at once. Raises NoAnswer.

    (An old worker refuses `shutdown sessions server`: its proxies are disabled.)
    """
    for it in sessions:
        ask(master_socket, "@!%d shutdown session %s" % (it.pid, it.key), timeout)
