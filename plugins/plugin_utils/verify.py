# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which promises a deployed pair keeps and breaks, and which could not be checked. Data in, sentences out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils.report import silent_ways


def agrees(services: Mapping[str, Mapping[str, Mapping[str, Any]]], endpoints: Sequence[Mapping[str, Any]]) -> bool:
    """Does HAProxy see every node as this host just did? ``services`` is haproxy_info's, ``endpoints`` the backend check's."""
    return not list(_disagreements("", services, endpoints))


def asker(site: Mapping[str, Any], seen: Mapping[str, Mapping[str, Any]]) -> str:
    """Who asks the VIPs over the wire: the first load balancer of this run that holds none, or else the first."""
    holding = {name for vip in _vips(site, seen) for name in _having(vip, seen)}
    return next((name for name in seen if name not in holding), next(iter(seen)))


def verify(
    site: Mapping[str, Any],
    seen: Mapping[str, Mapping[str, Any]],
    asked_from: str,
    through: Sequence[Mapping[str, Any]],
    ways: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
) -> dict[str, list[str]]:
    """``kept`` and ``broken``: promises that hold and that do not. ``unchecked``: those that this run could not look at.

    ``site``: the model's site. ``seen``, for each load balancer of this run: ``haproxy`` and ``keepalived`` (what the two
    info modules return) and ``endpoints`` (of the backend check on the nodes).
    Where something is forwarded, also ``layer4``: ``status`` of layer4.service, the ``beacon`` that it put into its connection
    table, and the beacons that it ``heard``.
    ``asked_from``: the host that asked the VIPs, ``through``: what it got (endpoints of the backend check).
    ``ways``: of each load balancer, which of those connections its kernel forwarded.
    """
    kept: list[str] = []
    broken: list[str] = []
    unchecked: list[str] = []
    absent = [peer["name"] for peer in site["peers"] if peer["name"] not in seen]
    answers = all(endpoint["reachable"] for endpoint in through)
    for vip in _vips(site, seen):
        having = _having(vip, seen)
        if len(having) == 1:
            kept.append(f"{having[0]} holds the VIP {vip}.")
        elif having:
            broken.append(
                f"One holder: {' and '.join(having)} hold the VIP {vip} at once; see whether VRRP (IP protocol 112) passes between them, and whether a"
                " firewall drops it."
            )
        elif absent and answers:
            unchecked.append(
                f"Not checked: one holder. The VIP {vip} is with none of {', '.join(seen)}; it answers, so {' or '.join(absent)} holds it."
            )
        else:
            broken.append(
                f"One holder: nobody holds the VIP {vip}; see what Keepalived says: journalctl -u keepalived."
            )
    if absent:
        unchecked.append(
            f"Not checked: whether {' and '.join(absent)} could take the VIP, or holds it too. This run was not for it."
        )
    for name, saw in seen.items():
        broken += _daemons(name, saw)
        broken += _disagreements(name, saw["haproxy"]["services"], saw["endpoints"])
    forwarded = [service["name"] for service in site.get("layer4_services", [])]
    for end in through:
        if not end["reachable"]:
            broken.append(
                f"Answers: {end['service']} on the VIP {end['address']} port {end['port']} does not answer, asked from {asked_from}: {end['error']['text']}."
                + ("".join(_obstacles(_having(end["address"], seen), seen)) if end["service"] in forwarded else "")
            )
    if answers:
        kept.append(
            f"{', '.join(endpoint['service'] for endpoint in through)} answer through it, asked from {asked_from}."
        )
    if any(asked_from in _having(vip, seen) for vip in _vips(site, seen)):
        unchecked.append(
            f"Not checked: answers over the wire. {asked_from} holds the VIP and asked itself, since no other load balancer of this run could."
        )
    if forwarded:
        kernel = _ways(forwarded, seen, asked_from, through, ways or {})
        mirror = _mirror(site, seen)
        for found in (kernel, mirror):
            kept += found["kept"]
            broken += found["broken"]
            unchecked += found["unchecked"]
    return {"kept": kept, "broken": broken, "unchecked": unchecked}


def _ways(
    forwarded: Sequence[str],
    seen: Mapping[str, Mapping[str, Any]],
    asked_from: str,
    through: Sequence[Mapping[str, Any]],
    ways: Mapping[str, Sequence[Mapping[str, Any]]],
) -> dict[str, list[str]]:
    """Did the answers come by the kernel? Only an entry in the holder's connection table says so: HAProxy answers there too."""
    kept, broken, unchecked = [], [], []
    for host, saw in seen.items():
        status = saw["layer4"].get("status") or {}
        if not status.get("running"):
            broken.append(
                f"Layer 4: layer4.service does not run on {host}, so that HAProxy serves; see what it says: journalctl -u layer4."
            )
        elif status["fault"]:
            broken.append(f"Layer 4: on {host} {status['fault']}.")
        elif not status["current"]:
            broken.append(
                f"Layer 4: layer4.service on {host} does not run what was written; reload it there: systemctl reload layer4."
            )
    for end in through:
        if end["service"] not in forwarded or not end["reachable"]:
            continue
        holders = _having(end["address"], seen)
        if asked_from in holders or not holders:
            why = (
                f"{asked_from} holds the VIP and reaches HAProxy when it asks itself"
                if holders
                else "its holder is not of this run"
            )
            unchecked.append(f"Not checked: the kernel's way to {end['service']}. {why}.")
            continue
        flow = next((flow for flow in ways.get(holders[0], []) if flow["client_port"] == end["source"]["port"]), None)
        if flow:
            kept.append(f"{end['service']} goes through the kernel of {holders[0]} to {flow['node']}.")
        else:
            broken.append(
                f"Layer 4: {end['service']} was answered by HAProxy on {holders[0]} and not through its kernel; see whether its map has a node:"
                " layer4 status." + "".join(_obstacles(holders, seen))
            )
    return {"kept": kept, "broken": broken, "unchecked": unchecked}


def _obstacles(hosts: Sequence[str], seen: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for host in hosts:
        for found in (seen[host]["layer4"].get("status") or {}).get("obstacles", []):
            yield f" The site's own rules on {host} may drop it, in table {found['table']}, chain {found['chain']}; to let it pass: {found['rule']} ."


def _mirror(site: Mapping[str, Any], seen: Mapping[str, Mapping[str, Any]]) -> dict[str, list[str]]:
    kept, broken, unchecked = [], [], []
    ends = [name for name, host in site["hosts"].items() if host["mirror"]["peer"]]
    both = [name for name in ends if name in seen]
    if len(both) == 2:
        for here, there in silent_ways({name: seen[name]["layer4"] for name in both}):
            broken.append(
                f"Mirror: what {here} has in its connection table does not appear on {there} within 1 s; see whether UDP port 3780 passes from"
                f" {site['hosts'][here]['mirror']['address']} to {site['hosts'][there]['mirror']['address']} and whether conntrackd runs on both, and"
                f" restart it on {there} and then on {here}: systemctl restart conntrackd."
            )
        if not broken:
            kept.append(f"Connections are mirrored between {both[0]} and {both[1]}, both ways.")
    elif ends:
        unchecked.append(
            f"Not checked: the mirror between {' and '.join(ends)}. This run reached {both[0] if both else 'neither'} alone."
        )
    else:
        unchecked.append("Not mirrored: there is one load balancer, and its connections end with it.")
    return {"kept": kept, "broken": broken, "unchecked": unchecked}


def _vips(site: Mapping[str, Any], seen: Mapping[str, Any]) -> list[str]:
    return list(dict.fromkeys(vip["address"] for host in seen for vip in site["hosts"][host]["vips"]))


def _having(vip: str, seen: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The hosts on whose interfaces the VIP is, whatever their Keepalived believes."""
    return [name for name, saw in seen.items() if vip in saw["keepalived"]["addresses"]]


def _state(saw: Mapping[str, Any]) -> str:
    return next((instance["state"] for instance in saw["keepalived"]["instances"]), "unknown")


def _daemons(name: str, saw: Mapping[str, Any]) -> Iterator[str]:
    if not saw["haproxy"]["running"]:
        yield f"HAProxy: it does not run on {name}: {saw['haproxy']['msg']}"
    if not saw["keepalived"]["running"]:
        yield f"Keepalived: it does not run on {name}: {saw['keepalived']['msg']}"
    elif _state(saw) not in ("MASTER", "BACKUP"):
        yield f"Keepalived: {name} cannot take the VIP, its state is {_state(saw)}; see what it says: journalctl -u keepalived."


def _disagreements(
    name: str, services: Mapping[str, Mapping[str, Mapping[str, Any]]], endpoints: Sequence[Mapping[str, Any]]
) -> Iterator[str]:
    for end in endpoints:
        node = services.get(end["service"], {}).get(end["node"])
        if node is None:
            yield f"Checks: HAProxy on {name} does not know {end['node']} in {end['service']}."
        elif bool(node["up"]) != end["reachable"]:
            asked = "answers" if end["reachable"] else f"does not answer ({end['error']['text']})"
            yield (
                f"Checks: {end['service']} on {end['node']} {asked} when {name} asks it, and HAProxy there calls it {node['status']}"
                f" ({node['check_status']})."
            )
