# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Questions of one load balancer to the others, for the programs that roles/layer4 and roles/keepalived install.

A question is a greeting and a number, in a datagram; the answer is a JSON object with that number. Whoever is silent
has not answered.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import select
import socket
import time
from typing import Callable, Iterator

# How a question to keepalived-guard.service begins.
GUARD = b"keepalived-guard nodes? "
FRESH = 0.2  # seconds for which an answer is given again
IP_FREEBIND = 15  # ip(7): the address may come later


def ask(own: str, hosts: list[str], port: int, greeting: bytes, timeout: float) -> Iterator[tuple[str, dict]]:
    """Ask these hosts at once, from this host's own address; yield each with its answer, as they come.

    ``timeout``: seconds.
    """
    number = os.urandom(8).hex()
    waiting: dict[socket.socket, str] = {}
    with contextlib.ExitStack() as stack:
        for host in hosts:
            asker = stack.enter_context(socket.socket(family(host), socket.SOCK_DGRAM))
            try:
                asker.setblocking(False)
                asker.bind((own, 0))
                asker.connect((host, port))
                asker.send(greeting + number.encode())
                waiting[asker] = host
            except OSError:
                pass  # there is no path to it
        deadline = time.monotonic() + timeout
        while waiting and time.monotonic() < deadline:
            for asker in select.select(list(waiting), [], [], max(deadline - time.monotonic(), 0))[0]:
                host = waiting.pop(asker)
                try:
                    answer = json.loads(asker.recv(4096).decode())
                except (OSError, ValueError):
                    continue
                if isinstance(answer, dict) and answer.get("number") == number:
                    yield host, answer


class Responder:
    """Answers such questions on this host's own address."""

    def __init__(self, greeting: bytes) -> None:
        self.greeting = greeting
        self.endpoint: tuple[str, int] | None = None
        self.socket: socket.socket | None = None
        self.peers: set[str] = set()
        self.answer: dict = {}
        self.answered = -FRESH

    def configure(self, host: str, port: int, peers: list[str]) -> str:
        """Listen there, for the questions of these hosts; return why that cannot be, empty where it can."""
        self.peers = set(peers)
        wanted = (host, port) if host and peers else None
        if self.endpoint == wanted:
            return ""
        if self.socket:
            self.socket.close()
        self.endpoint, self.socket = None, None
        if not wanted:
            return ""
        listener = socket.socket(family(host), socket.SOCK_DGRAM)
        try:
            listener.setblocking(False)
            listener.setsockopt(socket.IPPROTO_IP, IP_FREEBIND, 1)
            listener.bind(wanted)
        except OSError as error:
            listener.close()
            return f"The other load balancers cannot ask this one: UDP port {port} of {host}: {error}."
        self.endpoint, self.socket = wanted, listener
        return ""

    def respond(self, state: Callable[[], dict]) -> None:
        """Answer the questions that have come; `state` is called for the answer, and may take some time."""
        listener = self.socket
        if listener is None:
            return
        for _question in range(len(self.peers)):  # a flood does not keep it from its work
            try:
                question, sender = listener.recvfrom(64)
            except OSError:
                return
            if sender[0] not in self.peers or not question.startswith(self.greeting):
                continue
            if time.monotonic() - self.answered >= FRESH:
                self.answer = state()
                self.answered = time.monotonic()
            number = question[len(self.greeting) :].decode("ascii", "replace")
            try:
                listener.sendto(json.dumps({**self.answer, "number": number}).encode(), sender)
            except OSError:
                pass  # it will ask again


def family(host: str) -> socket.AddressFamily:
    """Return the family of an address."""
    return socket.AF_INET if ipaddress.ip_address(host).version == 4 else socket.AF_INET6
