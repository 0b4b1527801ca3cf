# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What works on a load balancer before it changes, and what of that a change has broken.

A promise is a phrase, so that a host can keep it until the change has come to its end.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis import daemons, forwarding, nodes
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis.observed import (
    Endpoint,
    Host,
    Observed,
    Site,
)
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis.problem import Problem

HAPROXY, KEEPALIVED, FORWARDING = "HAProxy", "Keepalived", "forwarding by the kernel"


def kept(host: Host, through: Sequence[Endpoint]) -> list[str]:
    """What works there. ``through``: what the VIP answered, where it was asked."""
    work = [promise for promise, why in _daemons("", host).items() if why is None]
    up = [
        _node(service, node)
        for service, its in host["haproxy"]["services"].items()
        for node, state in its.items()
        if state["up"] and nodes.takes_clients(state)
    ]
    answered = [_vip(end) for end in through if end["reachable"]]
    return [*work, *up, *answered]


def broken(
    site: Site, name: str, observed: Observed, through: Sequence[Endpoint], before: Sequence[str]
) -> Iterator[Problem]:
    """What worked on a host ``before``, is still wanted, and does not work any more.

    A node that is down on all other load balancers too has gone down by itself, and so has its service.
    """
    lines = [
        f"{promise} ({why})" if why else promise
        for promise, why in _lost(site, name, observed, through)
        if promise in before
    ]
    if lines:
        yield Problem(
            "promise_broken",
            name,
            f"Since {name} has changed, this does not work there any more: {'; '.join(lines)}.",
            "Undo the change in the inventory, or deploy it all the same with infinitt_force=true.",
        )


def _lost(site: Site, name: str, observed: Observed, through: Sequence[Endpoint]) -> Iterator[tuple[str, str]]:
    host, others = observed[name], [its for other, its in observed.items() if other != name]
    yield from ((promise, why) for promise, why in _daemons(name, host).items() if why is not None)
    for service in site["services"]:
        its = host["haproxy"]["services"].get(service["name"], {})
        wanted = [node["name"] for node in service["nodes"] if not nodes.entry(site, service["name"], node["name"])]
        alive = [node for node in wanted if not _down_elsewhere(service["name"], node, others)]
        for node in alive:
            state = its.get(node)
            if not state or state["up"] is False:  # None: a new worker has not checked it yet
                yield _node(service["name"], node), state["check_text"] if state else ""
        for end in through:
            if end["service"] == service["name"] and not end["reachable"] and alive:
                yield _vip(end), end["error"]["text"] if end["error"] else ""


def _down_elsewhere(service: str, node: str, others: Sequence[Host]) -> bool:
    states = [its["haproxy"]["services"].get(service, {}).get(node) for its in others]
    known = [state["up"] for state in states if state]
    return bool(known) and not any(up is not False for up in known)


def _daemons(name: str, host: Host) -> dict[str, str | None]:
    """The promises of those daemons that were asked; why each is not kept, or None.

    A guard that holds Keepalived ends that by itself, when the other load balancers agree.
    """
    problems = {}
    if "haproxy" in host:
        problems[HAPROXY] = daemons.haproxy(name, host)
    if "keepalived" in host:
        problems[KEEPALIVED] = (it for it in daemons.keepalived(name, host) if it.code != "guard_holds")
    if "layer4" in host:
        problems[FORWARDING] = forwarding.forwarding(name, host)
    return {promise: next((it.text.rstrip(".") for it in found), None) for promise, found in problems.items()}


def _node(service: str, node: str) -> str:
    return f"{service} on {node}"


def _vip(end: Endpoint) -> str:
    return f"{end['service']} through {end['address']} port {end['port']}"
