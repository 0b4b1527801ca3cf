# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Security updates that wait on this host, by apt's own package lists, and for how long.

apt does not know since when an update has been there, so it is written down when it is first seen.
"""

from __future__ import annotations

import os
import re
import subprocess
import time

from ansible_collections.pacs.loadbalancer.plugins.module_utils import _programs
from ansible_collections.pacs.loadbalancer.plugins.module_utils._copies import load, store

RECORD = "/var/lib/pacs.loadbalancer/updates.json"

# Inst libssl3 [3.0.15-1~deb12u1] (3.0.16-1~deb12u1 Debian-Security:12/stable-security [amd64])
_INST = re.compile(r"^Inst (\S+) \[\S+\] \((\S+) ([^\[)]*)", re.MULTILINE)


def parse(simulated: str) -> dict[str, str]:
    """Return the version of each installed package for which a security archive has an update."""
    return {name: version for name, version, origins in _INST.findall(simulated) if "security" in origins.lower()}


def waiting(timeout: float, remember: bool, record: str = RECORD) -> dict[str, int]:
    """Return by package for how many seconds its security update has been known to wait; empty without apt."""
    command = ["apt-get", "--simulate", "--quiet", "dist-upgrade"]
    try:
        done = _programs.run(command, stderr=subprocess.DEVNULL, timeout=timeout, env={**os.environ, "LC_ALL": "C"})
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return {}
    known, now = _read(record), int(time.time())
    since = {"%s %s" % found: known.get("%s %s" % found, now) for found in parse(done.stdout).items()}
    if remember and since != known:
        store(record, since)
    return {key.partition(" ")[0]: max(now - moment, 0) for key, moment in since.items()}


def _read(record: str) -> dict[str, int]:
    try:
        return {key: int(moment) for key, moment in load(record).items()}
    except (ValueError, TypeError):
        return {}
