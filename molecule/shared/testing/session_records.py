# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the pair has recorded of the modality's sessions."""

from __future__ import annotations

import collections
import json

from pair import PAIR, module


def client_address():
    return module("modality", "ansible.builtin.debug", var="ansible_host")["ansible_host"]


def parsed(lines, client):
    """The records among lines that are of this client."""
    return [record for record in map(json.loads, lines) if record["client"] == client]


def lines_in_the_journals(lab, since):
    """The lines in the journals of both, by the name of the load balancer; ``since``: seconds since the epoch."""
    command = f"journalctl --quiet --identifier pacs-session --output cat --since @{int(since)}"
    return {name: lab[name].check_output(command).splitlines() for name in PAIR}


def in_the_journals(lab, since, client):
    """The records of this client in the journals of both; each has written its own."""
    found = {name: parsed(lines, client) for name, lines in lines_in_the_journals(lab, since).items()}
    for name, its in found.items():
        assert {record["load_balancer"] for record in its} <= {name}
    return found


def ports(records):
    """How many records there are of each of the client's ports."""
    return collections.Counter(record["client_port"] for record in records)
