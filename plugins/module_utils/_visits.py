# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who comes to a service at an address, from what this host has recorded anyway, and the connection table.

`visits` is pure; `gather` asks the journal and the connection table.
"""

from __future__ import annotations

import datetime
import json
import re
import subprocess
import time

from ansible_collections.pacs.loadbalancer.plugins.module_utils import _programs
from ansible_collections.pacs.loadbalancer.plugins.module_utils._test_clients import TEST_CLIENT

PATIENCE = 20  # seconds for a program; what it has said by then counts
# conntrack(8): the first source and destination are the client's.
FLOW = re.compile(r"src=(?P<client>\S+) dst=(?P<address>\S+) sport=[0-9]+ dport=(?P<port>[0-9]+)")


def visits(services: list[dict], records: list[str], flows: list[str], now: float) -> list[dict]:
    """Return client, service and the last moment (seconds since the epoch), the newest first.

    ``services``: name, address and port of each. ``records``: of sessions that have ended, a JSON object each.
    ``flows``: lines of the connection table, which are now.
    """
    by_name = {service["name"] for service in services}
    by_endpoint = {(service["address"], service["port"]): service["name"] for service in services}
    last: dict[tuple[str, str], float] = {}

    def visit(client: str, name: str | None, moment: float) -> None:
        if name and name in by_name and client not in TEST_CLIENT.values():
            last[client, name] = max(last.get((client, name), 0), moment)

    for line in records:
        record = json.loads(line)
        began = datetime.datetime.strptime(record["time"], "%Y-%m-%dT%H:%M:%S.%fZ").replace(
            tzinfo=datetime.timezone.utc
        )
        visit(record["client"], record["service"], began.timestamp() + record["seconds"])
    for line in flows:
        flow = FLOW.search(line)
        if flow:
            visit(flow["client"], by_endpoint.get((flow["address"], int(flow["port"]))), now)
    newest = sorted(last.items(), key=lambda item: -item[1])
    return [{"client": client, "service": name, "last": moment} for (client, name), moment in newest]


def gather(services: list[dict], days: int) -> list[dict]:
    """Return the visits of so many days."""
    names = "|".join(re.escape(service["name"]) for service in services)
    journal = ["journalctl", "--no-pager", "--quiet", "--output=cat", "--since=-%dd" % days]
    records = _run([*journal, "--identifier=pacs-session", '--grep="service":"(%s)"' % names])
    flows: list[str] = []
    for address in sorted({service["address"] for service in services if service["layer"] == 4}):
        family = "ipv6" if ":" in address else "ipv4"
        flows += _run(["conntrack", "--dump", "--proto", "tcp", "--family", family, "--dst", address])
    return visits(services, records, flows, time.time())


def _run(command: list[str]) -> list[str]:
    try:
        done = _programs.run(command, stderr=subprocess.DEVNULL, timeout=PATIENCE, text=False).stdout
    except subprocess.TimeoutExpired as late:
        done = late.stdout or b""
    except FileNotFoundError:
        done = b""
    return done.decode("utf-8", "replace").splitlines()
