# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Does a systemd unit start at boot, and does its process run what is installed? A reload brings no new binary and no changed unit into it."""

from __future__ import annotations

import os
import subprocess
import time


def look(unit: str) -> dict:
    """``enabled``: whether it starts at boot; ``outdated``: paths of its files and its binary that are newer than its main process.

    Where systemd does not run, or not this unit, nothing is enabled and nothing is outdated.
    """
    command = ["systemctl", "show", "--property=MainPID,FragmentPath,DropInPaths,UnitFileState", unit]
    try:
        shown = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, universal_newlines=True, check=True
        ).stdout
    except (FileNotFoundError, subprocess.CalledProcessError):
        return {"enabled": False, "outdated": []}
    properties = dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)
    # systemd lists only the drop-ins that it has read; the directory also has one written since.
    directory = f"/etc/systemd/system/{unit}.d"
    written = [os.path.join(directory, name) for name in os.listdir(directory)] if os.path.isdir(directory) else []
    paths = {properties["FragmentPath"], *properties["DropInPaths"].split(), *written} - {""}
    pid = int(properties["MainPID"] or 0)
    return {"enabled": properties["UnitFileState"] == "enabled", "outdated": _newer(pid, sorted(paths)) if pid else []}


def _newer(pid: int, paths: list[str]) -> list[str]:
    try:
        started = _started(pid)
        binary = os.readlink(f"/proc/{pid}/exe")
    except FileNotFoundError:  # it has ended meanwhile
        return []
    newer = [path for path in paths if not os.path.exists(path) or os.stat(path).st_mtime > started]
    return newer + ([binary[: -len(" (deleted)")]] if binary.endswith(" (deleted)") else [])


def _started(pid: int) -> float:
    """When a process began, in seconds since the epoch (proc(5): starttime in clock ticks since boot)."""
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat, open(
        "/proc/uptime", encoding="ascii"
    ) as uptime:
        ticks = int(stat.read().rpartition(")")[2].split()[19])
        return time.time() - float(uptime.read().split()[0]) + ticks / os.sysconf("SC_CLK_TCK")
