# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ask every service of every node at once, and put the answers into one sentence."""

from __future__ import annotations

import asyncio
import socket
import time
from dataclasses import dataclass

from ._check import Check
from ._endpoint import Answer, ask, socket_limit
from ._trust import Trust

NODE_KEYS = ("name", "address", "weight", "backup", "max_connections", "tls_name")


@dataclass(frozen=True)
class Endpoint:
    """One service on one node."""

    service: str
    node: str
    address: str
    port: int
    check: Check

    def __str__(self) -> str:
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"{self.service} on {self.node} ({host}:{self.port})"


def make_endpoints(nodes: list[dict], services: list[dict]) -> list[Endpoint]:
    """Return the endpoints of all services; raise ValueError, one sentence, for a value that cannot be.

    A service without `nodes` has all nodes; otherwise `nodes` lists names of nodes, or nodes of its own.
    """
    if not services:
        raise ValueError("services is empty: give at least one service")
    endpoints = []
    for service in services:
        name = service["name"]
        port = service["port"] if service.get("node_port") is None else service["node_port"]
        if not 1 <= port <= 65535:
            raise ValueError(f"the port of service {name} is {port}: it must be from 1 to 65535")
        try:
            endpoints += [
                Endpoint(name, node["name"], node["address"], port, _check(service, node))
                for node in _nodes_of(service, nodes)
            ]
        except ValueError as error:
            raise ValueError(f"service {name}: {error}") from error
    return endpoints


def _check(service: dict, node: dict) -> Check:
    return Check(
        service["check"],
        service["check_path"],
        service.get("check_host") or "",
        service["check_status"],
        service["called_ae"],
        service["calling_ae"],
        _trust(service.get("tls"), node),
        service.get("find") or "study",
        service.get("key") or "",
        service.get("limit", 10),
        service.get("object_uid") or "",
    )


def _trust(tls: dict | None, node: dict) -> Trust | None:
    if tls is None:
        return None
    fingerprints = tuple(fingerprint.replace(":", "").lower() for fingerprint in tls["fingerprints"])
    return Trust(tls.get("name") or node.get("tls_name") or "", tls.get("ca") or "", fingerprints, tls["verify"])


def _nodes_of(service: dict, nodes: list[dict]) -> list[dict]:
    by_name = {node["name"]: node for node in nodes}
    chosen = []
    for node in service.get("nodes") or nodes:
        if isinstance(node, dict):
            unknown = ", ".join(sorted(set(node) - set(NODE_KEYS)))
            if unknown or not node.get("name") or not node.get("address"):
                problem = f"the unknown key {unknown}" if unknown else "no name or no address"
                raise ValueError(
                    f"a node of service {service['name']} has {problem}:"
                    f" a node has a name and an address, and optionally {', '.join(NODE_KEYS[2:])}"
                )
            chosen.append(node)
        elif node in by_name:
            chosen.append(by_name[node])
        else:
            raise ValueError(
                f"service {service['name']} names the node {node}, which is not in nodes"
                f" ({', '.join(by_name) or 'there are none'})"
            )
    if not chosen:
        raise ValueError(f"service {service['name']} has no nodes: give nodes, or nodes of its own")
    return chosen


async def _ask_all(endpoints: list[Endpoint], timeout: float, retries: int, delay: float) -> list[Answer]:
    free = asyncio.Semaphore(socket_limit(len(endpoints)))

    async def ask_one(endpoint: Endpoint) -> Answer:
        async with free:
            return await ask(endpoint.address, endpoint.port, endpoint.check, timeout)

    answers: dict[int, Answer] = {}
    missing = list(range(len(endpoints)))
    for attempt in range(retries + 1):
        if attempt:
            await asyncio.sleep(delay)
        round_answers = await asyncio.gather(*(ask_one(endpoints[i]) for i in missing))
        answers.update(zip(missing, round_answers))
        missing = [i for i in missing if answers[i].failure]
        if not missing:
            break
    return [answers[i] for i in range(len(endpoints))]


def ask_all(endpoints: list[Endpoint], timeout: float, retries: int, delay: float) -> list[Answer]:
    """Ask all endpoints at once, and those that failed again; return the answers in the order of the endpoints.

    timeout: seconds for each endpoint; delay: seconds before each of the retries. Raises ValueError, one sentence, for
    a number that cannot be.
    """
    if timeout <= 0:
        raise ValueError(f"timeout is {timeout:g}: it must be a number of seconds above 0")
    if retries < 0 or delay < 0:
        raise ValueError(f"retries is {retries} and delay is {delay:g}: both must be 0 or more")
    return asyncio.run(_ask_all(endpoints, timeout, retries, delay))


def describe(endpoint: Endpoint, answer: Answer) -> dict:
    """Return an endpoint and its answer as the module infinitt_backend_check returns them; times in ms."""
    failure = answer.failure
    return {
        "service": endpoint.service,
        "node": endpoint.node,
        "address": endpoint.address,
        "port": endpoint.port,
        "check": endpoint.check.kind,
        "reachable": failure is None,
        "latency_ms": {phase: round(s * 1000, 1) for phase, s in answer.latency.items()},
        "total_ms": round(answer.total * 1000, 1),
        "error": failure and {"kind": failure.kind, "text": failure.text},
        "note": answer.note,
        "certificate": answer.certificate
        and {
            "names": list(answer.certificate.names),
            "not_after": answer.certificate.not_after,
            "days_left": answer.certificate.days_left(time.time()),
            "sha256": answer.certificate.sha256,
        },
        "matches": answer.matches,
        "more": answer.more,
        "source": answer.source and dict(zip(("address", "port"), answer.source)),
    }


def judge(endpoints: list[Endpoint], answers: list[Answer], require: str, host: str | None = None) -> tuple[bool, str]:
    """Return whether enough endpoints answer, and one sentence that counts and names the others.

    require: all, any (at least one node for each service) or none; host: name of the host that asked.
    """
    host = host or socket.gethostname()
    failed = [(e, a.failure) for e, a in zip(endpoints, answers) if a.failure]
    if not failed:
        return True, f"{_count(len(endpoints))} {_verb(len(endpoints), 'answer')} from {host}"
    named = "; ".join(f"{endpoint} {failure.text}" for endpoint, failure in failed)
    counted = f"{len(failed)} of {_count(len(endpoints))} {_do_not(len(failed))} answer from {host}"
    if require == "any":
        answering = {e.service for e, a in zip(endpoints, answers) if not a.failure}
        dead = list(dict.fromkeys(e.service for e in endpoints if e.service not in answering))
        if dead:
            return False, f"no node answers for {', '.join(dead)}, and {counted}: {named}"
    return require != "all", f"{counted}: {named}"


def _count(number: int) -> str:
    return f"{number} endpoint" if number == 1 else f"{number} endpoints"


def _verb(number: int, verb: str) -> str:
    return f"{verb}s" if number == 1 else verb


def _do_not(number: int) -> str:
    return "does not" if number == 1 else "do not"
