# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The other load balancers: their daemons say whether they are ready to hold the VIP. Whoever is silent is not."""

from __future__ import annotations

from typing import Callable, Iterator

from . import _questions, keepalived, system

GREETING = b"layer4 ready? "
ASKING, KEEPALIVED = 0.4, 0.3  # seconds that a peer has, and that its Keepalived has of them


def is_ready(answer: dict) -> bool:
    """Would this host take the VIP, and serve all of it?

    Keepalived must be in its group, HAProxy answer, the kernel have the rules.
    """
    states = answer.get("keepalived") or ["none"]
    return set(states) <= {"BACKUP", "MASTER"} and answer.get("haproxy") is True and answer.get("fault") == ""


def ask(own: str, hosts: list[str], port: int, timeout: float = ASKING) -> Iterator[tuple[str, dict]]:
    """Ask these hosts at once; yield each with its answer, as they come. ``timeout``: seconds."""
    return _questions.ask(own, hosts, port, GREETING, timeout)


def any_ready(own: str, hosts: list[str], port: int) -> bool:
    """Is one of these hosts ready? Whoever does not answer is not."""
    return any(is_ready(answer) for _host, answer in ask(own, hosts, port))


class Responder(_questions.Responder):
    """Answers the peers' questions on this host's own address."""

    def __init__(self) -> None:
        super().__init__(GREETING)

    def configure(self, host: str, port: int, peers: list[str]) -> str:
        problem = super().configure(host, port, peers)
        if problem:
            system.log(problem)
        return problem

    def respond(self, state: Callable[[], dict]) -> None:
        super().respond(lambda: {"keepalived": keepalived.states(KEEPALIVED), **state()})
