# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules about agreement: of what runs with what was deployed and with the inventory, and of the load balancers."""

from __future__ import annotations

import calendar
import hashlib
import json
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis import daemons
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis.observed import (
    HAProxy,
    Host,
    Keepalived,
    Observed,
)
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis.problem import Problem
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._phrases import listed

SHOWN_DIFFERENCES = 3


def deployed(sets: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return when any of these sets of files was deployed last, in seconds since the epoch (0: never), and whether that
    is pending.
    """
    known = [its for its in sets if its.get("when")]
    moments = [calendar.timegm(time.strptime(its["when"], "%Y-%m-%dT%H:%M:%SZ")) for its in known]
    return {"at": max(moments, default=0), "pending": any(its.get("pending") for its in known)}


def drifted(name: str, host: Host) -> Iterator[Problem]:
    files = [file["path"] for file in host.get("files", []) if file["drifted"]]
    if files:
        yield Problem(
            "files_drifted",
            name,
            f"{listed(files)} on {name} {'is' if len(files) == 1 else 'are'} not what was last deployed.",
            "Show the difference: playbooks/site.yml --check --diff. Deploying undoes it.",
        )


def different(observed: Observed) -> Iterator[Problem]:
    """Load balancers that would not serve the same after a failover, compared by what they run."""
    served = {name: _served(host["haproxy"]) for name, host in observed.items() if host["haproxy"]["running"]}
    announced = {
        name: _announced(host["keepalived"]) for name, host in observed.items() if host["keepalived"]["running"]
    }
    found = [*_differences(served), *_differences(announced)]
    if found:
        more = [f"{len(found) - SHOWN_DIFFERENCES} more"] if len(found) > SHOWN_DIFFERENCES else []
        yield _differ(observed, "; ".join(found[:SHOWN_DIFFERENCES] + more))


def apart(observed: Observed) -> Iterator[Problem]:
    """The same, of a digest (`Host`'s ``runs``), where one knows no more of the other. Empty, it is not compared."""
    runs = {host.get("runs") for host in observed.values()}
    if len(runs) > 1 and all(runs):
        yield _differ(observed, "playbooks/status.yml says in what")


def digest(host: Host) -> str:
    """Sum up what `different` compares; empty where a daemon does not run."""
    if not (host["haproxy"]["running"] and host["keepalived"]["running"]):
        return ""
    runs = json.dumps([_served(host["haproxy"]), _announced(host["keepalived"])], sort_keys=True)
    return hashlib.sha256(runs.encode()).hexdigest()[:12]


def _differ(names: Iterable[str], what: str) -> Problem:
    return Problem(
        "hosts_differ",
        listed(names),
        f"The load balancers run different configurations: {what}.",
        "Deploy to all of them: playbooks/site.yml.",
    )


def _differences(runs: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    """Each topic that has not the same value on every host. ``runs``: by host and topic."""
    for topic in dict.fromkeys(topic for values in runs.values() for topic in values):
        hosts: dict[str, list[str]] = {}
        for name, values in runs.items():
            hosts.setdefault(values.get(topic, "missing"), []).append(name)
        if len(hosts) > 1:
            yield f"{topic} is {listed(f'{value} on {listed(names)}' for value, names in hosts.items())}"


def _served(daemon: HAProxy) -> dict[str, str]:
    return {
        f"{service} on {node}": f"{state['address']} port {state['port']}" + (" (backup)" if state["backup"] else "")
        for service, nodes in daemon["services"].items()
        for node, state in nodes.items()
    }


def _announced(daemon: Keepalived) -> dict[str, str]:
    return {
        "the virtual router ID": listed(str(instance["virtual_router_id"]) for instance in daemon["instances"]),
        "the time between advertisements": listed(f"{its['advertisement']:g} s" for its in daemon["instances"]),
        "the list of VIPs": ", ".join(sorted(vip for instance in daemon["instances"] for vip in instance["vips"])),
    }


# --- worth knowing, and no problem -----------------------------------------------------------------------------------


def not_the_inventory(observed: Observed) -> Iterator[Problem]:
    """Not a fault: the answers of a survey, for one, are missing where only the status is asked for."""
    hosts: dict[str, list[str]] = {}
    for name, host in observed.items():
        for file in host.get("files", []):
            if file["differs"] and not file["drifted"]:
                hosts.setdefault(file["path"], []).append(name)
    paths: dict[str, list[str]] = {}
    for path, names in hosts.items():
        paths.setdefault(listed(names), []).append(path)
    if paths:
        what = listed(f"{listed(found)} on {names}" for names, found in paths.items())
        yield Problem(
            "inventory_differs",
            listed(name for name in observed if any(name in names for names in hosts.values())),
            f"This inventory would change {what}.",
            "Show the difference: playbooks/site.yml --check --diff.",
        )


def versions(observed: Observed) -> Iterator[Problem]:
    hosts: dict[tuple[str, str], list[str]] = {}
    for name, host in observed.items():
        for daemon, state in daemons.both(host):
            if state["version"]:
                hosts.setdefault((daemon, state["version"]), []).append(name)
    for daemon in ("HAProxy", "Keepalived"):
        found = [f"{version} on {listed(names)}" for (other, version), names in hosts.items() if other == daemon]
        if len(found) > 1:
            yield Problem(
                "versions_differ",
                listed(observed),
                f"The load balancers run different versions of {daemon}: {listed(found)}.",
                "Upgrade the older one when convenient.",
            )
