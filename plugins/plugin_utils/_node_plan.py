# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A node out of service and back: may it be, what will be done, and who holds on. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis import status
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis.nodes import takes_clients
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis.observed import Observed, Site
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._phrases import listed, owner, span
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._screens.text import sentence
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site import states
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.problems import nearest
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.types import ACTIVE, DRAIN, MAINTENANCE, STATES

# What may be wrong with the pair all the same: it may be the reason for the maintenance.
OF_NODES = ("node_down", "node_down_for_one", "node_not_out", "service_without_node")
# And what a run leaves that was killed between the files and the reload: the next one brings it to its end.
OF_BEGUN = ("config_outdated",)
SHOWN = 5  # clients in a sentence


def services_of(site: Site) -> list[str]:
    """The services that are meant: those that the node serves, or the one that was asked for."""
    run = site["run"]
    return [
        service["name"]
        for service in site["services"]
        if run["service"] in (None, owner(service["name"]))
        and any(node["name"] == run["node"] for node in service["nodes"])
    ]


def plan(site: Site, observed: Observed, hosts: Sequence[str]) -> dict[str, Any]:
    """Return what stands in the way (``problems``), what will be done (``says``), both in sentences, and of which
    ``services``; what to do where somebody stays (``remedy``); ``first``, the state that the node gets before it is
    waited for; and ``checks``, what it must answer before it comes back.

    ``hosts``: the load balancers of this run.
    """
    run, services = site["run"], services_of(site)
    problems = _asked(site, services)
    if not problems and not run["force"]:
        accepted = (*OF_NODES, *(OF_BEGUN if _begun(site, services) else ()))
        problems = [
            *(sentence(problem) for problem in status.problems(site, observed, hosts) if problem.code not in accepted),
            *_more(site, observed, services),
            *_last(site, observed, services),
        ]
    return {
        "problems": problems,
        "says": [] if problems else _says(site, services, hosts),
        "services": services,
        "remedy": f"{run['node']} goes on draining: it gets no new connections. Run this again to wait on, or with -e"
        " infinitt_cut=true to end them.",
        "first": MAINTENANCE
        if {_of(site, name)["state"] for name in services} == {MAINTENANCE} == {run["state"]}
        else DRAIN,
        "checks": [
            {**check, "nodes": [node for node in check["nodes"] if node["name"] == run["node"]]}
            for check in site["node_checks"]
            if check["name"] in services
        ],
    }


def _asked(site: Site, services: Sequence[str]) -> list[str]:
    """What is wrong with the question."""
    run = site["run"]
    names = list(dict.fromkeys(node["name"] for service in site["services"] for node in service["nodes"]))
    found = []
    if not run["node"]:
        found.append(f"infinitt_node is not set; give one of {', '.join(names)}.")
    elif run["node"] not in names:
        found.append(f"infinitt_node is {run['node']}, which no service has; {nearest(run['node'], names)}.")
    elif not services:
        its = dict.fromkeys(
            owner(service["name"])
            for service in site["services"]
            if any(node["name"] == run["node"] for node in service["nodes"])
        )
        found.append(
            f"infinitt_service is {run['service']}, which {run['node']} does not serve; give one of {', '.join(its)}."
        )
    if not run["state"]:
        found.append(f"infinitt_state is not set; give one of {', '.join(STATES)}.")
    return found


def _of(site: Site, service: str) -> Mapping[str, Any]:
    return site["states"].get(owner(service), {}).get(site["run"]["node"], states.UNKNOWN)


def _begun(site: Site, services: Sequence[str]) -> bool:
    """Was the same asked for before, in a run that stopped half-way?"""
    wanted = (ACTIVE,) if site["run"]["state"] == ACTIVE else (DRAIN, MAINTENANCE)
    return all(
        _of(site, service) is not states.UNKNOWN and _of(site, service)["state"] in wanted for service in services
    )


def _more(site: Site, observed: Observed, services: Sequence[str]) -> list[str]:
    """The inventory has changes that were not deployed: they are not to come with the state of a node."""
    hosts = [name for name, host in observed.items() if any(file["differs"] for file in host["files"])]
    if not hosts or _begun(site, services):
        return []
    return [
        f"This run would change more than the state of a node on {listed(hosts)}, since the inventory is not what was"
        " deployed there; deploy it first: playbooks/site.yml."
    ]


def _last(site: Site, observed: Observed, services: Sequence[str]) -> list[str]:
    """Services whose last healthy node it is."""
    node = site["run"]["node"]
    found = []
    for service in services if site["run"]["state"] != ACTIVE else ():
        for host in observed.values():
            known = host["haproxy"]["services"].get(service, {})
            serving = [name for name, state in known.items() if takes_clients(state) and state.get("weight") != 0]
            if serving == [node]:
                found.append(service)
                break
    if not found:
        return []
    return [
        f"{node} is the last healthy node of {listed(found)}; bring another one back first, or refuse all clients on"
        " purpose with -e infinitt_force=true."
    ]


def _says(site: Site, services: Sequence[str], hosts: Sequence[str]) -> list[str]:
    run = site["run"]
    where = f"{listed(services)} on {run['node']}"
    if run["state"] == ACTIVE:
        return [
            f"{listed(hosts)} ask {where}.",
            "If it answers, it gets new connections again, its whole share within a minute.",
        ]
    end = {
        (True, DRAIN): "Then ends what is left.",
        (False, DRAIN): "Then stops, and the node goes on draining.",
        (True, MAINTENANCE): "Then ends what is left, and the node is in maintenance.",
        (False, MAINTENANCE): "Without any the node is in maintenance, otherwise it goes on draining.",
    }[run["cut"], run["state"]]
    return [
        f"{listed(hosts)} send no new connections to {where}, known clients' neither.",
        f"Waits until the last of those that it has is closed, for {span(run['wait'])} at most. {end}",
    ]


def changed(site: Site, state: str, now: float, by: str, cut: bool = False) -> dict[str, Any]:
    """Return the states after the node of this run was given another one. What it has already keeps its moment.

    ``now``: seconds since the epoch, of the controller; whatever another controller's clock said, the new entry is the
    newest. ``cut`` holds until the node is active again.
    """
    found: Mapping[str, Any] = site["states"]
    for service in services_of(site):
        entry = _of(site, service)
        its = (state, state != ACTIVE and (cut or entry["cut"]))
        if its != (entry["state"], entry["cut"]):
            since = max(int(now), entry["since"] + 1)
            found = states.change(found, [owner(service)], site["run"]["node"], state, since, by, its[1])
    return dict(found)


def holds_on(site: Site, left: Sequence[Mapping[str, Any]]) -> str:
    """Name who is still connected to the node of this run, a few of them; empty where nobody is."""
    if not left:
        return ""
    total = sum(one["sessions"] for one in left)
    named = [
        f"{one['client']} ({one['service']}{', ' + str(one['sessions']) if one['sessions'] > 1 else ''})"
        for one in left
    ]
    more = [f"{len(named) - SHOWN} more"] if len(named) > SHOWN else []
    what = "connection is" if total == 1 else "connections are"
    return f"{total} {what} left to {site['run']['node']}: {listed(named[:SHOWN] + more)}."
