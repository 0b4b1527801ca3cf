# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which versions can do what is written for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis.observed import Host
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis.problem import Problem

# HAProxy 2.2 knows no `srvkey`, and 3.3 does not let a frontend and a backend have one name.
OLDEST_HAPROXY, NEWEST_HAPROXY = (2, 4), (3, 2)
OLDEST_KEEPALIVED = (2, 2)  # the oldest that keepalived_info can ask
# It stores the keys of `typeof meta cpu` in another order of bytes than it looks them up. None that is newer was tried:
# whether it can is seen by verification.
NO_NFTABLES = (1, 1, 7)

OURS = "Install the version that a supported system has in its own repository."


def unsuitable(name: str, host: Host, forwards: bool) -> Iterator[Problem]:
    """What would run and cannot do its part. ``forwards``: whether the host is to forward at layer 4."""
    for cannot, remedy in _cannot(host["versions"], forwards):
        yield Problem("version_unsuitable", name, f"{name} would {cannot}.", remedy)


def _cannot(versions: Mapping[str, str], forwards: bool) -> Iterator[tuple[str, str]]:
    haproxy, keepalived, nftables = (versions[package] for package in ("haproxy", "keepalived", "nftables"))
    if haproxy and not OLDEST_HAPROXY <= _number(haproxy)[:2] <= NEWEST_HAPROXY:
        yield f"run HAProxy {haproxy}, and what would be written is for 2.4 to 3.2", OURS
    if keepalived and _number(keepalived) < OLDEST_KEEPALIVED:
        yield f"run Keepalived {keepalived}, and 2.2 or later is needed", OURS
    if forwards and nftables and _number(nftables) == NO_NFTABLES:
        yield f"forward with nftables {nftables}, which cannot do that", f"{OURS[:-1]}, or set infinitt_layer: 7."


def _number(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))
