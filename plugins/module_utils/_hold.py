# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hold new connections for an instant: their SYNs are dropped here, and sent again by their clients a second later.

The kernel lets them in again by itself, two seconds after whoever holds them has died.
"""

from __future__ import annotations

import subprocess
import time

from ansible_collections.pacs.loadbalancer.plugins.module_utils import _programs

TABLE = "pacs_handover"

# Seconds until the kernel ends it.
LASTS = 2


class CannotHold(Exception):
    """nft refuses or is missing; the message is a sentence that says so."""


def ruleset(ends: list[tuple[str, int]]) -> str:
    """Return what nft loads to hold new connections to these addresses and ports. Loaded again, it begins anew.

    Only the first packet of a connection has SYN and no other of these flags: what is established goes on.
    """
    lines = ["table inet %s" % TABLE, "delete table inet %s" % TABLE, "table inet %s {" % TABLE]
    rules = []
    for family, kind in (("ip", "ipv4_addr"), ("ip6", "ipv6_addr")):
        its = [(address, port) for address, port in ends if (":" in address) == (family == "ip6")]
        held = ["%s . %d timeout %ds" % (address, port, LASTS) for address, port in its]
        if held:
            lines.append(
                "    set %s { type %s . inet_service; flags timeout; elements = { %s } }"
                % (family + "_held", kind, ", ".join(held))
            )
            rules.append(
                "        %s daddr . tcp dport @%s_held tcp flags & (fin | syn | rst | ack) == syn drop"
                % (family, family)
            )
    return "\n".join(
        [
            *lines,
            "    chain hold {",
            "        type filter hook prerouting priority raw; policy accept;",
            *rules,
            "    }",
            "}",
            "",
        ]
    )


class Hold:
    """New connections to these addresses and ports are held within the block; none, and nothing is done.

    `seconds`: for how long they were.
    """

    def __init__(self, ends: list[tuple[str, int]]) -> None:
        self._ends = ends
        self._since = 0.0
        self.seconds = 0.0

    def renew(self) -> None:
        """Hold them for two seconds from now on. Raises CannotHold."""
        if self._ends:
            _nft(["--file", "-"], ruleset(self._ends))

    def end(self) -> None:
        if self._since:
            if self._ends:
                _nft(["delete", "table", "inet", TABLE])
            self.seconds = time.monotonic() - self._since
            self._since = 0.0

    def __enter__(self) -> Hold:
        self.renew()
        self._since = time.monotonic()
        return self

    def __exit__(self, *_error: object) -> None:
        self.end()


def _nft(arguments: list[str], given: str = "") -> None:
    try:
        done = _programs.run(["nft", *arguments], input=given, stderr=subprocess.STDOUT, timeout=10)
    except FileNotFoundError:
        raise CannotHold("nft is not installed on this host, and new connections cannot be held without it.") from None
    if done.returncode:
        raise CannotHold("nft cannot hold new connections: %s" % done.stdout.strip())
