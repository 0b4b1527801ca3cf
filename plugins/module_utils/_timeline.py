# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The statistics of a probe: requests in, outages out."""

from __future__ import annotations

import bisect
import math
from collections import Counter
from dataclasses import dataclass
from typing import Iterable

from ._failure import Failure


@dataclass(frozen=True)
class Sample:
    """One request. sent and ended (answered or failed): seconds since the probe began; node: which node answered."""

    sent: float
    ended: float
    failure: Failure | None = None
    node: str = ""


def summarise(
    samples: list[Sample],
    length: float,
    began: float,
    stalls: Iterable[tuple[float, float]] = (),
) -> dict:
    """Return what the module vip_probe returns of a probe's samples.

    length: seconds that the probe took; began: when it began, in seconds since the epoch; stalls: periods (begin, end)
    in which the probe itself did not run, in seconds since it began.

    A silence lasts from one answer to the next; the begin and the end of the probe count as answers. A silence with a
    failed request in it is an outage. A failed request belongs to the longest of the silences that it touches between
    sent and ended: one that times out may outlast the outage. Stalls are subtracted from a silence in which nothing
    failed, since nothing was asked then, and never from an outage.
    """
    answered = [s for s in samples if s.failure is None]
    failed = sorted(((s, s.failure) for s in samples if s.failure is not None), key=lambda pair: pair[0].ended)
    points = [0.0, *sorted(min(s.ended, length) for s in answered), length]
    failures_of: dict[int, list[Failure]] = {}
    for sample, failure in failed:
        failures_of.setdefault(_silence_of(sample, points), []).append(failure)

    outages: list[dict] = []
    for i in sorted(failures_of):
        first = failures_of[i][0]
        outages.append(
            {
                "start": round(points[i], 4),
                "end": round(points[i + 1], 4),
                "start_epoch": round(began + points[i], 3),
                "length_ms": _ms(points[i + 1] - points[i]),
                "failed": len(failures_of[i]),
                "kind": first.kind,
                "cause": first.text,
            }
        )
    quiet = (
        points[i + 1] - points[i] - _overlap(points[i], points[i + 1], stalls)
        for i in range(len(points) - 1)
        if i not in failures_of
    )
    longest_quiet = max(quiet, default=0.0)
    latencies = sorted(s.ended - s.sent for s in answered)
    return {
        "requests": len(samples),
        "succeeded": len(answered),
        "failures": len(failed),
        "latency_ms": {
            name: _ms(_percentile(latencies, share)) if latencies else None
            for name, share in (("p50", 0.50), ("p95", 0.95), ("p99", 0.99), ("max", 1.0))
        },
        "outages": outages,
        "longest_silence_ms": max([_ms(longest_quiet), *(o["length_ms"] for o in outages)]),
        "nodes": dict(Counter(s.node for s in answered if s.node)),
        "errors": dict(Counter(failure.kind for _sample, failure in failed)),
        "began": round(began, 3),
        "ended": round(began + length, 3),
    }


def _silence_of(sample: Sample, points: list[float]) -> int:
    """Return the index of the longest silence that a failed request touches."""
    last = len(points) - 2
    begin = min(max(bisect.bisect_right(points, sample.sent) - 1, 0), last)
    end = max(min(bisect.bisect_left(points, sample.ended) - 1, last), begin)
    return max(range(begin, end + 1), key=lambda i: points[i + 1] - points[i])


def _overlap(begin: float, end: float, stalls: Iterable[tuple[float, float]]) -> float:
    return sum(max(0.0, min(end, b) - max(begin, a)) for a, b in stalls)


def _percentile(ordered: list[float], share: float) -> float:
    """Return the nearest rank: the smallest value that is at least as large as that share of all."""
    return ordered[math.ceil(share * len(ordered)) - 1]


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)
