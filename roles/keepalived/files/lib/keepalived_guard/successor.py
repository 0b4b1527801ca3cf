# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Does a holder that no node answers hand the VIP over to a load balancer that a node answers? Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from typing import Any

# Seconds for which that must be so where the links are up: a node that starts is seen by one host before the other.
LASTS = 5.0
# Seconds between two such handovers, whichever host hands over: a network that comes and goes moves nothing to and fro.
PAUSE = 300.0

# A check that was passed, in column check_status of `show stat` (HAProxy Management Guide, 9.1).
PASSED = {"L4OK", "L6OK", "L7OK", "L7OKC"}
NOT_YET = {"", "INI", "UNK"}


def node_answers(rows: Iterable[Mapping[str, str]]) -> bool | None:
    """Has any node of any service passed its last check? None where that is not known.

    ``rows``: the servers' lines of `show stat`. Of one in maintenance nothing is known.
    """
    tested = [row for row in rows if not (row.get("status") or "").startswith("MAINT")]
    checks = {(row.get("check_status") or "").lstrip("* ") for row in tested}
    if checks & PASSED:
        return True
    return None if not checks or checks & NOT_YET else False


def addresses(rows: Iterable[Mapping[str, str]]) -> set[str]:
    """Return the addresses of the nodes: column addr is `198.51.100.21:104` or `[2001:db8::21]:104`."""
    return {(row.get("addr") or "").rpartition(":")[0].strip("[]") for row in rows} - {""}


def successor(answers: Mapping[str, Mapping[str, Any]]) -> str:
    """Name the load balancer that would take the VIP, where a node answers it; empty where none does.

    ``answers``: what each says of itself, by address. Of those on standby the one with the highest priority takes it,
    and of two with the same the one with the higher address (RFC 9568, 6.4.3).
    """
    standby = {host: its for host, its in answers.items() if its.get("state") == "BACKUP"}
    if not standby:
        return ""
    first = max(standby, key=lambda host: (standby[host].get("priority") or 0, int(ipaddress.ip_address(host))))
    return first if standby[first].get("node_answers") is True else ""


class Candidate:
    """The successor that was found last. Each time is one of time.monotonic()."""

    def __init__(self) -> None:
        self._host, self._since = "", 0.0

    def lasts(self, found: str, now: float, seconds: float = LASTS) -> bool:
        """Has it been the same for long enough? ``found``: that of now, empty where there is none."""
        if found != self._host:
            self._host, self._since = found, now
        return bool(found) and now - self._since >= seconds


def pause(ages: Iterable[float | None]) -> float:
    """For how many seconds more the VIP stays. ``ages``: how long ago each host has handed it over, None for never."""
    return max([PAUSE - age for age in ages if age is not None], default=0.0)
