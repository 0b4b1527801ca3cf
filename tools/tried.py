# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write what the tests were run with into README's table of what is supported: `make docs`.

molecule/shared/tried.yml leaves a record of each test in a lab that passed. tools/tried.json keeps the last one of
each, since not every test runs every time, and the table is made from it.
"""

from __future__ import annotations

import collections
import ipaddress
import json
import pathlib
import re

RECORDS = pathlib.Path(".build/results/tried")
KEPT = pathlib.Path("tools/tried.json")
README = pathlib.Path("README.md")
BEGIN, END = "<!-- by `make docs`, from tools/tried.json -->\n", "<!-- as far as `make docs` -->\n"
HEAD = "| tried | by this scenario or command |\n| --- | --- |\n"
NUMBERS = {3: "three", 4: "four"}


def rows(records):
    """Return the rows, as pairs of what was tried and where, of records by their names."""
    groups = collections.defaultdict(set)
    for name, record in records.items():
        hosts = [tuple(host) for host in record["loadbalancers"].values()]
        systems = sorted({f"{system} {version}" for system, version, *_rest in hosts})
        if len(systems) > 1:
            groups[3, f"{' and '.join(systems)}, side by side"].add(name)
        else:
            (system,) = systems
            (haproxy, keepalived) = (upstream(version) for version in hosts[0][2:])
            groups[2, f"{system} (HAProxy {haproxy}, Keepalived {keepalived})"].add(name)
        if len(hosts) in NUMBERS:
            groups[4, f"{NUMBERS[len(hosts)]} load balancers"].add(name)
        if ipaddress.ip_address(record["vip"]).version == 6:
            groups[5, "VIPs of IPv6"].add(name)
        groups[6, f"ansible-core {'.'.join(record['core'].split('.')[:2])} on the controller"].add(name)
    return [
        (what, ", ".join(f"`{name}`" for name in sorted(names)))
        for (_order, what), names in sorted(groups.items(), key=lambda group: (group[0][0], _numbers(group[0][1])))
    ]


def upstream(version):
    """Return 2.6.12 of Debian's 2.6.12-1+deb12u2, and 2.2.7 of 1:2.2.7-1+b2."""
    return re.search(r"(?:\d+:)?([\d.]+)", version)[1]


def _numbers(text):
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", text)]


def table(records):
    """Return the table as it stands in README."""
    return HEAD + "".join(f"| {what} | {where} |\n" for what, where in rows(records))


def placed(readme, records):
    """Return README with the table between its two marks."""
    before, rest = readme.split(BEGIN)
    _former, after = rest.split(END)
    return before + BEGIN + table(records) + END + after


def main():
    records = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    for path in sorted(RECORDS.glob("*.json")):
        record = json.loads(path.read_text())
        records[record.pop("name")] = record
    KEPT.write_text(json.dumps(records, indent=2, sort_keys=True) + "\n")
    README.write_text(placed(README.read_text(), records))


if __name__ == "__main__":
    main()
