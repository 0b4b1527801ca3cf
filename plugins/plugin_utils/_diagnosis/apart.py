# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules about two load balancers, of which one finds by itself what the controller finds by asking both.

What the other one has told is up to half a minute old, so what is found may be over already: it counts once it lasts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis import daemons, drift, forwarding, mirror
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis.observed import Answer, Host, Site
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis.problem import Problem

LASTS = 60.0  # seconds: longer than what was told may be old, so it was told twice


def told(host: Host) -> Host:
    """What a host tells the others of itself, beside its problems and connections: as much as the rules here need."""
    daemon = host["haproxy"]
    workers = [{"current": True, "uptime_s": its["uptime_s"]} for its in daemon["workers"] if its["current"]]
    its: Any = {"runs": host["runs"], "haproxy": {"workers": workers, "peers": daemon["peers"]}}
    if "layer4" in host:
        # Who does not answer it is its own problem.
        its["layer4"] = {"running": host["layer4"]["running"], "peers": {}}
    return cast(Host, its)


def found(
    name: str, site: Site, host: Host, others: Mapping[str, Answer | None], before: Host | None, now: float
) -> Iterator[Problem]:
    """What does not fit together. ``before``: what this host observed at its last look. ``now``: seconds since the
    epoch, by clocks that agree.
    """
    fresh = {other: its for other, its in others.items() if its and mirror.is_fresh(its, now)}
    for other, answer in fresh.items():
        if "host" in answer:
            both = {name: host, other: answer["host"]}
            # In the inventory's order, so that both say the same.
            pair = {each: both[each] for each in site["hosts"] if each in both}
            yield from daemons.peers_apart(pair)
            yield from drift.apart(pair)
            if "layer4" in host and "layer4" in answer["host"]:
                yield from forwarding.peers_silent(site, pair)
    if "layer4" in host:
        mirroring = [other for other, answer in fresh.items() if answer.get("connections")]
        yield from mirror.unheard(site, name, host, before, mirroring)
        yield from mirror.lacking(name, host, fresh, now)


def lasting(
    problems: Iterable[Problem], since: Mapping[str, float], now: float
) -> tuple[list[Problem], dict[str, float]]:
    """Return those that have been found for long enough, and since when each was, for the next time (``since``)."""
    moments = {problem: min(since.get(problem.key, now), now) for problem in problems}
    lasts = [problem for problem, moment in moments.items() if now - moment >= LASTS]
    return lasts, {problem.key: moment for problem, moment in moments.items()}
