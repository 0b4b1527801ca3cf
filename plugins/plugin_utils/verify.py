# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which promises a deployed pair breaks, and which could not be checked. Data in, sentences out."""

from __future__ import annotations

from typing import Any, Iterator, Mapping, Sequence


def agrees(services: Mapping[str, Mapping[str, Mapping[str, Any]]], endpoints: Sequence[Mapping[str, Any]]) -> bool:
    """Does HAProxy see every node as this host just did? ``services`` is haproxy_info's, ``endpoints`` the backend check's."""
    return not list(_disagreements("", services, endpoints))


def verify(site: Mapping[str, Any], seen: Mapping[str, Mapping[str, Any]], asker: str, through: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """``broken``: promises that do not hold. ``unchecked``: promises that this run could not look at.

    ``site``: the model's site. ``seen``, for each load balancer of this run: ``haproxy`` and ``keepalived`` (what the two
    info modules return), ``addresses`` (all of the host's) and ``endpoints`` (of the backend check on the nodes).
    ``asker``: the host that asked the VIPs, ``through``: what it got (endpoints of the backend check).
    """
    broken: list[str] = []
    unchecked: list[str] = []
    absent = [peer["name"] for peer in site["peers"] if peer["name"] not in seen]
    answers = all(endpoint["reachable"] for endpoint in through)
    holders = {name for name, saw in seen.items() if saw["keepalived"]["running"] and _state(saw) == "MASTER"}
    for vip in dict.fromkeys(vip["address"] for host in seen for vip in site["hosts"][host]["vips"]):
        having = [name for name, saw in seen.items() if vip in saw["addresses"]]
        holders.update(having)
        if len(having) > 1:
            broken.append(
                f"One holder: {' and '.join(having)} hold the VIP {vip} at once; see whether VRRP (IP protocol 112) passes between them, and whether a"
                " firewall drops it."
            )
        elif not having and absent and answers:
            unchecked.append(f"One holder: the VIP {vip} is with none of {', '.join(seen)}; it answers, so {' or '.join(absent)} holds it.")
        elif not having:
            broken.append(f"One holder: nobody holds the VIP {vip}; see what keepalived says: journalctl -u keepalived.")
    if absent:
        unchecked.append(f"One holder, and a host that stands by: {', '.join(absent)} was not asked in this run.")
    for name, saw in seen.items():
        broken += _daemons(name, saw)
        broken += _disagreements(name, saw["haproxy"]["services"], saw["endpoints"])
    for end in through:
        if not end["reachable"]:
            broken.append(f"Answers: {end['service']} on the VIP {end['address']} port {end['port']} does not answer, asked from {asker}: {end['error']['text']}.")
    if asker in holders:
        unchecked.append(f"Answers over the wire: {asker} holds the VIP and asked itself, for no other load balancer of this run could.")
    return {"broken": broken, "unchecked": unchecked}


def _state(saw: Mapping[str, Any]) -> str:
    return next((instance["state"] for instance in saw["keepalived"]["instances"]), "unknown")


def _daemons(name: str, saw: Mapping[str, Any]) -> Iterator[str]:
    if not saw["haproxy"]["running"]:
        yield f"HAProxy: it does not run on {name}: {saw['haproxy']['msg']}"
    if not saw["keepalived"]["running"]:
        yield f"Keepalived: it does not run on {name}: {saw['keepalived']['msg']}"
    elif _state(saw) not in ("MASTER", "BACKUP"):
        yield f"Keepalived: {name} cannot take the VIP, its state is {_state(saw)}; see what it says: journalctl -u keepalived."


def _disagreements(name: str, services: Mapping[str, Mapping[str, Mapping[str, Any]]], endpoints: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for end in endpoints:
        node = services.get(end["service"], {}).get(end["node"])
        if node is None:
            yield f"Checks: HAProxy on {name} does not know {end['node']} in {end['service']}."
        elif bool(node["up"]) != end["reachable"]:
            asked = "answers" if end["reachable"] else f"does not answer ({end['error']['text']})"
            yield f"Checks: {end['service']} on {end['node']} {asked} when {name} asks it, and HAProxy there calls it {node['status']} ({node['check_status']})."
