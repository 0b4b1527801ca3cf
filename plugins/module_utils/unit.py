# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Does a systemd unit's process run what is installed? A reload brings neither a new binary nor a changed unit into it."""

from __future__ import annotations

import os
import subprocess


def outdated(unit: str) -> list[str]:
    """Paths of the unit's files and binary that are newer than its main process; none where systemd runs no such process."""
    command = ["systemctl", "show", "--property=MainPID,FragmentPath,DropInPaths", unit]
    try:
        shown = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, universal_newlines=True, check=True).stdout
    except (FileNotFoundError, subprocess.CalledProcessError):
        return []
    properties = dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)
    pid = int(properties.get("MainPID") or 0)
    if not pid:
        return []
    try:
        started = os.stat(f"/proc/{pid}").st_ctime
        binary = os.readlink(f"/proc/{pid}/exe")
    except FileNotFoundError:  # it has ended meanwhile
        return []
    # systemd lists only the drop-ins that it has read; the directory also has one written since.
    directory = f"/etc/systemd/system/{unit}.d"
    written = [os.path.join(directory, name) for name in sorted(os.listdir(directory))] if os.path.isdir(directory) else []
    paths = sorted({properties["FragmentPath"], *properties["DropInPaths"].split(), *written} - {""})
    newer = [path for path in paths if os.path.exists(path) and os.stat(path).st_mtime > started]
    gone = [path for path in paths if not os.path.exists(path)]
    replaced = [binary[: -len(" (deleted)")]] if binary.endswith(" (deleted)") else []
    return newer + gone + replaced
