# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which packages this host has."""

from __future__ import annotations

import subprocess

from ansible_collections.pacs.loadbalancer.plugins.module_utils import _programs
from ansible_collections.pacs.loadbalancer.plugins.module_utils._files import Refused

# Each prints a line "NAME installed" for a package that is, and another one, or none, for one that is not.
QUERIES = (
    ["dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status}\n"],
    ["rpm", "--query", "--queryformat=%{NAME} installed\n"],
)


def missing(packages: list[str]) -> list[str]:
    """Return those packages that the system's own records do not call installed."""
    if not packages:
        return []
    for query in QUERIES:
        try:
            shown = _programs.run([*query, *packages], stderr=subprocess.DEVNULL).stdout
        except FileNotFoundError:
            continue
        installed = shown.splitlines()
        return [name for name in packages if name + " installed" not in installed]
    raise Refused("There is neither dpkg-query nor rpm here, so nobody knows which packages are installed.")
