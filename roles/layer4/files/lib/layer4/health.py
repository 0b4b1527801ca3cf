# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is known of each service's nodes, and what follows from it. Pure: rows and times are given."""

from __future__ import annotations

from typing import Iterator

from . import hashing

RETURN, STEPS = 30, 10  # a node that comes back from maintenance has its share after so many seconds, in so many steps


def read_state(row: dict[str, str], former: str | None) -> str | None:
    """Return up, down, drain (no new connections) or None (unknown) for a line of `show stat` (HAProxy Management
    Guide, 9.1).
    """
    status = row["status"]
    if status.startswith(("UP", "no check")):
        # A new worker calls every node up until its first check has ended.
        return former if row["check_status"].lstrip("* ") == "INI" else "up"
    return "drain" if status.startswith(("DRAIN", "NOLB", "MAINT")) else "down"


class Health:
    """States of nodes by service, since when they are down, and their weights.

    Times are seconds of one monotonic clock.
    """

    def __init__(self) -> None:
        self.services: dict[str, dict] = {}
        self.states: dict[tuple[str, str], str | None] = {}  # by service and node
        self.weights: dict[tuple[str, str], int] = {}
        self.down_since: dict[tuple[str, str], float] = {}
        self.shares: dict[str, float] = {}  # of its weight, by node, while it is coming back
        self.back_since: dict[str, float] = {}  # by node: one that returns takes the same slots for all services

    def configure(self, services: list[dict]) -> None:
        """Take these services; what was known of their nodes stays known."""
        self.services = {service["name"]: service for service in services}
        known = {(name, node["name"]) for name, node in self.nodes()}
        self.states = {key: state for key, state in self.states.items() if key in known}
        self.weights = {key: weight for key, weight in self.weights.items() if key in known}
        self.down_since = {key: since for key, since in self.down_since.items() if key in known}

    def nodes(self) -> Iterator[tuple[str, dict]]:
        """Yield each service's name with each of its nodes."""
        for name, service in self.services.items():
            for node in service["nodes"]:
                yield name, node

    def is_up(self, service: str, node: dict) -> bool:
        return self.states.get((service, node["name"])) == "up"

    def any_up(self) -> bool:
        return any(self.is_up(name, node) for name, node in self.nodes())

    def complete(self) -> bool:
        """Is the state of every node known?"""
        return all(self.states.get((name, node["name"])) for name, node in self.nodes())

    def remember(self, service: str, endpoints: set[tuple[str, int]]) -> None:
        """After a restart of the daemon: what is in the map was healthy a moment ago."""
        for node in self.services[service]["nodes"]:
            if (node["address"], node["port"]) in endpoints:
                self.states.setdefault((service, node["name"]), "up")
                self.weights.setdefault((service, node["name"]), 1 if node["weight"] is None else node["weight"])

    def observe(self, rows: list[dict[str, str]], now: float) -> list[str]:
        """Take the servers' lines of `show stat`; return what has changed, in sentences."""
        changes = []
        for row in rows:
            key = (row["pxname"], row["svname"])
            if row["pxname"] not in self.services:
                continue
            state = read_state(row, self.states.get(key))
            if state != self.states.get(key):
                changes.append(f"HAProxy reports {row['svname']} as {state} for {row['pxname']}.")
            if state == "up" and self.states.get(key) == "drain":
                self.back_since.setdefault(row["svname"], now)
            self.states[key] = state
            self.weights[key] = int(row["weight"] or 0)
            if state != "down":
                self.down_since.pop(key, None)
            else:
                self.down_since.setdefault(key, now)
        self.back_since = {node: since for node, since in self.back_since.items() if now - since < RETURN}
        self.shares = {node: (1 + (now - since) * STEPS // RETURN) / STEPS for node, since in self.back_since.items()}
        return changes

    def weights_up(self, service: str) -> dict[str, float]:
        """Return the weights of a service's nodes that take new connections, by name."""
        nodes = [node["name"] for node in self.services[service]["nodes"] if self.is_up(service, node)]
        return {name: self.weights.get((service, name), 0) * self.shares.get(name, 1) for name in nodes}

    def second_choices(self) -> dict[str, list[dict | None]]:
        """Return by service each slot's node for those whom the first does not answer."""
        return {name: hashing.place(its["nodes"], self.weights_up(name), 1) for name, its in self.services.items()}

    def decide(
        self, now: float, dead_after: float, held_since: dict[str, float]
    ) -> tuple[dict[str, list[dict | None]], set[tuple[str, int]]]:
        """Return each slot's node by service, and the dead endpoints, that follow from what is known. What a person has
        cut off is as good as dead.

        `held_since`: since when this host has each VIP that it has, and is not cut off. A standby calls nothing dead:
        its own way to a node may be broken.
        """
        maps, dead = {}, set()
        for name, service in self.services.items():
            maps[name] = hashing.place(service["nodes"], self.weights_up(name))
            for node in service["nodes"]:
                down = self.down_since.get((name, node["name"]))
                held = held_since.get(service["address"])
                is_dead = down is not None and held is not None and now - max(down, held) >= dead_after
                if is_dead or held is not None and node.get("cut"):
                    dead.add((node["address"], node["port"]))
        # Two services may have the same endpoint, and different checks: one that serves is not dead.
        return maps, dead - {(node["address"], node["port"]) for name, node in self.nodes() if self.is_up(name, node)}
