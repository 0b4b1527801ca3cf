# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Other programs, systemd and this host's addresses. Only this module starts programs."""

from __future__ import annotations

import json
import os
import select
import socket
import subprocess

from . import address as ip


def log(message: str) -> None:
    print(message, flush=True)


def run(*command: str, stdin: str = "") -> tuple[int, str]:
    """Run a program; return its exit code and its output, or its errors where it failed."""
    done = subprocess.run(
        command, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True, check=False
    )
    return done.returncode, done.stdout if done.returncode == 0 else done.stderr


def wait(seconds: float) -> None:
    select.select([], [], [], max(seconds, 0))


def notify(message: str) -> None:
    """Tell systemd (sd_notify(3))."""
    path = os.environ.get("NOTIFY_SOCKET")
    if path:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
            systemd.sendto(message.encode(), path.replace("@", "\0", 1) if path.startswith("@") else path)


def device_of(address: str) -> str | None:
    """Return the interface by which this host reaches an address."""
    code, answer = run("ip", "-json", "route", "get", address)
    return json.loads(answer)[0].get("dev") if code == 0 else None


def is_here(address: str) -> bool:
    """Is this one of the host's addresses now?"""
    with socket.socket(socket.AF_INET if ip.version(address) == 4 else socket.AF_INET6, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True
