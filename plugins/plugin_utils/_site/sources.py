# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who may connect to a service, by address."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.addresses import networks
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.networks import version
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.problems import Problems
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.types import Service


def read(problems: Problems, subject: str, merged: Mapping[str, Any], vip: str) -> list[str]:
    """Return what the user wrote; note what can never come to the VIP."""
    written: list[str] = merged.get("allowed_sources", [])
    for one in written:
        if version(one.partition("/")[0]) != version(vip):
            problems.note(
                f"{subject}.allowed_sources",
                f"has {one}, and the VIP {vip} is of the other address family",
                "give networks of one family",
            )
    return written


def with_ours(services: Sequence[Service], addresses: Sequence[str]) -> list[Service]:
    """Return the services with the load balancers among those who may connect: they ask the VIPs.

    ``addresses``: the load balancers' own. Whoever asks a VIP that it has itself does so from that one.
    """
    return [
        replace(
            service,
            allowed_sources=networks(
                [
                    *service.allowed_sources,
                    *(ip for ip in (*addresses, service.address) if version(ip) == version(service.address)),
                ]
            )
            if service.allowed_sources
            else [],
        )
        for service in services
    ]
