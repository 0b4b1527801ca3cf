# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""State sync with the other host: conntrackd, and test entries that prove it."""

from __future__ import annotations

import random
import re
import sys
import time

from . import address, config, conntrack, system
from ._test_clients import TEST_CLIENT

CONNTRACKD = ("conntrackd", "-C", str(config.CONNTRACKD))


def number(name: str, text: str) -> int:
    """Find a number in a report of conntrackd: `12 Bytes recv` or `current active connections: 3`."""
    found = re.search(rf"(\d+) {name}|{name}:\s+(\d+)", text)
    return int(found[1] or found[2]) if found else 0


def refill() -> str:
    """Rebuild conntrackd's list, and send all of it to the other host; return what went wrong, in words.

    What the peer put into this kernel is not in the list, so that a peer that returns would not get it. What the peer
    deleted from this kernel still is, and would come back on the peer.
    """
    for words in (("-f", "internal"), ("-R",), ("-B",)):
        code, answer = system.run(*CONNTRACKD, *words)
        if code != 0:
            return f"conntrackd {' '.join(words)}: {answer.strip()}"
    return ""


def master() -> None:
    """After this host has become active: send all connections to the other one."""
    error = refill()
    if error:
        sys.exit(error)


def complete() -> None:
    """As the active host, put into conntrackd's list what is missing there, so that a standby that asks gets it.

    While two hosts had the VIP, each got the other's connections as copies, which are in no list.
    """
    system.run(*CONNTRACKD, "-R")


def unlist() -> None:
    """Empty conntrackd's list: what is not in it is not deleted on the peer when it is deleted here."""
    system.run(*CONNTRACKD, "-f", "internal")


def stand_by(vips: list[str]) -> bool:
    """Ask the peer for its connections, unless this host has one of the VIPs; return whether it did.

    First conntrackd's list is emptied: what is in it is deleted on the peer as well when it is deleted here, by a
    timeout for example.
    """
    if system.addresses() & set(vips):
        return False
    unlist()
    system.run(*CONNTRACKD, "-n")
    if system.addresses() & set(vips):  # it came in between, and an active host needs its list
        refill()
    return True


def resync() -> None:
    """After conntrackd's start: wait for the peer's connections, for 3 s at most."""
    deadline = time.monotonic() + 3
    if not stand_by(config.load().vips):
        master()
        return
    before, quiet = (0, 0), 0
    while time.monotonic() < deadline and quiet < 2:
        system.wait(0.25)
        _code, report = system.run(*CONNTRACKD, "-s")
        now = (number("Bytes recv", report), number("connections created", report.partition("external inject")[2]))
        if not now[0]:
            system.run(*CONNTRACKD, "-n")  # the two had not connected yet
        quiet = quiet + 1 if now[0] and now[1] == before[1] else 0
        before = now
    if not before[0]:
        system.log("The peer does not answer: this host continues without its connections.")


def put_test_entry() -> int:
    """Put an entry into the connection table that is no connection; return its number."""
    service = config.load().services[0]
    vip, number = service["address"], random.randint(1024, 65535)
    target = ("--dst-nat", service["nodes"][0]["address"])
    code, answer = conntrack.create(TEST_CLIENT[address.version(vip)], number, vip, service["port"], 20, *target)
    if code != 0:
        sys.exit(f"conntrack: {answer.strip()}")
    return number


def received(*wanted: str) -> list[str]:
    """Wait for these test entries, for 1 s at most; return the numbers of those that are here."""
    client = TEST_CLIENT[address.version(config.load().services[0]["address"])]
    deadline = time.monotonic() + 1
    while True:
        here = [str(flow["client_port"]) for flow in conntrack.dump("--src", client)]
        if set(wanted) <= set(here) or time.monotonic() > deadline:
            return here
        system.wait(0.05)
