# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""layer4: forward connections in the kernel to the nodes that HAProxy calls healthy.

usage: layer4 run                 the service itself; SIGHUP makes it read its configuration again
       layer4 records             write a line into the journal for each forwarded connection that has ended
       layer4 check FILE          whether this is a configuration
       layer4 status              what is running, how many flows there are, and the state of the mirror (JSON)
       layer4 flows CLIENT...     the forwarded connections of these clients (JSON)
       layer4 sessions            client, service and node of what is forwarded on the VIPs of this host (JSON)
       layer4 connections [AGE]   a digest of the forwarded connections, to be compared with that of another host,
                                  AGE: seconds for which one is established that counts as old, 10 by default
       layer4 resync              after conntrackd's start: wait for the peer's connections, for 3 s at most
       layer4 master              after this host has become active: send all connections to the other one
       layer4 test-entry          put an entry into the connection table that is no connection, and print its number
       layer4 received NUMBER...  wait up to 1 s for these entries, and print the numbers of those that came (JSON)
       layer4 try-mirror FILE     whether two conntrackds with this file mirror between two network namespaces
       layer4 undo                remove the table from the kernel, and restore the site's settings
"""

from __future__ import annotations

import json
import sys
from typing import Callable

# All of the package is imported here, before anything runs: nothing is read from the directory later.
from layer4 import config, daemon, records, status, sync, trial


def show(function: Callable) -> Callable:
    return lambda *words: print(json.dumps(function(*words)))


ANY = -1
# What a command calls, and how many arguments it takes.
COMMANDS: dict[str, tuple[Callable, int]] = {
    "run": (daemon.serve, 0),
    "records": (records.serve, 0),
    "check": (config.check, 1),
    "status": (show(status.status), 0),
    "flows": (show(status.flows_of), ANY),
    "sessions": (show(status.sessions), 0),
    "connections": (show(status.connections), ANY),
    "resync": (sync.resync, 0),
    "master": (sync.master, 0),
    "test-entry": (show(sync.put_test_entry), 0),
    "received": (show(sync.received), ANY),
    "try-mirror": (trial.try_mirror, 1),
    "undo": (daemon.undo, 0),
}


def main() -> None:
    command, *words = sys.argv[1:] or [""]
    function, arguments = COMMANDS.get(command, (None, 0))
    if not function or arguments not in (ANY, len(words)):
        sys.exit(__doc__)
    function(*words)


if __name__ == "__main__":
    main()
