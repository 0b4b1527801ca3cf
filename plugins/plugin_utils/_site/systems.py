# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the load balancers run: which systems are supported, and what one of them does not have."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.problems import Problems

# The oldest supported release, by the distribution as Ansible's facts name it. Clones have Enterprise Linux's numbers.
OLDEST = {
    "Debian": (12,),
    "Ubuntu": (22, 4),
    **dict.fromkeys(("AlmaLinux", "CentOS", "OracleLinux", "RedHat", "Rocky"), (9,)),
}


def check(
    problems: Problems, name: str, facts: Mapping[str, Any], node_exporter: bool, unattended_upgrades: str | None
) -> None:
    """Note a load balancer whose system is not supported, or lacks what the user wants; none that was not asked."""
    distribution, release = facts.get("distribution"), str(facts.get("distribution_version") or "")
    if not distribution:
        return
    numbers = tuple(map(int, re.findall(r"[0-9]+", release)))
    # Debian's testing and unstable have no number.
    if distribution not in OLDEST or (numbers and numbers < OLDEST[distribution]):
        problems.note(
            name,
            f"runs {distribution} {release}".rstrip() + ", for which this collection is not written",
            "give it Debian 12, Ubuntu 22.04, Enterprise Linux 9 or a later release of one of these",
        )
    if facts.get("os_family") != "RedHat":
        return
    if node_exporter:
        problems.note(
            "infinitt_metrics.node_exporter",
            f"is set, and {distribution} on {name} has no package of it",
            "leave it out, and let node_exporter be installed by other means",
        )
    if unattended_upgrades == "stagger":
        problems.note(
            "infinitt_unattended_upgrades",
            f"is stagger, and {distribution} on {name} has no unattended-upgrades",
            "leave it out, and give dnf-automatic.timer another day on each host",
        )
