# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The end of connections to a node that is dead: their clients get a reset, even those that only wait."""

from __future__ import annotations

import random
import socket
from typing import Callable, Iterable

from . import address, conntrack, nft, packet, system

ROUNDS = 3  # a segment may be lost


class Endings:
    """How far the connections to each dead endpoint have been ended."""

    def __init__(self) -> None:
        self.rounds: dict[tuple[str, int], int] = {}

    def continue_with(
        self, dead: set[tuple[str, int]], vips: Iterable[str], before_deleting: Callable[[], None]
    ) -> None:
        """Provoke the clients of these endpoints by these VIPs into meeting a reset; after three rounds forget their
        connections.

        Only the holder of a VIP does so: `dead` is empty otherwise.
        """
        self.rounds = {endpoint: rounds for endpoint, rounds in self.rounds.items() if endpoint in dead}
        for endpoint in dead:
            rounds = self.rounds.get(endpoint, 0)
            if rounds > ROUNDS:
                continue
            self.rounds[endpoint] = rounds + 1
            if rounds == ROUNDS:
                before_deleting()
            node, port = endpoint
            for vip in vips:
                if address.version(vip) != address.version(node):
                    continue
                which = ("--dst", vip, "--reply-src", node, "--reply-port-src", str(port))
                if rounds == ROUNDS:
                    conntrack.delete(*which)
                    continue
                flows = conntrack.dump(*which)
                if flows and rounds == 0:
                    system.log(f"{node} port {port} is dead or cut off: {len(flows)} connections to it are ended.")
                for flow in flows:
                    provoke(flow)


def provoke(flow: dict) -> None:
    """Ask the client whether it is alive: its answer meets the rule for dead nodes."""
    family = socket.AF_INET if address.version(flow["address"]) == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, nft.MARK)
        try:
            raw.sendto(packet.keepalive(flow, random.getrandbits(32)), (flow["client"], 0))
        except OSError as error:
            system.log(f"{flow['client']} does not learn that its node is down: {error}.")
