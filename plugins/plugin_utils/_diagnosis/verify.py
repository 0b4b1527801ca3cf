# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which rules apply after a deployment, and which promises hold."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis import (
    daemons,
    forwarding,
    mirror,
    nodes,
    vip,
)
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis.observed import (
    Endpoint,
    HAProxy,
    Observed,
    Site,
)
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis.problem import Problem
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis.reading import holders
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._phrases import listed


class Verdict(NamedTuple):
    """Promises that are kept, that are broken and that this run could not check, and what a person should know."""

    kept: list[str]
    broken: list[Problem]
    unchecked: list[str]
    notices: list[Problem]


def haproxy_settled(haproxy: HAProxy, site: Site, endpoints: Sequence[Endpoint], among: Collection[str]) -> bool:
    """Does HAProxy see every node as this host just did, and is it connected with those of ``among`` that it knows?"""
    apart = [name for name, connected in haproxy["peers"].items() if name in among and not connected]
    return not apart and not any(nodes.disagreements("", site, haproxy["services"], endpoints))


def vip_prober(site: Site, observed: Observed) -> str:
    """Who asks the VIPs over the wire: the first load balancer of this run that holds none, else the first of all."""
    holding = {name for address in _vips(site, observed) for name in holders(observed, address)}
    return next((name for name in observed if name not in holding), next(iter(observed)))


def verify(
    site: Site,
    observed: Observed,
    prober: str,
    through: Sequence[Endpoint],
    paths: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
) -> Verdict:
    """Judge a deployment.

    ``prober``: the host that asked the VIPs, ``through``: what it got. ``paths``: of each load balancer, which of those
    connections its kernel forwarded, and to which node.
    """
    verdict = Verdict([], [], [], [])
    _holders(verdict, site, observed, through)
    unheard = [*vip.answers(site, observed)]
    verdict.broken.extend(unheard)
    if not unheard:
        verdict.kept.append(f"One machine answers for each VIP, asked from {listed(observed)}.")
    for name, host in observed.items():
        verdict.broken.extend(daemons.haproxy(name, host))
        verdict.broken.extend(daemons.keepalived(name, host))
        verdict.broken.extend(daemons.guard(name, host))
        verdict.broken.extend(vip.split_brain(name, host))
        verdict.broken.extend(vip.removed(name, host))
        verdict.broken.extend(nodes.disagreements(name, site, host["haproxy"]["services"], host["endpoints"]))
    verdict.broken.extend(daemons.peers_apart(observed))
    forwarded = {service["name"] for service in site["layer4_services"]}
    for end in through:
        verdict.broken.extend(vip.silent_service(end, prober))
        if end["service"] in forwarded and not end["reachable"]:
            verdict.broken.extend(forwarding.firewalls(holders(observed, end["address"]), observed))
    if all(end["reachable"] for end in through):
        names = [end["service"] for end in through]
        verdict.kept.append(f"{listed(names)} answer{'s' * (len(names) == 1)} through the VIP, asked from {prober}.")
    if any(prober in holders(observed, address) for address in _vips(site, observed)):
        verdict.unchecked.append(
            f"Not checked: the path over the network. {prober} holds the VIP and asked itself, since this run has no"
            " standby."
        )
    if forwarded:
        _layer4(verdict, site, observed, prober, [end for end in through if end["service"] in forwarded], paths or {})
    return verdict


def _vips(site: Site, observed: Observed) -> list[str]:
    return list(dict.fromkeys(address["address"] for name in observed for address in site["hosts"][name]["vips"]))


def _holders(verdict: Verdict, site: Site, observed: Observed, through: Sequence[Endpoint]) -> None:
    absent = [peer["name"] for peer in site["peers"] if peer["name"] not in observed]
    for address in _vips(site, observed):
        found = holders(observed, address)
        if not found and absent and all(end["reachable"] for end in through):
            verdict.unchecked.append(
                f"Not checked: who holds the VIP {address}. It answers, so it is on {' or '.join(absent)}, which this"
                " run did not include."
            )
        elif len(found) == 1:
            verdict.kept.append(f"{found[0]} holds the VIP {address}.")
        else:
            verdict.broken.extend(vip.one_holder(address, observed, not absent))
    if absent:
        verdict.unchecked.append(
            f"Not checked: whether {listed(absent)} could take over the VIP, or holds it too. This run did not include"
            f" {'it' if len(absent) == 1 else 'them'}."
        )


def _layer4(
    verdict: Verdict,
    site: Site,
    observed: Observed,
    prober: str,
    through: Sequence[Endpoint],
    paths: Mapping[str, Sequence[Mapping[str, Any]]],
) -> None:
    for name, host in observed.items():
        verdict.broken.extend(forwarding.forwarding(name, host))
        verdict.notices.extend(forwarding.unguarded(name, host))
    verdict.broken.extend(forwarding.peers_silent(site, observed))
    for end in through:
        found = holders(observed, end["address"])
        if not end["reachable"]:
            continue
        if prober in found or not found:
            why = (
                f"{prober} holds the VIP, and what a host asks itself goes to HAProxy"
                if found
                else "the load balancer that holds the VIP is not part of this run"
            )
            verdict.unchecked.append(f"Not checked: whether {end['service']} is forwarded by the kernel; {why}.")
        elif node := forwarding.node_reached(end, found[0], paths):
            verdict.kept.append(f"{end['service']} is forwarded by the kernel of {found[0]} to {node}.")
        else:
            verdict.broken.append(forwarding.bypassed(end["service"], found[0]))
            verdict.broken.extend(forwarding.firewalls(found, observed))
    verdict.notices.extend(forwarding.web_forwarded(site))
    _mirror(verdict, site, observed)


def _mirror(verdict: Verdict, site: Site, observed: Observed) -> None:
    broken = [*mirror.silent(site, observed), *mirror.incomplete(site, observed)]
    verdict.broken.extend(broken)
    ends = mirror.mirrored(observed)
    if len(ends) > 1 and not broken:
        ways = "both" if len(ends) == 2 else "all"
        verdict.kept.append(f"Connections are mirrored between {listed(ends)}, in {ways} directions.")
    left_out = [peer["name"] for peer in site["peers"] if peer["name"] not in observed]
    if ends and left_out:
        verdict.unchecked.append(f"Not checked: the mirror to and from {listed(left_out)}, which this run left out.")
    elif len(site["peers"]) == 1:
        verdict.unchecked.append("Not mirrored: there is one load balancer, and its connections end with it.")
