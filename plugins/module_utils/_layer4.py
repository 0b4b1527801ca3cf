# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the program of roles/layer4 says on a load balancer.

It prints JSON; a host that forwards nothing has no such program.
"""

from __future__ import annotations

import json
import subprocess
from typing import Any

from ansible_collections.pacs.loadbalancer.plugins.module_utils import _programs

PROGRAM = "/usr/local/sbin/layer4"

# A host of which nothing is known, in the shape of `layer4 status`.
NOTHING = {
    "running": False,
    "version": "",
    "fingerprint": "",
    "current": False,
    "fault": "",
    "guard": False,
    "peers": {},
    "haproxy_answers": False,
    "must_not_hold": False,
    "interfaces": [],
    "services": {},
    "units": {},
    "obstacles": [],
    "flows": {},
    "bytes": {},
    "newcomers": {},
    "table": {"used": 0, "room": 0, "established_timeout": 0},
    "mirror": {
        "wanted": False,
        "running": False,
        "ours": 0,
        "taken": 0,
        "waiting": 0,
        "sent": 0,
        "received": 0,
    },
}


class NoAnswer(Exception):
    """The program is not there or fails; the message says in words which."""


def ask(program: str, timeout: float, *words: str) -> Any:
    """Run the program; return what it prints, parsed. Raises NoAnswer."""
    command = [program, *words]
    try:
        done = _programs.run(command, stderr=subprocess.PIPE, timeout=timeout)
    except FileNotFoundError:
        raise NoAnswer("%s is not installed: nothing is forwarded on this host." % program) from None
    except subprocess.TimeoutExpired:
        raise NoAnswer("%s has not answered within %s s." % (" ".join(command), timeout)) from None
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or ["exit code %d" % done.returncode]
        raise NoAnswer("%s fails: %s" % (" ".join(command), lines[-1]))
    try:
        return json.loads(done.stdout)
    except ValueError:
        raise NoAnswer("%s prints something that is not JSON." % " ".join(command)) from None


def gather(
    program: str, timeout: float, clients: list[str], connections: bool | int, test_entries: list[str] | None
) -> dict[str, Any]:
    """Return the result of layer4_info; `timeout` in seconds for each call of the program.

    `connections`: whether they are wanted, or for how many seconds those have been established that are called so.
    What is not asked for is empty, and so is what is not answered; `msg` says why then.
    """
    found: dict[str, Any] = {"deployed": False, "msg": "", **NOTHING, "paths": [], "connections": {}, "received": []}
    try:
        # First of all, as it may wait for them.
        if test_entries is not None:
            found["received"] = ask(program, timeout, "received", *test_entries)
        found.update(ask(program, timeout, "status"), deployed=True)
        if clients:
            found["paths"] = ask(program, timeout, "flows", *clients)
        if connections:
            ages = [] if connections is True else [str(connections)]
            found["connections"] = ask(program, timeout, "connections", *ages)
    except NoAnswer as reason:
        found["msg"] = str(reason)
    return found
