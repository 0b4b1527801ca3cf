# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modalities and the load balancers saw of the traffic (see ../traffic); runs on the machine of the lab and prints JSON.

usage: observe.py JSON, an object of
  wait           whole: until both load balancers are well and know the same connections; holder: until another than `left` holds the VIP;
                 or nothing, to look at once
  seconds        how long at most; after that the answer says what is missing
  vip            the address that the traffic goes to
  left           the load balancer that it has left, or is to leave
  balancers      containers of the load balancers, by name
  units          that must be active there
  nodes          names of the nodes, by address
  modality       container of the modality
  socket         where the traffic there answers questions
  ask            what it is asked then; its answer is `saw`
  ports          whose visits count for the nodes, if not those of all

It answers with the holder, with what is missing to be whole, and after a report of the traffic with the ways: how many connections of
the modality the holder's kernel forwards to a node, and which take another way, are not known to it or to the other host, or will be
forgotten by the latter within an hour if nothing comes; the same for the visits of its clients; and the nodes that each client's visits came to.
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


def look(container: str, told: dict) -> dict | None:
    """What load_balancer.py says there, or None where the host is away."""
    program = (HERE / "load_balancer.py").read_text()
    command = ["podman", "exec", "--interactive", container, "python3", "-", told["vip"], *told["units"]]
    done = subprocess.run(
        command, input=program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False
    )
    return json.loads(done.stdout) if done.returncode == 0 else None


def look_at_all(told: dict) -> dict[str, dict | None]:
    with concurrent.futures.ThreadPoolExecutor() as pool:
        return dict(
            zip(told["balancers"], pool.map(lambda container: look(container, told), told["balancers"].values()))
        )


def ask(told: dict) -> dict:
    command = [
        "podman",
        "exec",
        "--workdir",
        "/srv",
        told["modality"],
        "python3",
        "-m",
        "traffic",
        "ask",
        told["socket"],
        json.dumps(told["ask"]),
    ]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)


def established(balancer: dict) -> dict[tuple[str, int], str]:
    return {(flow["client"], flow["port"]): flow["node"] for flow in balancer["flows"] if flow["established"]}


def holder(seen: dict[str, dict | None]) -> str:
    """Who holds the VIP, if it is one alone."""
    holders = [name for name, balancer in seen.items() if balancer and balancer["holds"]]
    return holders[0] if len(holders) == 1 else ""


def missing(told: dict, seen: dict[str, dict | None]) -> list[str]:
    """What is missing to a whole pair."""
    found = [f"{name} is away" for name, balancer in seen.items() if not balancer]
    found += [
        f"{unit} is not active on {name}"
        for name, balancer in seen.items()
        if balancer
        for unit in balancer["inactive"]
    ]
    states = {name: balancer["state"] for name, balancer in seen.items() if balancer}
    if sorted(states.values()) != ["BACKUP", "MASTER"]:
        found.append(f"Keepalived's states are {states}")
    if not holder(seen):
        found.append("one of them alone must hold the VIP")
    elif not found and "conntrackd" in told["units"]:
        flows = {name: established(balancer) for name, balancer in seen.items()}
        forwarded = {key for key, node in flows.pop(holder(seen)).items() if node in told["nodes"]}
        for name, known in flows.items():
            unknown = forwarded - set(known)
            # What was opened a moment ago is on its way.
            if len(unknown) > 5:
                found.append(f"{name} does not know {len(unknown)} of {len(forwarded)} connections")
    return found


def wait(told: dict) -> dict[str, dict | None]:
    deadline = time.monotonic() + told.get("seconds", 0)
    while True:
        seen = look_at_all(told)
        if told.get("wait") == "whole":
            done = not missing(told, seen)
        else:
            done = bool(holder(seen)) and holder(seen) != told.get("left")
        if done or time.monotonic() > deadline:
            return seen
        time.sleep(0.5)


def ways(told: dict, saw: dict, seen: dict[str, dict | None]) -> dict:
    """Each connection of the modality and each visit of its clients: by which way?"""
    here = seen.get(holder(seen)) or {"flows": [], "sessions": {}}
    forwarded = {(flow["client"], flow["port"]): told["nodes"].get(flow["node"]) for flow in here["flows"]}
    proxied = {client for balancer in seen.values() if balancer for client in balancer["sessions"]}
    connections = [(client, int(vip.rpartition(":")[2])) for client, vip in saw["connections"]]
    visits = [(f"{visit['client']}:{visit['from']}", visit["port"]) for visit in saw["visits"] if not visit["broken"]]
    nodes: dict[str, set[str]] = {}
    for visit in visits:
        if forwarded.get(visit) and visit[1] in told.get("ports", [visit[1]]):
            nodes.setdefault(visit[0].rpartition(":")[0], set()).add(forwarded[visit])
    others = [
        {(flow["client"], flow["port"]): flow["expires"] for flow in other["flows"]}
        for name, other in seen.items()
        if other and name != holder(seen)
    ]
    mirrored = [connection for connection in connections if forwarded.get(connection)]
    return {
        "forwarded": sum(
            bool(forwarded.get(connection)) and connection[0] not in proxied for connection in connections
        ),
        "otherwise": sorted(
            connection
            for connection in connections
            if forwarded.get(connection, "unknown") is None or connection[0] in proxied
        ),
        "unknown": sorted(
            connection for connection in connections if connection not in forwarded and connection[0] not in proxied
        ),
        "not_mirrored": sorted(
            connection for connection in mirrored if any(connection not in other for other in others)
        ),
        "forgotten_soon": sorted(
            connection for connection in mirrored if any(other.get(connection, DAY) < HOUR for other in others)
        ),
        "visits_forwarded": sum(bool(forwarded.get(visit)) for visit in visits),
        "visits_otherwise": sorted(visit for visit in visits if not forwarded.get(visit)),
        "nodes": {client: sorted(names) for client, names in sorted(nodes.items())},
    }


def main() -> None:
    told = json.loads(sys.argv[1])
    seen = wait(told)
    saw = ask(told) if "ask" in told else None
    if saw and "connections" in saw:
        seen = look_at_all(told)
    answer = {"now": time.time(), "holder": holder(seen), "missing": missing(told, seen), "saw": saw}
    if saw and "connections" in saw:
        answer["ways"] = ways(told, saw, seen)
        del saw["connections"]
        saw["visits"] = [visit for visit in saw["visits"] if visit["broken"]]
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
