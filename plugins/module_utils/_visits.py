# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who comes to a service at an address, from what this host has recorded anyway: HAProxy's log, and the kernel's flows.

`visits` is pure; `gather` asks the journal and the connection table.
"""

from __future__ import annotations

import re
import subprocess
import time

from ansible_collections.pacs.loadbalancer.plugins.module_utils._test_clients import TEST_CLIENT

PATIENCE = 20  # seconds for a program; what it has said by then counts
# journalctl(1), --output=short-unix, and what HAProxy logs: 198.51.100.25:40314 [time] dicom:198.51.100.9 ...
LOGGED = re.compile(r"^(?P<last>[0-9.]+) \S+ \S+: (?P<client>\S+):[0-9]+ (?:\[[^]]*\] )?(?P<service>[^\s~]+)~? ")
# conntrack(8): the first source and destination are the client's.
FLOW = re.compile(
    r"^(?:(?P<last>[0-9.]+) )?.*?src=(?P<client>\S+) dst=(?P<address>\S+) sport=[0-9]+ dport=(?P<port>[0-9]+)"
)


def visits(services: list[dict], lines: list[str], now: float) -> list[dict]:
    """Return client, service and the last moment (seconds since the epoch), the newest first.

    ``services``: name, address and port of each. ``lines``: of the journal, or of the connection table, which are now.
    """
    by_name = {service["name"] for service in services}
    by_endpoint = {(service["address"], str(service["port"])): service["name"] for service in services}
    last: dict[tuple[str, str], float] = {}
    for line in lines:
        logged, flow = LOGGED.match(line), FLOW.match(line)
        if logged and logged["service"] in by_name:
            found, name = logged, logged["service"]
        elif flow and (flow["address"], flow["port"]) in by_endpoint:
            found, name = flow, by_endpoint[flow["address"], flow["port"]]
        else:
            continue
        if found["client"] in TEST_CLIENT.values():
            continue
        key = found["client"], name
        last[key] = max(last.get(key, 0), float(found["last"] or now))
    newest = sorted(last.items(), key=lambda item: -item[1])
    return [{"client": client, "service": name, "last": moment} for (client, name), moment in newest]


def gather(services: list[dict], days: int) -> list[dict]:
    """Return the visits of so many days."""
    journal = ["journalctl", "--no-pager", "--quiet", "--output=short-unix", "--since=-%dd" % days]
    names = "|".join(re.escape(service["name"]) for service in services)
    lines = _run([*journal, "--unit=haproxy", "--grep= (%s)~? " % names])
    for address in sorted({service["address"] for service in services if service["layer"] == 4}):
        lines += _run([*journal, "--unit=layer4-flows@%s" % address])
        lines += _run(
            [
                "conntrack",
                "--dump",
                "--proto",
                "tcp",
                "--family",
                "ipv6" if ":" in address else "ipv4",
                "--dst",
                address,
            ]
        )
    return visits(services, lines, time.time())


def _run(command: list[str]) -> list[str]:
    try:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False, timeout=PATIENCE
        ).stdout
    except subprocess.TimeoutExpired as late:
        done = late.stdout or b""
    except FileNotFoundError:
        done = b""
    return done.decode("utf-8", "replace").splitlines()
