# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the journals of the load balancers say: when a fault began and ended, and who had the VIP when.

Their lines are those of `journalctl --output=short-unix` for the units of the drill: what `ip -o monitor address`
writes, and the words that begin a fault and its undoing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

LINE = re.compile(r"^(\d+\.\d+) \S+ [^:]+?\[\d+\]: (.*)$")


def entries(journal: str) -> Iterator[tuple[float, str]]:
    """Yield the time (seconds since the epoch) and the text of each line; others are passed over."""
    for line in journal.splitlines():
        if match := LINE.match(line):
            yield float(match[1]), match[2]


def moment(journal: str, word: str) -> float | None:
    """Return when the word was written, in seconds since the epoch; None where it was not."""
    return next((when for when, text in entries(journal) if text == word), None)


def owners(
    journals: Mapping[str, str], vip: str, holder: str, began: float, ended: float, forgets: bool = False
) -> list[dict]:
    """Return the periods in which a host had the VIP on an interface, as ``host``, ``since`` and ``until``.

    ``holder``: who had it when it ``began``. A host that was cut off may have it as long as another one; a holder that
    ``forgets`` what it wrote last had it until another one took it.
    """
    change = re.compile(rf"(Deleted )?\d+: \S+\s+inet6? {re.escape(vip)}/")
    periods: list[dict] = []
    for host, journal in journals.items():
        since = began if host == holder else None
        for when, text in entries(journal):
            match = change.match(text)
            if match and not match[1] and since is None:
                since = when
            elif match and match[1] and since is not None:
                periods.append({"host": host, "since": since, "until": when})
                since = None
        if since is not None:
            periods.append({"host": host, "since": since, "until": ended})
    if forgets:
        taken = min((period["since"] for period in periods if period["host"] != holder), default=ended)
        for period in periods:
            if period["host"] == holder:
                period["until"] = min(period["until"], taken)
    return sorted(periods, key=lambda period: period["since"])


def silence(samples: Sequence[Sequence[Any]], since: float, until: float) -> tuple[float, float]:
    """Return begin and end of the longest time from one answer to the next that touches a period, in seconds.

    ``samples``: those of vip_probe. What comes before and after is no fault's: the host that asks may have been busy.
    """
    answers = sorted(ended for _sent, ended, _node, kind in samples if not kind)
    gaps = zip([0.0, *answers], [*answers, max((sample[1] for sample in samples), default=until)])
    touching = [(begin, end) for begin, end in gaps if end >= since and begin <= until]
    return max(touching, key=lambda gap: gap[1] - gap[0], default=(since, since))
