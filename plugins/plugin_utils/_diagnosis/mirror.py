# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules about the mirror: whether a failover would find every forwarded connection on the other load balancers."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis.observed import (
    Answer,
    Connections,
    Host,
    Observed,
    Site,
)
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis.problem import Problem
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis.reading import holders


def mirrored(observed: Observed) -> list[str]:
    """The hosts that mirror their connections."""
    return [name for name, host in observed.items() if host["layer4"]["mirror"]["wanted"]]


def not_encryptable(name: str, site: Site, wireguard: bool) -> Iterator[Problem]:
    """``wireguard``: whether the host's kernel has it."""
    if site["hosts"][name]["mirror"]["tunnel"] and not wireguard:
        yield Problem(
            "mirror_not_encryptable",
            name,
            f"The mirror of {name} is to be encrypted, and its kernel has no WireGuard.",
            "Boot Debian's own kernel there (in a container: load the module wireguard on its host), or set"
            " infinitt_mirror_encrypted: false.",
        )


def silent(site: Site, observed: Observed) -> Iterator[Problem]:
    """New entries do not arrive: the one that a host has put into its connection table is not in another's."""
    for here, there in _silent(observed):
        yield _not_mirrored(site, here, there, "a test entry did not arrive within 1 s")


def unheard(site: Site, name: str, host: Host, before: Host | None, others: Iterable[str]) -> Iterator[Problem]:
    """The same as a host finds it by itself: nothing has come since its last look, and who mirrors greets every second.

    ``others``: those that mirror.
    """
    its = host["layer4"]["mirror"]
    former = before["layer4"]["mirror"] if before and "layer4" in before else {}
    if its["running"] and its["received"] == former.get("received"):
        for other in others:
            yield _not_mirrored(site, other, name, f"nothing comes to {name}")


def _not_mirrored(site: Site, here: str, there: str, why: str) -> Problem:
    source, target = (site["hosts"][name]["mirror"] for name in (here, there))
    if source["tunnel"]:
        door = f"3781 passes from {source['tunnel']['address']} to {target['tunnel']['address']}"
        unit, what = (
            "layer4-mirror",
            f", and 3780 on {source['interface']} (wg show says when it last had an answer)",
        )
    else:
        door = f"3780 passes from {source['address']} to {source['group'] or target['address']}"
        unit, what = "conntrackd", f" on the way to {there}" if source["group"] else ""
    return Problem(
        "mirror_silent",
        here,
        f"Connections are not mirrored from {here} to {there}: {why}.",
        f"Check that UDP port {door}{what}, then restart {unit} on {there} and after that on {here}:"
        f" systemctl restart {unit}.",
    )


def _silent(observed: Observed) -> list[tuple[str, str]]:
    return [
        (here, there)
        for here, there in itertools.permutations(mirrored(observed), 2)
        if not observed[here]["layer4"]["test_entry"]
        or observed[here]["layer4"]["test_entry"] not in observed[there]["layer4"]["received"]
    ]


def incomplete(site: Site, observed: Observed) -> Iterator[Problem]:
    """Connections in use that the standby lacks. Where new ones do not arrive either, `silent` says so."""
    ways = set(itertools.permutations(mirrored(observed), 2)).difference(_silent(observed))
    for active, standby in sorted(ways):
        if active not in _active(site, observed):
            continue
        compared, missing = compare(
            observed[active]["layer4"]["connections"], observed[standby]["layer4"]["connections"]
        )
        if missing:
            yield _missing(active, standby, missing, f"{compared}")


def lacking(name: str, host: Host, others: Mapping[str, Answer], now: float) -> Iterator[Problem]:
    """The same as the active host finds it by itself, of a sample. ``others``: what each of the others has answered."""
    for other, answer in others.items():
        counted = compared(host, answer, now)
        # As in `incomplete`: who hears nothing says so.
        if counted and counted[1] and ["mirror_silent", name] not in [its[:2] for its in answer["problems"]]:
            yield _missing(name, other, counted[1], f"a sample of {counted[0]}")


def _missing(active: str, standby: str, missing: int, of: str) -> Problem:
    return Problem(
        "mirror_incomplete",
        standby,
        f"{missing} of {of} connections that {active} forwards are missing on {standby} and would break if {active}"
        " failed.",
        f"The mirror repairs itself within 30 s. If it does not, on {active}: layer4 master.",
    )


def _active(site: Site, observed: Observed) -> list[str]:
    vips = dict.fromkeys(service["address"] for service in site["layer4_services"])
    return list(dict.fromkeys(name for vip in vips for name in holders(observed, vip)))


# What a load balancer tells the others by itself: as much as fits into a datagram, from a look half a minute ago.
SAMPLE = 40  # connections
OLD, FRESH = 60, 50  # seconds: those that were there when the other one looked, and how long ago that may be


def sample(connections: Connections) -> Connections:
    """Those with the lowest names, chosen by chance and on every host alike.

    What has ended is left out: where associations are short, it would leave no room for those that last.
    """
    if not connections:
        return connections
    told = sorted([*connections["established"], *connections["others"]])
    last = told[SAMPLE - 1] if len(told) > SAMPLE else connections["until"]
    return {
        "established": [name for name in connections["established"] if name <= last],
        "others": [name for name in connections["others"] if name <= last],
        "ended": [],
        "until": last,
    }


def told(host: Host) -> Connections | None:
    """What a host that mirrors tells the others of its connections."""
    layer4 = host.get("layer4")
    return sample(layer4["connections"]) if layer4 and layer4["mirror"]["wanted"] else None


def is_fresh(answer: Answer, now: float) -> bool:
    """Has the other one looked just before ``now``? The clocks of the two are taken for equal."""
    return abs(now - answer.get("at", 0)) <= FRESH


def compared(host: Host, answer: Answer, now: float) -> tuple[int, int] | None:
    """Of a sample of what a host with a VIP forwards: for how many another one was asked, and how many it lacks.

    None where this host has none, or where the other one has no mirror or has looked too long ago. ``now``: when this
    host has looked.
    """
    is_active = any(instance["held"] for instance in host["keepalived"]["instances"])
    ours, theirs = told(host), answer.get("connections")
    if not is_active or not ours or not theirs or not is_fresh(answer, now):
        return None
    return compare(ours, theirs)


def compare(active: Connections, standby: Connections) -> tuple[int, int]:
    """How many connections could be compared, and how many of them the standby lacks.

    What begins, ends or has ended is in flight: it is not asked for on the active host, and counts as there on the
    standby.
    """
    if not active or not standby:
        return 0, 0
    until = min(active["until"], standby["until"])
    compared = {connection for connection in active["established"] if connection <= until}
    # A host that is not upgraded yet tells what has ended among the others.
    there = [*standby["established"], *standby["others"], *standby.get("ended", ())]
    return len(compared), len(compared.difference(there))
