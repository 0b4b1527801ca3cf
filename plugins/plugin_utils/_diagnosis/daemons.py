# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules about the daemons of one host: whether they run, with their own configuration, and after a reboot too."""

from __future__ import annotations

import itertools
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
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._phrases import listed, span

# Seconds after which HAProxy's peers have connected in any case: it tries every 5 s.
PEERS_CONNECT = 10

OURS = ("haproxy", "prometheus-node")  # as the kernel names them, by 15 characters
LISTENER = re.compile(r"\S+ +\d+ +\d+ +(?P<address>\S+):(?P<port>\d+) +\S+ *(?:users:\(\(\"(?P<process>[^\"]+)\")?")


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


def peers_apart(observed: Observed) -> Iterator[Problem]:
    """Two HAProxy that have had time enough to connect, and have not."""
    settled = [
        name
        for name, host in observed.items()
        if any(worker["current"] and worker["uptime_s"] > PEERS_CONNECT for worker in host["haproxy"]["workers"])
    ]
    for here, there in itertools.combinations(settled, 2):
        known = [observed[one]["haproxy"]["peers"].get(other) for one, other in ((here, there), (there, here))]
        # One connection does for both, and who has just been reloaded may not have seen it yet.
        if False in known and True not in known:
            yield Problem(
                "peers_apart",
                here,
                f"HAProxy on {here} and HAProxy on {there} are not connected, so clients may get another node when the"
                " VIP moves.",
                f"Check that TCP port 1024 passes between {here} and {there}, from the first address of the interface.",
            )


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
    held = daemon["guard"]["held"]
    for instance in daemon["instances"]:
        if instance["state"] == "FAULT" and held:
            yield Problem(
                "guard_holds",
                name,
                f"{name} cannot take over the VIP: {held}.",
                "Let all load balancers agree: playbooks/site.yml.",
            )
        elif instance["state"] not in ("MASTER", "BACKUP"):
            yield Problem(
                "keepalived_fault",
                name,
                f"Keepalived on {name} is in state {instance['state']} and cannot take over the VIP.",
                "See why: journalctl -u keepalived.",
            )
    yield from _old_configuration("Keepalived", name, daemon["configuration"], host)


def guard(name: str, host: Host) -> Iterator[Problem]:
    if not host["keepalived"]["guard"]["running"]:
        yield Problem(
            "guard_down",
            name,
            f"keepalived-guard.service on {name} is not running, so nothing keeps two load balancers that do not"
            " agree from holding the VIP both.",
            "Start it: systemctl start keepalived-guard. Where it does not exist: playbooks/site.yml.",
        )


def _old_configuration(daemon: str, name: str, runs: str | None, host: Host) -> Iterator[Problem]:
    """A daemon that does not run what was last deployed. ``daemon``: HAProxy or Keepalived."""
    deployed = host.get("fingerprints", {}).get(daemon.lower())
    if deployed and deployed != runs:
        yield outdated(daemon, name, f"Reload it: systemctl reload {daemon.lower()}.")


def outdated(daemon: str, name: str, remedy: str) -> Problem:
    """A daemon that has not read its files. ``daemon``: what to call it; how it reads them is the ``remedy``."""
    return Problem("config_outdated", name, f"{daemon} on {name} is running an outdated configuration.", remedy)


def units(name: str, host: Host) -> Iterator[Problem]:
    """What a reboot would change: units that do not start, and unit files that systemd has not read."""
    enabled = {
        "haproxy.service": host["haproxy"]["enabled"],
        "keepalived.service": host["keepalived"]["enabled"],
        "keepalived-guard.service": host["keepalived"]["guard"]["enabled"],
    }
    if "layer4" in host:
        enabled.update({unit: state["enabled"] for unit, state in host["layer4"]["units"].items()})
    for unit, starts in enabled.items():
        if not starts:
            yield Problem(
                "unit_not_enabled",
                name,
                f"{unit} on {name} does not start at boot.",
                f"Enable it: systemctl enable {unit}.",
            )
    unread = [daemon for daemon, state in both(host) if state["needs_daemon_reload"]]
    if unread:
        yield Problem(
            "unit_not_read",
            name,
            f"systemd on {name} has not read the changed unit files of {listed(unread)}.",
            "Let it read them: systemctl daemon-reload.",
        )


def port_taken(name: str, ports: Sequence[Mapping[str, Any]], listeners: Sequence[str]) -> Iterator[Problem]:
    """Ports of ours that another program listens on. ``listeners``: lines of ``ss -Hltnp``."""
    for line in listeners:
        match = LISTENER.match(line)
        if not match or match["process"] in OURS:
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


def unwritable(name: str, directories: Mapping[str, str]) -> Iterator[Problem]:
    """Directories of ours in which nothing can be written, with the reason."""
    if directories:
        yield Problem(
            "unwritable",
            name,
            f"Nothing can be written on {name}: {listed(f'{path} is {why}' for path, why in directories.items())}.",
            f"Look there with df -h and findmnt, and make room or repair it: a change that stops half-way leaves {name}"
            " different from the others.",
        )


# --- worth knowing, and no problem -----------------------------------------------------------------------------------


def adverts_ignored(name: str, host: Host) -> Iterator[Problem]:
    for sender, known in host["keepalived"]["guard"]["ignored"].items():
        yield Problem(
            "adverts_ignored",
            name,
            f"{name} has ignored {known['count']} VRRP advertisements from {sender}, which is no load balancer of this"
            f" group or not on this link (TTL {known['ttl']}).",
            "Find out what sends them. They move nothing.",
        )


def restart_pending(name: str, host: Host) -> Iterator[Problem]:
    for daemon, state in both(host):
        if files := state["outdated"]:
            yield Problem(
                "restart_pending",
                name,
                f"{daemon} on {name} is older than {listed(files)} and needs a restart to pick"
                f" {'it' if len(files) == 1 else 'them'} up.",
                "playbooks/site.yml moves the VIP away and restarts it.",
            )


def security_updates(name: str, host: Host) -> Iterator[Problem]:
    """Security updates that nobody has installed."""
    waiting = host.get("updates", {})
    if waiting:
        names = sorted(waiting, key=lambda package: (-waiting[package], package))
        first = [*names[:5], *([f"{len(names) - 5} more"] if len(names) > 5 else [])]
        yield Problem(
            "security_updates",
            name,
            f"{'1 security update waits' if len(names) == 1 else f'{len(names)} security updates wait'} on {name}, the"
            f" oldest for {span(waiting[names[0]])}: {listed(first)}.",
            "playbooks/upgrade.yml installs them; infinitt_packages=all for those that are not the pair's own.",
        )


def both(host: Host) -> tuple[tuple[str, HAProxy | Keepalived], ...]:
    return ("HAProxy", host["haproxy"]), ("Keepalived", host["keepalived"])
