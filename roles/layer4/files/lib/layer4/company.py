# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Is this host cut off? Where neither a node nor another load balancer answers, that is as likely as that all of them
are dead; and a host that is cut off has the VIP beside the one that serves. What it ended then, it would end there too,
as soon as the two are connected again. Pure: times, in seconds of one monotonic clock, are given.
"""

from __future__ import annotations

PATIENCE = 3  # seconds: an answer may be late, or lost


class Company:
    """When anybody has answered last, and since when somebody always has."""

    def __init__(self, now: float) -> None:
        self.met = self.since = now

    def meet(self, now: float) -> None:
        """A node or another load balancer has answered."""
        if self.is_missing(now):
            self.since = now
        self.met = now

    def is_missing(self, now: float) -> bool:
        """Has nobody answered for too long?"""
        return now - self.met > PATIENCE

    def limit(self, held_since: dict[str, float], now: float) -> dict[str, float]:
        """Return, of the VIPs that this host has, since when it has them and is not cut off."""
        return {} if self.is_missing(now) else {vip: max(since, self.since) for vip, since in held_since.items()}
