# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which packages this host has."""

from __future__ import annotations

import subprocess

from ansible_collections.pacs.loadbalancer.plugins.module_utils._files import Refused


def missing(packages: list[str]) -> list[str]:
    """Return those packages that dpkg does not call installed."""
    if not packages:
        return []
    query = ["dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status}\n", *packages]
    try:
        shown = subprocess.run(
            query, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, universal_newlines=True, check=False
        ).stdout
    except FileNotFoundError:
        raise Refused("There is no dpkg-query here: packages can be looked for on Debian and its kin alone.") from None
    installed = {line.split()[0] for line in shown.splitlines() if line.endswith(" installed")}
    return [name for name in packages if name not in installed]
