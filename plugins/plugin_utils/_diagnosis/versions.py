# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which HAProxy can load what is written for it."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis.observed import Host
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis.problem import Problem

# 2.2 knows no `srvkey`, and 3.3 does not let a frontend and a backend have one name.
OLDEST, NEWEST = (2, 4), (3, 2)


def unsuitable(name: str, host: Host) -> Iterator[Problem]:
    """An installed HAProxy that is too old or too new. One that is to be installed is the system's own."""
    version = host["haproxy_version"]
    if version and not OLDEST <= tuple(map(int, version.split(".")[:2])) <= NEWEST:
        yield Problem(
            "haproxy_unsuitable",
            name,
            f"{name} has HAProxy {version}, and what would be written is for 2.4 to 3.2.",
            "Install the version that is in the system's own repository.",
        )
