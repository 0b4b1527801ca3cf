# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Observe the load balancers and the traffic (see ../traffic); runs on the lab's machine and prints JSON.

usage: observe.py JSON, an object of
  wait           whole: until all load balancers are healthy and know the same connections; holder: until another one
                 than `left` holds the VIP; without it, poll once
  seconds        how long to wait at most; after that the answer says what is missing
  vip            the address that the traffic goes to
  left           the load balancer that the VIP has left, or is to leave
  balancers      containers of the load balancers, by name
  units          systemd units that must be active on them
  nodes          names of the nodes, by address
  modality       container of the modality
  socket         where the traffic answers questions
  ask            the question to ask then; the answer is `traffic`
  ports          whose visits count for `nodes`, by default all; those of the other ports count for `other_nodes`

The answer has the holder and what is missing to a whole pair, and for a report of the traffic its paths: how many
connections of the modality the holder's kernel forwards to a node, which take another path, are unknown to it or to the
other host, or expire there within an hour; the same for the visits of its clients; and which nodes each client's visits
came to.
"""

from __future__ import annotations

import concurrent.futures
import json
import pathlib
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).parent
HOUR, DAY = 3600, 86400
EXEC = ["podman", "exec", "--interactive"]


def poll(container: str, config: dict) -> dict | None:
    """Return what load_balancer.py prints there, or None where the host is away."""
    program = (HERE / "load_balancer.py").read_text()
    command = [*EXEC, container, "python3", "-", config["vip"], *config["units"]]
    done = subprocess.run(
        command, input=program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False
    )
    return json.loads(done.stdout) if done.returncode == 0 else None


def poll_all(config: dict) -> dict[str, dict | None]:
    with concurrent.futures.ThreadPoolExecutor() as pool:
        polled = pool.map(lambda container: poll(container, config), config["balancers"].values())
        return dict(zip(config["balancers"], polled))


def ask(config: dict) -> dict:
    """Ask the traffic a question."""
    traffic = ["python3", "-m", "traffic", "ask", config["socket"], json.dumps(config["ask"])]
    command = [*EXEC, "--workdir", "/srv", config["modality"], *traffic]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)


def established(balancer: dict) -> dict[tuple[str, int], str]:
    return {(flow["client"], flow["port"]): flow["node"] for flow in balancer["flows"] if flow["established"]}


def holder(observed: dict[str, dict | None]) -> str:
    """Return who holds the VIP, if exactly one does."""
    holders = [name for name, balancer in observed.items() if balancer and balancer["holds"]]
    return holders[0] if len(holders) == 1 else ""


def missing(config: dict, observed: dict[str, dict | None]) -> list[str]:
    """Return what is missing to a whole pair."""
    found = [f"{name} is away" for name, balancer in observed.items() if not balancer]
    found += [
        f"{unit} is not active on {name}"
        for name, balancer in observed.items()
        if balancer
        for unit in balancer["inactive"]
    ]
    states = {name: balancer["state"] for name, balancer in observed.items() if balancer}
    if sorted(states.values()) != ["BACKUP"] * (len(observed) - 1) + ["MASTER"]:
        found.append(f"Keepalived's states are {states}")
    if not holder(observed):
        found.append("exactly one of them must hold the VIP")
    elif not found and "conntrackd" in config["units"]:
        flows = {name: established(balancer) for name, balancer in observed.items() if balancer}
        forwarded = {key for key, node in flows.pop(holder(observed)).items() if node in config["nodes"]}
        for name, known in flows.items():
            unknown = forwarded - set(known)
            # What has just been opened is on its way.
            if len(unknown) > 5:
                found.append(f"{name} does not know {len(unknown)} of {len(forwarded)} connections")
    return found


def wait(config: dict) -> dict[str, dict | None]:
    deadline = time.monotonic() + config.get("seconds", 0)
    while True:
        observed = poll_all(config)
        if config.get("wait") == "whole":
            done = not missing(config, observed)
        else:
            done = bool(holder(observed)) and holder(observed) != config.get("left")
        if done or time.monotonic() > deadline:
            return observed
        time.sleep(0.5)


def paths(config: dict, report: dict, observed: dict[str, dict | None]) -> dict:
    """Tell which path each connection of the modality and each visit of its clients takes."""
    here = observed.get(holder(observed)) or {"flows": [], "sessions": {}}
    forwarded = {(flow["client"], flow["port"]): config["nodes"].get(flow["node"]) for flow in here["flows"]}
    proxied = {client for balancer in observed.values() if balancer for client in balancer["sessions"]}
    connections = [(client, int(vip.rpartition(":")[2])) for client, vip in report["connections"]]
    served = [visit for visit in report["visits"] if not visit["broken"]]
    visits = [(f"{visit['client']}:{visit['from']}", visit["port"]) for visit in served]
    nodes: dict[str, set[str]] = {}
    other_nodes: dict[str, set[str]] = {}
    for visit in visits:
        node = forwarded.get(visit)
        if node:
            which = nodes if visit[1] in config.get("ports", [visit[1]]) else other_nodes
            which.setdefault(visit[0].rpartition(":")[0], set()).add(node)
    others = [
        {(flow["client"], flow["port"]): flow["expires"] for flow in other["flows"]}
        for name, other in observed.items()
        if other and name != holder(observed)
    ]
    direct = [connection for connection in connections if connection[0] not in proxied]
    mirrored = [connection for connection in connections if forwarded.get(connection)]
    return {
        "forwarded": sum(bool(forwarded.get(connection)) for connection in direct),
        "otherwise": sorted(
            connection
            for connection in connections
            if forwarded.get(connection, "unknown") is None or connection[0] in proxied
        ),
        "unknown": sorted(connection for connection in direct if connection not in forwarded),
        "not_mirrored": sorted(
            connection for connection in mirrored if any(connection not in other for other in others)
        ),
        "expiring": sorted(
            connection for connection in mirrored if any(other.get(connection, DAY) < HOUR for other in others)
        ),
        "visits_forwarded": sum(bool(forwarded.get(visit)) for visit in visits),
        "visits_otherwise": sorted(visit for visit in visits if not forwarded.get(visit)),
        "nodes": {client: sorted(names) for client, names in sorted(nodes.items())},
        "other_nodes": {client: sorted(names) for client, names in sorted(other_nodes.items())},
    }


def main() -> None:
    config = json.loads(sys.argv[1])
    observed = wait(config)
    traffic = ask(config) if "ask" in config else None
    answer: dict = {"traffic": traffic}
    if traffic and "connections" in traffic:
        observed = poll_all(config)
        answer["paths"] = paths(config, traffic, observed)
        del traffic["connections"]
        traffic["visits"] = [visit for visit in traffic["visits"] if visit["broken"]]
    answer.update(now=time.time(), holder=holder(observed), missing=missing(config, observed))
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
