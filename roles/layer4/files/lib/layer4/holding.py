# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which VIPs this host has, and since when it may end connections to them."""

from __future__ import annotations

import time

from . import company, config, peers, sync, system


class Holding:
    """By VIP that this host has: since when it has it, and since when it has it and is not cut off."""

    def __init__(self) -> None:
        self.since: dict[str, float] = {}
        self.ends_since: dict[str, float] = {}
        self.company = company.Company(time.monotonic())

    def observe(self, its: config.Config, any_up: bool) -> bool:
        """Look at this host's addresses, and whether anybody answers; return whether its last VIP has gone.

        ``any_up``: whether a node does. Another load balancer is asked only where none does.
        """
        now = time.monotonic()
        vips = set(its.vips) & system.addresses()
        gone = bool(self.since) and not vips
        self.since = {vip: self.since.get(vip, now) for vip in vips}
        if any_up or answers(its):
            self.company.meet(time.monotonic())
        self.ends_since = self.company.limit(self.since, time.monotonic()) if its.peers else self.since
        return gone


def answers(its: config.Config) -> bool:
    """Does another load balancer answer?"""
    return next(peers.ask(its.address, its.peers, its.peers_port), None) is not None


def keep_to_itself(its: config.Config) -> None:
    """Before connections are deleted here: another load balancer that does not answer may serve them, and must not hear
    of it later.
    """
    if its.mirrored and not answers(its):
        sync.unlist()
