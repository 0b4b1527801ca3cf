# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The handover of the VIP by a holder that no node answers: it asks the others, and each answers for itself."""

from __future__ import annotations

import json
import pathlib
import socket
import time
from collections.abc import Mapping
from typing import Any

from . import _haproxy, _questions, paths, process, successor, system
from .conf import Instance

ASK = 1.0  # seconds between two questions to HAProxy
HAPROXY, ANSWER = 0.5, 0.9  # seconds that HAProxy has for an answer, and another load balancer
TAKEOVER = 2.0  # seconds in which the other one must have taken the VIP
# What `loadbalancer observe` (roles/monitoring) keeps, and how many characters of it fit beside the rest.
FOUND = pathlib.Path("/run/loadbalancer/state.json")
ROOM = 2700


class Handover:
    """This host's part. ``reason``: why it keeps from the VIP now, until the other one has it; empty otherwise."""

    def __init__(self, handed_over: Mapping[str, Any]) -> None:
        """``handed_over``: what it was in the former process, if it was."""
        self.haproxy, self.port, self.address = "", 0, ""
        self.peers: list[str] = []
        self.devices: set[str] = set()  # that led to the nodes when one answered last
        self.responder = _questions.Responder(_questions.GUARD)
        self.candidate = successor.Candidate()
        self.asked = self.began = 0.0
        self.reason = self.stays = ""
        self.handed_over = {"at": 0.0, "reason": "", **handed_over}

    def configure(self, haproxy: str, port: int, instance: Instance) -> None:
        """``haproxy``: the socket of HAProxy; empty where none is to be asked. ``port``: of the questions, UDP."""
        self.haproxy, self.port, self.address = haproxy, port, instance.address
        # A load balancer that is alone has its own VIP as a peer.
        self.peers = [peer for peer in instance.peers if haproxy and peer not in instance.vips]
        problem = self.responder.configure(instance.address, port, self.peers)
        if problem:
            system.say(problem)

    @property
    def socket(self) -> socket.socket | None:
        return self.responder.socket

    def turn(self, is_holder: bool, heard: float) -> None:
        """Answer what was asked, and decide. ``heard``: when another load balancer has announced itself last."""
        self.responder.respond(self.answer)
        now = time.monotonic()
        if self.reason:
            # What it announced before may be from the moment in which this host took the VIP.
            is_succeeded = not is_holder and heard > self.began
            if not is_succeeded and now - self.began > TAKEOVER:
                system.say(f"Nobody has taken the VIP within {TAKEOVER:g} s.")
            if is_succeeded or now - self.began > TAKEOVER:
                self.reason = ""
        elif is_holder and self.peers and now - self.asked >= ASK:
            self.asked = now
            self.decide()

    def decide(self) -> None:
        """As the holder: hand over, where no node answers this host and one answers another, for long enough. Where no
        link leads to the nodes any more, that is at once.
        """
        servers, is_cut = self.servers(), paths.are_down(self.devices)
        node_answers = successor.node_answers(servers)
        if node_answers and not is_cut:
            self.devices = paths.devices_to(successor.addresses(servers))
        answers: dict[str, dict] = {}
        if is_cut or node_answers is False:
            answers = dict(_questions.ask(self.address, self.peers, self.port, _questions.GUARD, ANSWER))
        found, now = successor.successor(answers), time.monotonic()
        if not self.candidate.lasts(found, now, 0 if is_cut else successor.LASTS):
            self.stays = ""
            return
        why = f"{' and '.join(sorted(self.devices))} is down" if is_cut else "no node answers this host"
        reason = f"{why}, and a node answers {found}"
        pause = successor.pause([self.age(), *(its.get("handed_over") for its in answers.values())])
        if pause <= 0:
            system.say(f"The VIP is handed over: {reason}.")
            self.reason, self.began = reason, now
            self.handed_over = {"at": time.time(), "reason": reason}
        elif not self.stays:
            self.stays = f"It was handed over a while ago, so the VIP stays for {pause:.0f} s although {reason}."
            system.say(self.stays)

    def age(self) -> float | None:
        """How many seconds ago this host has handed over."""
        return time.time() - self.handed_over["at"] if self.handed_over["at"] else None

    def servers(self) -> list[dict[str, str]]:
        """Return the servers' lines of `show stat`; none where HAProxy does not answer."""
        try:
            return _haproxy.parse_stat(_haproxy.ask(self.haproxy, "show stat -1 4 -1", HAPROXY))
        except _haproxy.NoAnswer:
            return []

    def answer(self) -> dict[str, Any]:
        """What the other load balancers are told."""
        instance = process.instance() or {"state": "", "priority": 0}
        return {
            "state": instance["state"],
            "priority": instance["priority"],
            "node_answers": successor.node_answers(self.servers()),
            "handed_over": self.age(),
            **told(),
        }


def told() -> dict[str, Any]:
    """Return which problems this host has found by itself, when, a sample of its connections, and what the others
    compare with theirs; nothing where nothing looks for them.
    """
    try:
        found = json.loads(FOUND.read_text())
        at, problems = found["at"], found["problems"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    while len(json.dumps(problems)) > ROOM:
        problems.pop()
    return {"at": at, "problems": problems, **{key: found[key] for key in ("connections", "host") if found.get(key)}}
