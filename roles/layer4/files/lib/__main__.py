# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""layer4: forward connections in the kernel to the nodes that HAProxy calls healthy.

usage: layer4 run              the service itself; SIGHUP reads the configuration anew
       layer4 check FILE       is this a configuration?
       layer4 status           what runs, which flows there are, and how the mirror is (JSON)
       layer4 flows CLIENT     the forwarded connections of a client (JSON)
       layer4 joined           after conntrackd's start: let the peer's connections come, for 3 s at most
       layer4 master           after this host has become master: send all connections to the other one
       layer4 beacon           put an entry into the connection table that is no connection, and print its number
       layer4 heard NUMBER...  wait for these entries, for 1 s at most, and print the numbers of those that are here
       layer4 try-mirror FILE  does this conntrackd.conf mirror? Tried between two network namespaces of its own
       layer4 undo             take back what was set in the kernel, and the table
"""

from __future__ import annotations

import json
import sys

# All of the package is imported here, before anything runs: nothing is read from the directory later.
from layer4 import config, daemon, status, sync, trial

COMMANDS = {
    "run": daemon.serve,
    "check": config.check,
    "status": lambda: print(json.dumps(status.status())),
    "flows": lambda client: print(json.dumps(status.flows_of(client))),
    "joined": sync.joined,
    "master": sync.master,
    "beacon": sync.beacon,
    "heard": sync.heard,
    "try-mirror": trial.try_mirror,
    "undo": daemon.undo,
}
ARGUMENTS = {"check": 1, "flows": 1, "try-mirror": 1}


def main() -> None:
    command, *words = sys.argv[1:] or [""]
    if command not in COMMANDS or command != "heard" and len(words) != ARGUMENTS.get(command, 0):
        sys.exit(__doc__)
    COMMANDS[command](*words)


if __name__ == "__main__":
    main()
