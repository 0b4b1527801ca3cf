# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What stands in the way of a deployment, from what the load balancers saw. Data in, sentences out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils.report import ESTABLISHED_LEAST, established_problem

LISTENER = re.compile(r"\S+ +\d+ +\d+ +(?P<address>\S+):(?P<port>\d+) +\S+ *(?:users:\(\(\"(?P<process>[^\"]+)\")?")


def problems(site: Mapping[str, Any], seen: Mapping[str, Mapping[str, Any]], require: str) -> list[str]:
    """One sentence for each promise that a deployment could not keep.

    ``site``: the model's site. ``seen``, for each load balancer that was asked: ``endpoints`` (of the backend check),
    ``owners`` (by interface, the MACs that answer for each address), ``listeners`` (lines of ``ss -Hltnp``), ``macs``, and
    ``established_timeout`` (seconds; empty: not known).
    ``require``: all, any (at least one node for each service, from every load balancer) or none.
    """
    found: list[str] = []
    for host, saw in seen.items():
        found += _nodes(host, saw["endpoints"], require)
        found += _ports(host, site["hosts"][host]["ports"], saw["listeners"])
        found += _peers(host, site["hosts"][host], saw["owners"], seen)
        # Empty where nothing tracks connections yet: the kernel's own timeout is long enough.
        timeout = saw.get("established_timeout")
        if site.get("layer4_services") and timeout and int(timeout) < ESTABLISHED_LEAST:
            found.append(established_problem(host, int(timeout)))
    found += _strangers(site, seen)
    return found


def _nodes(host: str, endpoints: Sequence[Mapping[str, Any]], require: str) -> Iterator[str]:
    silent = [endpoint for endpoint in endpoints if not endpoint["reachable"]]
    if require == "all":
        for end in silent:
            yield (
                f"{end['service']} on {end['node']} ({end['address']} port {end['port']}) does not answer from {host}: {end['error']['text']};"
                " mend the node or the way to it, or let infinitt_preflight be any or none."
            )
    elif require == "any":
        answering = {endpoint["service"] for endpoint in endpoints if endpoint["reachable"]}
        for service in dict.fromkeys(end["service"] for end in silent if end["service"] not in answering):
            yield f"No node answers for {service} from {host}; infinitt_preflight is any, so that one of them must."


def _ports(host: str, ports: Sequence[Mapping[str, Any]], listeners: Sequence[str]) -> Iterator[str]:
    for line in listeners:
        match = LISTENER.match(line)
        if not match or match["process"] == "haproxy":
            continue
        address = match["address"].split("%")[0].strip("[]")
        for port in ports:
            everywhere = ("*", "::") if ":" in port["address"] else ("*", "0.0.0.0")
            if int(match["port"]) == port["port"] and address in (port["address"], *everywhere):
                yield (
                    f"Port {port['port']} of {host}, which {port['for']} needs on {port['address']}, is taken by"
                    f" {match['process'] or 'another program'} (it listens on {match['address']}); stop that program or bind it to another address."
                )


def _peers(
    host: str, told: Mapping[str, Any], owners: Mapping[str, Mapping[str, Sequence[str]]], seen: Mapping[str, Any]
) -> Iterator[str]:
    for peer in told["peers"]:
        if peer["name"] in seen and not owners.get(told["interface"], {}).get(peer["address"]):
            yield (
                f"{host} does not reach {peer['name']}: nobody answers for its infinitt_address {peer['address']} on {told['interface']};"
                " both must be in one network segment."
            )


def _strangers(site: Mapping[str, Any], seen: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    known = {mac.lower() for saw in seen.values() for mac in saw["macs"]}
    told: set[tuple[str, str]] = set()
    for host, saw in seen.items():
        for interface, answers in saw["owners"].items():
            # A load balancer that was not asked (--limit) is known by the MAC that answers for its own address.
            pair = known | {mac.lower() for peer in site["peers"] for mac in answers.get(peer["address"], [])}
            vips = [vip["address"] for vip in site["hosts"][host]["vips"] if vip["interface"] == interface]
            for vip in vips:
                for mac in sorted({mac.lower() for mac in answers.get(vip, [])} - pair):
                    if (vip, mac) not in told:
                        told.add((vip, mac))
                        yield (
                            f"The VIP {vip} is held by a stranger: {mac} answers for it (asked from {host}), which is none of the load balancers;"
                            " take the address from that machine, or choose another VIP."
                        )
