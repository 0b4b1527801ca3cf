# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Other programs and this host's addresses. Only this module starts programs."""

from __future__ import annotations

import json
import select
import socket
import subprocess
from typing import Iterable

from . import address

TIMEOUT = 10  # seconds; a program that hangs must not outlast the watchdog


def log(message: str) -> None:
    print(message, flush=True)


def run(*command: str, stdin: str = "", timeout: float = TIMEOUT) -> tuple[int, str]:
    """Run a program; return its exit code and its output, or its errors where it failed."""
    try:
        done = subprocess.run(
            command,
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            universal_newlines=True,
            check=False,
            timeout=timeout,
        )
    except subprocess.TimeoutExpired:
        return 124, f"{command[0]} has not ended within {timeout:g} s"
    return done.returncode, done.stdout if done.returncode == 0 else done.stderr


def wait(seconds: float, sockets: Iterable[socket.socket] = ()) -> list[socket.socket]:
    """Wait for that long, or until one of these sockets can be read; return those that can."""
    return select.select(list(sockets), [], [], max(seconds, 0))[0]


def device_of(host: str) -> str | None:
    """Return the interface by which this host reaches an address."""
    code, answer = run("ip", "-json", "route", "get", host)
    return json.loads(answer)[0].get("dev") if code == 0 else None


def addresses() -> set[str]:
    """Return the addresses of this host's interfaces; none if they are unknown.

    Binding to an address would prove nothing: with net.ipv4.ip_nonlocal_bind=1 every bind succeeds.
    """
    code, answer = run("ip", "-json", "address", "show")
    return address.parse_addresses(json.loads(answer)) if code == 0 else set()
