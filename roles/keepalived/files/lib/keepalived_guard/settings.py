# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What roles/keepalived wrote for the guard."""

from __future__ import annotations

import json
import pathlib
from dataclasses import dataclass

FILE = pathlib.Path("/etc/keepalived/guard.json")


@dataclass(frozen=True)
class Settings:
    """The file that Keepalived tracks (another number than 0 is FAULT), the pipe that it writes its states to, the
    user's command, HAProxy's socket (empty: it is not asked), the UDP port on which the load balancers ask each other,
    and all ports that are for the load balancers alone, by protocol (None: strangers are not even kept from
    Keepalived).
    """

    hold_file: str
    pipe: str
    on_event: list[str]
    haproxy_socket: str
    peers_port: int
    peers_only: dict[str, list[int]] | None


def load() -> Settings:
    """Raises OSError, TypeError or ValueError."""
    return Settings(**json.loads(FILE.read_text()))
