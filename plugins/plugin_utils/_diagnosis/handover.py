# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A planned move of the VIP: from which load balancer to which, or why not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis import daemons, forwarding, vip
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis.observed import Observed, Site
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis.problem import Problem
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis.reading import holders
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._phrases import listed, span


class Handover(NamedTuple):
    """``holder`` gives the VIP to ``to``; ``others`` must not take it meanwhile. ``obstacles``: why it cannot be; the
    three names are empty then.

    ``holder`` is ``to`` where there is nothing to move.
    """

    holder: str
    to: str
    others: list[str]
    obstacles: list[Problem]


def plan(site: Site, observed: Observed, to: str) -> Handover:
    """Choose a successor. ``to``: the one that is wanted; empty for any that is healthy."""
    address = _first_vip(site)
    if to and to not in observed:
        return _not(_unknown(site, to))
    obstacles = list(vip.one_holder(address, observed, all_reached=len(observed) == len(site["hosts"])))
    if obstacles:
        return _not(*obstacles)
    (holder,) = holders(observed, address)
    if holder == to:
        return Handover(holder, to, [], [])
    standbys = sorted((name for name in observed if name != holder), key=lambda name: -site["hosts"][name]["priority"])
    candidates = [to] if to else standbys
    unfit = {name: list(_unfit(name, holder, site, observed)) for name in candidates}
    fit = [name for name in candidates if not unfit[name]]
    if not candidates:
        return _not(_alone(holder))
    if not fit:
        return _not(*(problem for found in unfit.values() for problem in found))
    return Handover(holder, fit[0], [name for name in standbys if name != fit[0]], [])


def _not(*obstacles: Problem) -> Handover:
    return Handover("", "", [], list(obstacles))


def _first_vip(site: Site) -> str:
    return next(iter(site["hosts"].values()))["vips"][0]["address"]


def _unknown(site: Site, to: str) -> Problem:
    if to in site["hosts"]:
        return next(daemons.unreachable([to], {}))
    return Problem(
        "load_balancer_unknown",
        to,
        f"infinitt_to is {to}, which is no load balancer.",
        f"Give {' or '.join(site['hosts'])}.",
    )


def _alone(holder: str) -> Problem:
    return Problem(
        "no_successor",
        holder,
        f"No other load balancer than {holder}, which holds the VIP, takes part in this run.",
        "Run it for all of them, without --limit.",
    )


def _unfit(name: str, holder: str, site: Site, observed: Observed) -> Iterator[Problem]:
    """What would make the VIP worse off on this host."""
    host = observed[name]
    yield from daemons.keepalived(name, host)
    yield from daemons.haproxy(name, host)
    if site["layer4_services"]:
        yield from forwarding.forwarding(name, host)
    if not host["haproxy"]["running"]:
        return
    missing = sorted(_served(observed, holder) - _served(observed, name))
    if missing:
        yield Problem(
            "successor_without_nodes",
            name,
            f"{listed(missing)} {'has' if len(missing) == 1 else 'have'} a node on {holder}, and none on {name}.",
            f"See the path from {name} to the nodes: playbooks/preflight.yml.",
        )


def _served(observed: Observed, name: str) -> set[str]:
    """The services for which a node is up. A node that a new worker has not checked yet is none."""
    services = observed[name]["haproxy"]["services"]
    return {service for service, nodes in services.items() if any(node["up"] for node in nodes.values())}


def in_words(site: Site, move: Handover) -> list[str]:
    """What will be done."""
    address = _first_vip(site)
    if move.holder == move.to:
        return [f"The VIP {address} is on {move.to} already. Nothing is changed."]
    forwarded = [service["name"] for service in site["layer4_services"]]
    ended = [service["name"] for service in site["services"] if service["name"] not in forwarded]
    lines = [f"The VIP {address} moves from {move.holder} to {move.to}."]
    if forwarded:
        lines.append(f"Connections to {listed(forwarded)} go on: the kernel forwards them.")
    if ended:
        lines.append(
            f"Connections to {listed(ended)} end in HAProxy, so {move.holder} waits until there are none, and new ones"
            " are held for the instant of the move."
        )
    return lines


def given_up(site: Site, move: Handover) -> str:
    return (
        f"The VIP stays on {move.holder}: in {span(site['run']['wait'])} there was no moment at which nothing would "
        "have been broken. Try again at a quieter time or with a longer infinitt_wait; infinitt_force=true cuts who is"
        " left."
    )


def services(site: Site) -> list[dict]:
    """What `vip_handover` is given of each service."""
    forwarded = [service["name"] for service in site["layer4_services"]]
    return [
        {
            **{key: service[key] for key in ("name", "address", "port", "mode")},
            "forwarded": service["name"] in forwarded,
        }
        for service in site["services"]
    ]
