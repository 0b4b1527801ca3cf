# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The other load balancers: their daemons say whether they are ready to hold the VIP.

A question is GREETING and a number, in a datagram; the answer is a JSON object with that number. Whoever is silent is
not ready.
"""

from __future__ import annotations

import json
import os
import socket
import time
from typing import Callable

from . import address, keepalived, system

GREETING = b"layer4 ready? "
ASKING, KEEPALIVED = 0.4, 0.3  # seconds that a peer has, and that its Keepalived has of them
FRESH = 0.2  # seconds for which an answer is given again
IP_FREEBIND = 15  # ip(7): the address may come later


def is_ready(answer: dict) -> bool:
    """Would this host take the VIP, and serve all of it?

    Keepalived must be in its group, HAProxy answer, the kernel have the rules.
    """
    states = answer.get("keepalived") or ["none"]
    return set(states) <= {"BACKUP", "MASTER"} and answer.get("haproxy") is True and answer.get("fault") == ""


def any_ready(hosts: list[str], port: int) -> bool:
    """Ask these hosts at once whether one of them is ready, and wait until one says so."""
    number = os.urandom(8).hex()
    asked: dict[socket.socket, str] = {}
    try:
        for host in hosts:
            asker = socket.socket(_family(host), socket.SOCK_DGRAM)
            asked[asker] = host
            asker.setblocking(False)
            try:
                asker.connect((host, port))
                asker.send(GREETING + number.encode())
            except OSError:
                pass  # no route, or nobody listens: not ready
        deadline = time.monotonic() + ASKING
        waiting = set(asked)
        while waiting and time.monotonic() < deadline:
            for asker in system.wait(deadline - time.monotonic(), waiting):
                waiting.discard(asker)
                try:
                    answer = json.loads(asker.recv(4096).decode())
                except (OSError, ValueError):
                    continue
                if isinstance(answer, dict) and answer.get("number") == number and is_ready(answer):
                    return True
        return False
    finally:
        for asker in asked:
            asker.close()


class Responder:
    """Answers the peers' questions on this host's own address."""

    def __init__(self) -> None:
        self.endpoint: tuple[str, int] | None = None
        self.socket: socket.socket | None = None
        self.peers: set[str] = set()
        self.answer: dict = {}
        self.answered = -FRESH

    def configure(self, host: str, port: int, peers: list[str]) -> None:
        """Listen there, for the questions of these hosts."""
        self.peers = set(peers)
        wanted = (host, port) if host and peers else None
        if self.endpoint == wanted:
            return
        if self.socket:
            self.socket.close()
        self.endpoint, self.socket = None, None
        if not wanted:
            return
        listener = socket.socket(_family(host), socket.SOCK_DGRAM)
        try:
            listener.setblocking(False)
            listener.setsockopt(socket.IPPROTO_IP, IP_FREEBIND, 1)
            listener.bind(wanted)
        except OSError as error:
            listener.close()
            system.log(f"The other load balancers cannot ask this one: UDP port {port} of {host}: {error}.")
            return
        self.endpoint, self.socket = wanted, listener

    def respond(self, state: Callable[[], dict]) -> None:
        """Answer the questions that have come; `state` is called for the answer, and may take some time."""
        assert self.socket
        for _question in range(len(self.peers)):  # a flood does not keep the daemon from its work
            try:
                question, sender = self.socket.recvfrom(64)
            except OSError:
                return
            if sender[0] not in self.peers or not question.startswith(GREETING):
                continue
            if time.monotonic() - self.answered >= FRESH:
                self.answer = {"keepalived": keepalived.states(KEEPALIVED), **state()}
                self.answered = time.monotonic()
            number = question[len(GREETING) :].decode("ascii", "replace")
            try:
                self.socket.sendto(json.dumps({**self.answer, "number": number}).encode(), sender)
            except OSError:
                pass  # it will ask again


def _family(host: str) -> int:
    return socket.AF_INET if address.version(host) == 4 else socket.AF_INET6
