# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The other load balancers: their daemons say whether they are ready to hold the VIP.

A question is GREETING and a number, in a datagram; the answer is a JSON object with that number. Whoever is silent is
not ready.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from typing import Callable, Iterator

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


def ask(own: str, hosts: list[str], port: int, timeout: float = ASKING) -> Iterator[tuple[str, dict]]:
    """Ask these hosts at once, from this host's own address; yield each with its answer, as they come.

    ``timeout``: seconds.
    """
    number = os.urandom(8).hex()
    waiting: dict[socket.socket, str] = {}
    with contextlib.ExitStack() as stack:
        for host in hosts:
            asker = stack.enter_context(socket.socket(_family(host), socket.SOCK_DGRAM))
            try:
                asker.setblocking(False)
                asker.bind((own, 0))
                asker.connect((host, port))
                asker.send(GREETING + number.encode())
                waiting[asker] = host
            except OSError:
                pass  # there is no path to it
        deadline = time.monotonic() + timeout
        while waiting and time.monotonic() < deadline:
            for asker in system.wait(deadline - time.monotonic(), waiting):
                host = waiting.pop(asker)
                try:
                    answer = json.loads(asker.recv(4096).decode())
                except (OSError, ValueError):
                    continue
                if isinstance(answer, dict) and answer.get("number") == number:
                    yield host, answer


def any_ready(own: str, hosts: list[str], port: int) -> bool:
    """Is one of these hosts ready? Whoever does not answer is not."""
    return any(is_ready(answer) for _host, answer in ask(own, hosts, port))


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
