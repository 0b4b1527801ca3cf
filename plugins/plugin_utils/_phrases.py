# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Words that rules and screens share."""

from __future__ import annotations

import time
from collections.abc import Iterable


def listed(words: Iterable[str]) -> str:
    """a; a and b; a, b and c."""
    *first, last = [*words] or [""]
    return f"{', '.join(first)} and {last}" if first else last


def owner(service: str) -> str:
    """Return the user's own name of a service: its copies on former VIPs and its routes are ``NAME:...``."""
    return service.partition(":")[0]


def span(seconds: float) -> str:
    """A length of time in its two largest units: 45 s, 12 min, 2 h 3 min, 5 d 2 h."""
    minutes, hours, days = int(seconds // 60), int(seconds // 3600), int(seconds // 86400)
    if days > 0:
        return f"{days} d {hours % 24} h"
    if hours > 0:
        return f"{hours} h {minutes % 60} min"
    return f"{minutes} min" if minutes > 0 else f"{max(int(seconds), 0)} s"


def moment(epoch: float, now: float) -> str:
    """A moment in UTC and how long ago it was; with its date where that is not today."""
    day = "" if time.gmtime(epoch)[:3] == time.gmtime(now)[:3] else "%Y-%m-%d "
    return f"{time.strftime(f'{day}%H:%M:%S', time.gmtime(epoch))} UTC ({span(now - epoch)})"


def lapse(milliseconds: float) -> str:
    """A short length of time: 0.8 ms, 12 ms, 640 ms, 2.31 s."""
    if milliseconds >= 1000:
        return f"{milliseconds / 1000:.2f} s"
    return f"{milliseconds:.0f} ms" if milliseconds >= 10 else f"{milliseconds:.1f} ms"
