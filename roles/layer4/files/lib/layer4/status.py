# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What people, verification and playbooks/status.yml ask."""

from __future__ import annotations

import json
import os
import pathlib
import time

from . import config, conntrack, daemon, firewall, nft, peers, sync, sysctl, system
from ._test_clients import TEST_CLIENT

# Files that a process reads only as it starts.
FILES = {
    "layer4.service": ("/etc/systemd/system/layer4.service",),
    "layer4-mirror.service": ("/etc/systemd/system/layer4-mirror.service", "/etc/layer4/mirror.key"),
    "conntrackd.service": ("/etc/layer4/conntrackd.conf", "/etc/systemd/system/conntrackd.service.d/layer4.conf"),
    "layer4-records.socket": ("/etc/systemd/system/layer4-records.socket",),
    "layer4-records.service": (
        "/etc/systemd/system/layer4-records.service",
        "/etc/layer4/layer4.json",
        "/usr/local/lib/layer4/current",
    ),
}
MIRROR = pathlib.Path("/etc/systemd/system/conntrackd.service.d/layer4.conf")
TUNNEL = pathlib.Path("/etc/systemd/system/layer4-mirror.service")
PEERS = 2  # seconds for the other load balancers to answer; a person can wait longer than the daemon


def forwarded(flows: list[dict], services: list[dict]) -> list[dict]:
    """Choose the flows that go to a node."""
    nodes = {(node["address"], node["port"]) for service in services for node in service["nodes"]}
    return [flow for flow in flows if (flow["node"], flow["node_port"]) in nodes]


def flows_of(*clients: str) -> list[dict]:
    """Return the forwarded connections of these clients."""
    services = config.load().services
    return forwarded([flow for client in clients for flow in conntrack.dump("--src", client)], services)


def sessions() -> list[dict]:
    """Return client, service and node of each connection that is forwarded on a VIP of this host.

    A copy on another host may be of one that has ended, and a test entry is none.
    """
    here, nobody = system.addresses(), set(TEST_CLIENT.values())
    return [
        {"client": flow["client"], "service": service["name"], "node": node["name"]}
        for service in config.load().services
        if service["address"] in here
        for flow in conntrack.dump("--dst", service["address"], "--dport", str(service["port"]))
        for node in service["nodes"]
        if (flow["node"], flow["node_port"]) == (node["address"], node["port"])
        and not flow["ended"]
        and flow["client"] not in nobody
    ]


def connections(old: str = str(conntrack.OLD)) -> dict:
    """Sum up what is forwarded (see `conntrack.digest`)."""
    services = config.load().services
    vips = config.load().vips
    return conntrack.digest(
        forwarded([flow for vip in vips for flow in conntrack.dump("--dst", vip)], services), float(old)
    )


def unit_names(wanted: config.Config) -> list[str]:
    """Name the units of this configuration, and what an earlier one has left: the mirror of a former peer."""
    names = ["layer4.service", *(["layer4-mirror.service"] if TUNNEL.exists() else [])]
    names += ["conntrackd.service"] if wanted.mirrored or MIRROR.exists() else []
    return [*names, "layer4-records.socket", "layer4-records.service"]


def units(names: list[str]) -> dict[str, dict[str, bool]]:
    """Of each unit: does it run, does it start at boot, and is one of its files newer than its process?"""
    properties = "Id,ActiveState,UnitFileState,ExecMainStartTimestamp,ActiveEnterTimestamp"
    _code, answer = system.run("systemctl", "show", "--timestamp=unix", f"--property={properties}", *names)
    found = {}
    for block in answer.strip().split("\n\n"):
        unit = dict(line.split("=", 1) for line in block.splitlines())
        began = unit.get("ExecMainStartTimestamp", unit["ActiveEnterTimestamp"])  # a socket has no process
        started = int(began.lstrip("@") or 0)
        files = [path for path in FILES[unit["Id"]] if os.path.exists(path)]
        active = unit["ActiveState"] in ("active", "reloading")
        found[unit["Id"]] = {
            "active": active,
            "enabled": unit["UnitFileState"] == "enabled",
            "outdated": active and any(int(os.lstat(path).st_mtime) > started for path in files),
        }
    return found


def status() -> dict:
    """Return all that is known, as `layer4 status` prints it."""
    wanted = config.load()
    state: dict = {"version": "", "refreshed": 0, "fingerprint": "", "fault": "", "guard": False, "services": {}}
    if config.STATE.exists():
        state.update(json.loads(config.STATE.read_text()))
    found = units(unit_names(wanted))
    # The files of a version never change, so it is the name that tells.
    if found["layer4.service"].get("active") and state["version"] != config.VERSION:
        found["layer4.service"]["outdated"] = True
    ruleset_code, ruleset = system.run("nft", "--json", "list", "ruleset")
    rules = json.loads(ruleset) if ruleset_code == 0 else {"nftables": []}
    kernel = sysctl.Sysctl()
    established = kernel.get("net/netfilter/nf_conntrack_tcp_timeout_established")
    return {
        "current": state["fingerprint"] == config.fingerprint(),
        "running": time.time() - state.pop("refreshed") < 3 * daemon.REFRESH,
        **state,
        "units": found,
        "obstacles": firewall.obstacles(rules, wanted.versions) if ruleset_code == 0 else [],
        **_counted(rules, wanted.services),
        "flows": {service["name"]: _flows(service) for service in wanted.services},
        "table": {
            "used": kernel.number("net/netfilter/nf_conntrack_count"),
            "room": kernel.number("net/netfilter/nf_conntrack_max"),
            "established_timeout": int(established or sysctl.ESTABLISHED_TIMEOUT),
        },
        "mirror": _mirror(wanted.mirrored),
        "peers": _peers(wanted),
    }


def _counted(rules: dict, services: list[dict]) -> dict[str, dict]:
    """Return what the rules have counted: the bytes to and from each node, and the newcomers that a node left alone.

    Two services that share a port of a node cannot be told apart: the first one has its bytes.
    """
    packets, sets = nft.parse_counters(rules)
    by_endpoint = {
        way: {end: number for version in (4, 6) for end, number in sets.get(f"{way}_nodes{version}", {}).items()}
        for way in ("to", "from")
    }
    bytes_: dict[str, dict[str, dict[str, int]]] = {}
    for service in services:
        for node in service["nodes"]:
            endpoint = (node["address"], node["port"])
            if endpoint in by_endpoint["to"] and endpoint in by_endpoint["from"]:
                bytes_.setdefault(service["name"], {})[node["name"]] = {
                    "received": by_endpoint["to"].pop(endpoint),
                    "sent": by_endpoint["from"].pop(endpoint),
                }
    newcomers = {name: packets.get(name, 0) for name in ("retried", "given_to_haproxy")}
    return {"bytes": bytes_, "newcomers": newcomers}


def _flows(service: dict) -> dict[str, int]:
    """Count a service's forwarded connections by node."""
    found = conntrack.dump("--dst", service["address"], "--dport", str(service["port"]))
    endpoints = [(flow["node"], flow["node_port"]) for flow in found if not flow["ended"]]
    return {node["name"]: endpoints.count((node["address"], node["port"])) for node in service["nodes"]}


def _peers(wanted: config.Config) -> dict[str, bool | None]:
    """Say of each other load balancer whether it is ready for the VIP; None where it does not answer."""
    answers = dict(peers.ask(wanted.address, wanted.peers, wanted.peers_port, PEERS)) if wanted.address else {}
    return {host: peers.is_ready(answers[host]) if host in answers else None for host in wanted.peers}


def _mirror(wanted: bool) -> dict:
    code, report = system.run(*sync.CONNTRACKD, "-s") if wanted else (1, "")
    _code, queue = system.run(*sync.CONNTRACKD, "-s", "queue") if wanted else (1, "")
    injected = report.partition("external inject")[2]
    return {
        "wanted": wanted,
        "running": code == 0,
        "ours": sync.number("current active connections", report),
        "taken": sync.number("connections created", injected) + sync.number("connections updated", injected),
        "waiting": sync.number("current elements", queue.partition("rsqueue")[2]),
        "sent": sync.number("Bytes sent", report),
        "received": sync.number("Bytes recv", report),
    }
