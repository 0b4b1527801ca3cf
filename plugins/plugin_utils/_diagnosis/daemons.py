# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules about the hosts themselves: what they run, whether that is what was deployed, and whether they agree."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis.observed import (
    HAProxy,
    Host,
    Keepalived,
    Observed,
)
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis.problem import Problem
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._phrases import listed

LISTENER = re.compile(r"\S+ +\d+ +\d+ +(?P<address>\S+):(?P<port>\d+) +\S+ *(?:users:\(\(\"(?P<process>[^\"]+)\")?")
SHOWN_DIFFERENCES = 3


def unreachable(hosts: Sequence[str], observed: Observed) -> Iterator[Problem]:
    for name in hosts:
        if name not in observed:
            yield Problem(
                "host_unreachable",
                name,
                f"{name} could not be reached, so its state is unknown.",
                "Check its power, network and SSH.",
            )


def haproxy(name: str, host: Host) -> Iterator[Problem]:
    """What keeps HAProxy from serving, or from running its configuration."""
    daemon = host["haproxy"]
    if not daemon["running"]:
        yield Problem(
            "haproxy_down",
            name,
            f"No answer from HAProxy on {name}: {daemon['msg']}",
            "Start it: systemctl start haproxy. If it does not start: journalctl -u haproxy.",
        )
    elif daemon["msg"]:
        yield Problem(
            "haproxy_master_silent",
            name,
            f"HAProxy serves on {name}, but its master process does not answer: {daemon['msg']}",
            "See why: journalctl -u haproxy.",
        )
    if daemon["workers"] and not any(worker["current"] for worker in daemon["workers"]):
        yield Problem(
            "haproxy_no_worker",
            name,
            f"HAProxy on {name} has no worker that accepts new clients.",
            "See why: journalctl -u haproxy.",
        )
    if daemon["failed_reloads"]:
        yield Problem(
            "haproxy_reload_rejected",
            name,
            f"HAProxy on {name} rejected its last reload and is still running the previous configuration.",
            "See why: journalctl -u haproxy.",
        )
    elif daemon["running"]:
        yield from _old_configuration("HAProxy", name, daemon["description"], host)


def keepalived(name: str, host: Host) -> Iterator[Problem]:
    """What keeps Keepalived from taking over the VIP, or from running its configuration."""
    daemon = host["keepalived"]
    if not daemon["running"]:
        yield Problem(
            "keepalived_down",
            name,
            f"No answer from Keepalived on {name}: {daemon['msg']}",
            "Start it: systemctl start keepalived. If it does not start: journalctl -u keepalived.",
        )
        return
    for instance in daemon["instances"]:
        if instance["state"] not in ("MASTER", "BACKUP"):
            yield Problem(
                "keepalived_fault",
                name,
                f"Keepalived on {name} is in state {instance['state']} and cannot take over the VIP.",
                "See why: journalctl -u keepalived.",
            )
    yield from _old_configuration("Keepalived", name, daemon["configuration"], host)


def _old_configuration(daemon: str, name: str, runs: str | None, host: Host) -> Iterator[Problem]:
    """A daemon that does not run what was last deployed. ``daemon``: HAProxy or Keepalived."""
    if host.get("fingerprints", {}).get(daemon.lower()) not in (None, runs):
        yield outdated(daemon, name, f"Reload it: systemctl reload {daemon.lower()}.")


def outdated(daemon: str, name: str, remedy: str) -> Problem:
    return Problem("config_outdated", name, f"{daemon} on {name} is running an outdated configuration.", remedy)


def not_enabled(name: str, host: Host) -> Iterator[Problem]:
    units = {"haproxy.service": host["haproxy"]["enabled"], "keepalived.service": host["keepalived"]["enabled"]}
    if "layer4" in host:
        units.update({unit: state["enabled"] for unit, state in host["layer4"]["units"].items()})
    for unit, enabled in units.items():
        if not enabled:
            yield Problem(
                "unit_not_enabled",
                name,
                f"{unit} on {name} does not start at boot.",
                f"Enable it: systemctl enable {unit}.",
            )


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
        yield Problem(
            "hosts_differ",
            listed(observed),
            f"The load balancers run different configurations: {'; '.join(found[:SHOWN_DIFFERENCES] + more)}.",
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
        f"{service} on {node}": state["address"] + (" (backup)" if state["backup"] else "")
        for service, nodes in daemon["services"].items()
        for node, state in nodes.items()
    }


def _announced(daemon: Keepalived) -> dict[str, str]:
    return {
        "the virtual router ID": listed(str(instance["virtual_router_id"]) for instance in daemon["instances"]),
        "the list of VIPs": ", ".join(sorted(vip for instance in daemon["instances"] for vip in instance["vips"])),
    }


def port_taken(name: str, ports: Sequence[Mapping[str, Any]], listeners: Sequence[str]) -> Iterator[Problem]:
    """Ports of ours that another program listens on. ``listeners``: lines of ``ss -Hltnp``."""
    for line in listeners:
        match = LISTENER.match(line)
        if not match or match["process"] == "haproxy":
            continue
        address = match["address"].split("%")[0].strip("[]")
        for port in ports:
            everywhere = ("*", "::") if ":" in port["address"] else ("*", "0.0.0.0")
            if int(match["port"]) == port["port"] and address in (port["address"], *everywhere):
                yield Problem(
                    "port_taken",
                    name,
                    f"Port {port['port']} of {name}, which {port['for']} needs on {port['address']}, is taken by"
                    f" {match['process'] or 'another program'} (listening on {match['address']}).",
                    "Stop that program, or bind it to another address.",
                )


# --- worth knowing, and no problem -----------------------------------------------------------------------------------


def restart_pending(name: str, host: Host) -> Iterator[Problem]:
    for daemon, state in _daemons(host):
        if files := state["outdated"]:
            yield Problem(
                "restart_pending",
                name,
                f"{daemon} on {name} is older than {listed(files)} and needs a restart to pick"
                f" {'it' if len(files) == 1 else 'them'} up.",
                "playbooks/site.yml moves the VIP away and restarts it.",
            )


def not_the_inventory(observed: Observed) -> Iterator[Problem]:
    """Not a fault: the answers of a survey, for one, are missing where only the status is asked for."""
    hosts: dict[str, list[str]] = {}
    for name, host in observed.items():
        for file in host.get("files", []):
            if file["differs"] and not file["drifted"]:
                hosts.setdefault(file["path"], []).append(name)
    if hosts:
        what = listed(f"{path} on {listed(names)}" for path, names in hosts.items())
        yield Problem(
            "inventory_differs",
            listed(dict.fromkeys(name for names in hosts.values() for name in names)),
            f"This inventory would change {what}.",
            "Show the difference: playbooks/site.yml --check --diff.",
        )


def versions(observed: Observed) -> Iterator[Problem]:
    hosts: dict[tuple[str, str], list[str]] = {}
    for name, host in observed.items():
        for daemon, state in _daemons(host):
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


def _daemons(host: Host) -> tuple[tuple[str, HAProxy | Keepalived], ...]:
    return ("HAProxy", host["haproxy"]), ("Keepalived", host["keepalived"])
