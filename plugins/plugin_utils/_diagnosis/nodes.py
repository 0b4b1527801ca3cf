# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules about the nodes: whether they answer, and whether HAProxy thinks so too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis.observed import (
    Endpoint,
    Host,
    Node,
    Observed,
    Site,
)
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis.problem import Problem
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis.reading import running_services, why
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._phrases import listed, moment, owner, span

LONG = 86400.0  # seconds for which a node is out before somebody is told: it may have been forgotten


def entry(site: Site, service: str, node: str) -> Mapping[str, Any] | None:
    """What a person has said of a node that is out of service; None of one that is not."""
    found = site["states"].get(owner(service), {}).get(node)
    return found if found and found["state"] != "active" else None


def silent(name: str, site: Site, endpoints: Sequence[Endpoint], require: str) -> Iterator[Problem]:
    """Nodes that do not answer a load balancer. ``require``: all of them must, any (one for each service) or none."""
    services: dict[str, list[Endpoint]] = {}
    for end in endpoints:
        # One that is out of service may be off.
        if not entry(site, end["service"], end["node"]):
            services.setdefault(end["service"], []).append(end)
    for service, ends in services.items():
        if require == "all":
            for end in ends:
                if not end["reachable"]:
                    yield Problem(
                        "node_silent",
                        end["node"],
                        f"{service} on {end['node']} ({end['address']} port {end['port']}) does not answer {name}:"
                        f" {why(end)}.",
                        "Fix the node or the path to it, or set `infinitt_preflight: any` or `none`.",
                    )
        elif require == "any" and not any(end["reachable"] for end in ends):
            reasons = ", ".join(f"{end['node']} {why(end)}" for end in ends)
            yield Problem(
                "service_silent",
                service,
                f"No node answers {name} for {service}: {reasons}.",
                "Fix one of the nodes or the path to it, or set `infinitt_preflight: none`.",
            )


def disagreements(
    name: str, site: Site, services: Mapping[str, Mapping[str, Node]], endpoints: Sequence[Endpoint]
) -> Iterator[Problem]:
    """Nodes that HAProxy does not know, or whose state it does not see as the host itself does."""
    together = {service["name"]: service["together"] for service in site["services"]}
    for end in endpoints:
        where = f"{end['service']} on {end['node']}"
        node = services.get(end["service"], {}).get(end["node"])
        if node is None:
            yield Problem(
                "node_unknown",
                end["node"],
                f"HAProxy on {name} does not serve {where}.",
                "Deploy again: playbooks/site.yml.",
            )
        elif entry(site, end["service"], end["node"]):
            continue  # nobody checks it
        elif bool(node["up"]) != (not (failed := _failed(end, together.get(end["service"]) or [], endpoints))):
            answers = f"does not answer ({why(failed[0])})" if failed else "answers"
            yield Problem(
                "node_disputed",
                end["node"],
                f"{where} {answers} when {name} asks it, but HAProxy there reports it as {node['status']}"
                f" ({node['check_status']}).",
                "Wait for the next checks, and ask again: playbooks/preflight.yml and playbooks/status.yml.",
            )


def _failed(end: Endpoint, together: Sequence[str], endpoints: Sequence[Endpoint]) -> list[Endpoint]:
    """Those that did not answer, of all that a node must answer to have this one's clients."""
    its = [other for other in endpoints if other["node"] == end["node"] and other["service"] in together] or [end]
    return [other for other in its if not other["reachable"]]


def down(site: Site, observed: Observed) -> Iterator[Problem]:
    """Services without a node that takes clients, and nodes that are down, as the running HAProxies see them."""
    asked = [name for name, host in observed.items() if host["haproxy"]["running"]]
    for service, nodes in running_services(observed).items():
        states = {name: observed[name]["haproxy"]["services"].get(service, {}) for name in asked}
        out = [name for name in asked if states[name] and not any(map(takes_clients, states[name].values()))]
        if out and not all(entry(site, service, node) for node in nodes):
            yield Problem(
                "service_without_node",
                service,
                f"No node takes clients of {service} on {listed(out)}.",
                "Fix the nodes; moving the VIP does not help.",
            )
        for node in nodes:
            seen = {name: found[node] for name, found in states.items() if node in found}
            yield from _down(service, node, seen)


def takes_clients(node: Node) -> bool:
    return node["up"] is not False and not node["status"].startswith("DRAIN")


def returned(site: Site, observed: Observed) -> Iterator[Problem]:
    """Nodes that a person has taken out of service, and that take clients all the same."""
    for service, nodes in running_services(observed).items():
        for node in nodes:
            its = {name: host["haproxy"]["services"].get(service, {}).get(node) for name, host in observed.items()}
            taking = [name for name, state in its.items() if state and not state["status"].startswith("MAINT")]
            if entry(site, service, node) and taking:
                yield Problem(
                    "node_not_out",
                    node,
                    f"{service} on {node} is out of service, and HAProxy on {listed(taking)} does not know it.",
                    "Deploy again: playbooks/site.yml.",
                )


def _down(service: str, node: str, seen: Mapping[str, Node]) -> Iterator[Problem]:
    # A node in maintenance is out on purpose.
    bad = {
        name: state for name, state in seen.items() if state["up"] is False and not state["status"].startswith("MAINT")
    }
    good = [name for name, state in seen.items() if state["up"]]
    reasons = dict.fromkeys(state["check_text"] for state in bad.values() if state["check_text"])
    why = f" ({'; '.join(reasons)})" if reasons else ""
    if bad and good:
        yield Problem(
            "node_down_for_one",
            node,
            f"{service} on {node} is down as seen from {listed(bad)}{why}, but up as seen from {listed(good)}.",
            f"Check the routes and firewalls between {listed(bad)} and {node}.",
        )
    elif bad:
        longest = span(max(state["last_change_s"] or 0 for state in bad.values()))
        yield Problem(
            "node_down",
            node,
            f"{service} on {node} has been down for {longest}{why}.",
            "Fix the node; it comes back into service by itself.",
        )


# --- worth knowing, and no problem -----------------------------------------------------------------------------------


def out(site: Site, now: float, until: float = float("inf")) -> Iterator[Problem]:
    """Nodes that a person has taken out of service, up to that moment, and services that have no other."""
    services: dict[tuple[str, str, str, int], dict[str, None]] = {}
    for service in site["services"]:
        found = {node["name"]: entry(site, service["name"], node["name"]) for node in service["nodes"]}
        entries = {node: its if its and its["since"] <= until else None for node, its in found.items()}
        for node, its in entries.items():
            if its:
                services.setdefault((node, its["state"], its["by"], its["since"]), {})[owner(service["name"])] = None
        # A copy on a former VIP says nothing new.
        if all(entries.values()) and (owner(service["name"]) == service["name"] or service.get("route_of")):
            yield Problem(
                "service_out",
                service["name"],
                f"{service['name']} is refused to everybody: all its nodes are out of service.",
                "Bring one of them back: playbooks/node_maintenance.yml.",
            )
    for (node, state, by, since), names in services.items():
        what = "in maintenance" if state == "maintenance" else "being drained"
        yield Problem(
            "node_out",
            node,
            f"{listed(names)} on {node}: {what} since {moment(since, now)}, by {by}.",
            f"Bring it back: playbooks/node_maintenance.yml -e infinitt_node={node} -e infinitt_state=active.",
        )


def unchecked(name: str, host: Host) -> Iterator[Problem]:
    """Nodes that a new worker has not checked yet."""
    new = [
        f"{service} on {node}"
        for service, nodes in host["haproxy"]["services"].items()
        for node, state in nodes.items()
        if state["up"] is None
    ]
    if new:
        yield Problem(
            "node_unchecked",
            name,
            f"HAProxy on {name} has not checked {listed(new)} yet.",
            "Ask again in a few seconds.",
        )
