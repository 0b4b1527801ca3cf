# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What systemd knows of a unit, and whether that and the unit's process are as new as the files on disk."""

from __future__ import annotations

import glob
import os
import subprocess
import time

from ansible_collections.pacs.loadbalancer.plugins.module_utils import _programs

# Drop-ins that an administrator, or a role, writes (systemd.unit(5)).
DROP_INS = "/etc/systemd/system/{unit}.d/*.conf"

PROPERTIES = "MainPID,FragmentPath,DropInPaths,UnitFileState,LoadState,NeedDaemonReload"


def inspect(unit: str) -> dict:
    """Compare a unit with its files.

    enabled: whether it starts at boot. outdated: paths of its files and its binary that are newer than its main process
    and take effect only when it restarts. needs_daemon_reload: whether its files have changed since systemd read
    them, so that a restart would not use them.

    Nothing is enabled, outdated or changed where systemd or the unit is missing.
    """
    command = ["systemctl", "show", f"--property={PROPERTIES}", unit]
    try:
        shown = _programs.run(command, stderr=subprocess.DEVNULL, check=True).stdout
    except (FileNotFoundError, subprocess.CalledProcessError):
        return {"enabled": False, "outdated": [], "needs_daemon_reload": False}
    properties = dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)
    loaded = set(properties["DropInPaths"].split())
    written = set(glob.glob(DROP_INS.format(unit=unit)))
    pid = int(properties.get("MainPID") or 0)  # a timer has none
    return {
        "enabled": properties["UnitFileState"] == "enabled",
        "outdated": _newer(pid, sorted({properties["FragmentPath"], *loaded, *written} - {""})) if pid else [],
        # systemd 252 overlooks the first drop-in of a unit that it has loaded, and calls a masked unit always changed.
        "needs_daemon_reload": properties["LoadState"] == "loaded"
        and (properties["NeedDaemonReload"] == "yes" or not written <= loaded),
    }


def is_active(unit: str) -> bool:
    """Return whether a unit is active; not where systemd is missing."""
    try:
        return _programs.run(["systemctl", "is-active", "--quiet", unit]).returncode == 0
    except FileNotFoundError:
        return False


def _newer(pid: int, paths: list[str]) -> list[str]:
    try:
        started = _started(pid)
        binary = os.readlink(f"/proc/{pid}/exe")
    except FileNotFoundError:  # it has ended meanwhile
        return []
    except PermissionError:  # it may do more than whoever asks
        binary = ""
    newer = [path for path in paths if not os.path.exists(path) or os.stat(path).st_mtime > started]
    return newer + ([binary[: -len(" (deleted)")]] if binary.endswith(" (deleted)") else [])


def _started(pid: int) -> float:
    """Return when a process began, in seconds since the epoch (proc(5): starttime in clock ticks since boot)."""
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat, open(
        "/proc/uptime", encoding="ascii"
    ) as uptime:
        ticks = int(stat.read().rpartition(")")[2].split()[19])
        return time.time() - float(uptime.read().split()[0]) + ticks / os.sysconf("SC_CLK_TCK")
