# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keep the VIP from this host, by a file that Keepalived tracks.

A timer of systemd ends it, whatever has become of whoever began it.
"""

from __future__ import annotations

import subprocess

from ansible_collections.pacs.loadbalancer.plugins.module_utils import _programs

UNIT = "pacs-vip-barred"


class CannotBar(Exception):
    """systemd does not take the timer; the message is a sentence that says so."""


def begin(path: str, seconds: float) -> None:
    """Keep the VIP from this host for so many seconds at most, from now on. Raises CannotBar."""
    _stop()
    timer = ["--on-active=%dms" % (seconds * 1000), "--timer-property=AccuracySec=100ms"]
    command = ["systemd-run", "--quiet", "--collect", "--unit=" + UNIT, *timer]
    done = _run([*command, "sh", "-c", 'echo 0 > "$0"', path])
    if done.returncode:
        raise CannotBar("systemd-run cannot begin a timer: %s" % done.stdout.strip())
    _write(path, "1\n")


def end(path: str) -> None:
    """Let this host hold the VIP again."""
    _write(path, "0\n")
    _stop()


def is_barred(path: str) -> bool:
    """Is the VIP kept from this host?"""
    try:
        with open(path) as file:
            return file.read().strip() not in ("", "0")
    except FileNotFoundError:
        return False


def _stop() -> None:
    _run(["systemctl", "stop", UNIT + ".timer"])  # there may be none


def _write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)


def _run(command: list[str]) -> subprocess.CompletedProcess:
    return _programs.run(command, stderr=subprocess.STDOUT, timeout=10)
