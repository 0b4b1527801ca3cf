# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The kernel's connection table."""

from __future__ import annotations

import hashlib
import re

from . import address, system

SAMPLE = 2000  # flows in a digest
OLD = 10  # seconds
LAST = "ffffffffffff"  # no name of a flow is greater


def parse_flows(text: str) -> list[dict]:
    """Parse lines of `conntrack --dump`: client, client_port, address, port (of the VIP), node, node_port, and its
    state.

    `established`: both sides have said so. `ended`: it is closed. `age`: seconds, None where the kernel does not tell
    it.
    """
    flows = []
    for line in text.splitlines():
        pairs = re.findall(r"(src|dst|sport|dport)=(\S+)", line)
        if len(pairs) == 8:
            age = re.search(r"delta-time=(\d+)", line)
            there, back = dict(pairs[:4]), dict(pairs[4:])
            flows.append(
                {
                    "client": there["src"],
                    "client_port": int(there["sport"]),
                    "address": there["dst"],
                    "port": int(there["dport"]),
                    "node": back["src"],
                    "node_port": int(back["sport"]),
                    "established": "ESTABLISHED" in line and "[ASSURED]" in line,
                    "age": int(age[1]) if age else None,
                    "ended": bool(re.search("TIME_WAIT|CLOSE ", line)),
                }
            )
    return flows


def name(flow: dict) -> str:
    """Name a flow by a hash, the same on every host."""
    keys = ("client", "client_port", "address", "port", "node", "node_port")
    return hashlib.sha256(" ".join(str(flow[key]) for key in keys).encode()).hexdigest()[: len(LAST)]


def digest(flows: list[dict], age: float = OLD) -> dict:
    """Sum flows up so that two hosts can be compared, whatever each of them has: the lowest names come first.

    `established`: names of those that have been so for `age` seconds: by default longer than a mirror and two questions
    take. `others`: those that begin or end. `ended`: those that only the table still knows, for a time. `until`: the
    last name that is told, or LAST where none is left out.
    """
    named = {name(flow): flow for flow in flows}
    told = sorted(named)[:SAMPLE]
    old = {key for key in told if named[key]["established"] and (named[key]["age"] is None or named[key]["age"] >= age)}
    return {
        "established": [key for key in told if key in old],
        "others": [key for key in told if key not in old and not named[key]["ended"]],
        "ended": [key for key in told if named[key]["ended"]],
        "until": LAST if len(told) == len(named) else told[-1],
    }


def parse_sockets(text: str, services: set[tuple[str, int]]) -> list[tuple[str, int, str, int]]:
    """Return the connections (client, its port, address, port) that HAProxy has to the services, from `ss -Htn`."""
    found = []
    for line in text.splitlines():
        pair = [re.fullmatch(r"\[?(?:::ffff:)?([0-9a-fA-F.:]+)\]?:(\d+)", field) for field in line.split()[-2:]]
        if len(pair) == 2 and all(pair):
            (local, port), (client, client_port) = ((end[1], int(end[2])) for end in pair if end)
            if (local, port) in services:
                found.append((client, client_port, local, port))
    return found


def dump(option: str, host: str, *which: str) -> list[dict]:
    """Return the TCP connections that this host knows; `option` is --src or --dst and `host` its address, `which` more
    options.
    """
    family = f"ipv{address.version(host)}"
    _code, answer = system.run("conntrack", "--dump", "--family", family, "--proto", "tcp", option, host, *which)
    return parse_flows(answer)


def create(client: str, client_port: int, host: str, port: int, timeout: int, *more: str) -> tuple[int, str]:
    """Put an established connection into the table, for `timeout` seconds. One that is there already is refused."""
    return system.run(
        *("conntrack", "--create", "--proto", "tcp", "--state", "ESTABLISHED", "--status", "SEEN_REPLY,ASSURED"),
        *("--src", client, "--sport", str(client_port), "--dst", host, "--dport", str(port)),
        *("--timeout", str(timeout), *more),
    )


def delete(*which: str) -> None:
    """Forget the TCP connections that these options of conntrack choose."""
    system.run("conntrack", "--delete", "--proto", "tcp", *which)
