# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Other programs, the journal and files."""

from __future__ import annotations

import pathlib
import subprocess

TIMEOUT = 2  # seconds; while a program hangs, no peer is heard


def say(message: str) -> None:
    print(message, flush=True)


def run(*command: str, stdin: str = "") -> str | None:
    """Run a program; return its output, None where it failed."""
    try:
        done = subprocess.run(
            command,
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            universal_newlines=True,
            check=False,
            timeout=TIMEOUT,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def identity(path: pathlib.Path) -> tuple:
    """Return what changes when a file is written or replaced; empty where there is none."""
    try:
        status = path.stat()
    except OSError:
        return ()
    return status.st_ino, status.st_mtime_ns, status.st_size
