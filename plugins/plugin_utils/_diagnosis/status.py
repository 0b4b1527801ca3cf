# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which rules apply to load balancers in service."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis import (
    certificates,
    daemons,
    drift,
    former,
    forwarding,
    members,
    mirror,
    nodes,
    vip,
)
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis.observed import Answer, Host, Observed, Site
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis.problem import Problem
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis.reading import holders


def vips(site: Site, observed: Observed) -> list[str]:
    """The VIPs that are to be held: those that some Keepalived announces, and the inventory's where none of them
    answers.

    A VIP that the inventory has and nobody announces was not deployed yet; `drift.not_the_inventory` says so.
    """
    instances = [instance for host in observed.values() for instance in host["keepalived"]["instances"]]
    announced = [vip.partition("/")[0] for instance in instances for vip in instance["vips"]]
    written = [service["address"] for service in site["services"]]
    return list(
        dict.fromkeys(
            [vip for vip in written if not instances or vip in announced or holders(observed, vip)] + announced
        )
    )


# From best to worst: the place is the exit code of `loadbalancer status`.
HEALTH = ("healthy", "degraded", "down")
# What leaves a service without an answer; with anything else that is wrong it is served, and maybe not for long.
DOWN = {"vip_no_holder", "service_without_node", "vip_service_silent"}


def health(found: Iterable[Problem]) -> str:
    """One of HEALTH: something is wrong where it is degraded, and somebody is not served where it is down."""
    codes = {problem.code for problem in found}
    return HEALTH[2 if codes & DOWN else 1 if codes else 0]


def problems(site: Site, observed: Observed, hosts: Sequence[str], now: float = 0) -> list[Problem]:
    """Everything that is wrong. ``hosts``: all load balancers, reached or not. ``now``: seconds since the epoch."""
    found = [*daemons.unreachable(hosts, observed)]
    all_reached = not found
    for address in vips(site, observed):
        found += vip.one_holder(address, observed, all_reached)
    return found + _of_observed(site, observed, now)


def problems_from(name: str, site: Site, host: Host, others: Mapping[str, Answer | None], now: float) -> list[Problem]:
    """What is wrong as one load balancer sees it by itself. ``others``: what each of the others has answered it."""
    observed = {name: host}
    found = [*daemons.unreachable([other for other, answer in others.items() if answer is None], observed)]
    elsewhere = any(answer and answer["state"] == "MASTER" for answer in others.values())
    for address in vips(site, observed):
        if not elsewhere:
            found += vip.one_holder(address, observed, not found)
    return found + _of_observed(site, observed, now)


def told(answer: Answer) -> list[Problem]:
    """What another load balancer has found by itself."""
    return [Problem._make(its) for its in answer.get("problems", ())]


def _of_observed(site: Site, observed: Observed, now: float) -> list[Problem]:
    found: list[Problem] = []
    for name, host in observed.items():
        found += daemons.keepalived(name, host)
        found += daemons.guard(name, host)
        found += vip.split_brain(name, host)
        found += vip.removed(name, host)
        found += daemons.haproxy(name, host)
        found += daemons.units(name, host)
        found += certificates.unusable(name, host)
        found += certificates.not_loaded(name, host)
        found += drift.drifted(name, host)
    found += daemons.peers_apart(observed)
    found += certificates.expired(site, observed, now)
    found += drift.different(observed)
    found += members.forgotten(site)
    found += nodes.down(site, observed)
    found += nodes.returned(site, observed)
    if site["layer4_services"]:
        for name, host in observed.items():
            found += forwarding.forwarding(name, host)
            found += forwarding.connection_table(name, host)
        found += forwarding.peers_silent(site, observed)
        found += mirror.silent(site, observed)
        found += mirror.incomplete(site, observed)
    return found


def overdue(site: Site, observed: Observed, now: float) -> list[Problem]:
    """Those of the notices that somebody should act upon by now, as monitoring/alerts.yml has it: they are told too."""
    return [*nodes.out(site, now, now - nodes.LONG), *certificates.expires(site, observed, now, certificates.LATE)]


def notices(site: Site, observed: Observed, now: float) -> list[Problem]:
    """What is no fault, and yet worth knowing. ``now``: seconds since the epoch."""
    found = [*nodes.out(site, now)]
    for name, host in observed.items():
        found += daemons.restart_pending(name, host)
        found += vip.handed_over(name, host, now)
        found += daemons.adverts_ignored(name, host)
        found += daemons.security_updates(name, host)
        found += nodes.unchecked(name, host)
        found += forwarding.unguarded(name, host)
    found += certificates.expires(site, observed, now)
    found += former.used(site, observed)
    return [*found, *drift.versions(observed), *drift.not_the_inventory(observed)]
