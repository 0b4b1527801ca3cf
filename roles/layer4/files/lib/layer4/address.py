# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""IP addresses as strings. Pure."""

from __future__ import annotations

import ipaddress


def parse_addresses(links: list[dict]) -> set[str]:
    """Return the addresses that are set on this host, from `ip -json address show`."""
    found = (entry.get("local") for link in links for entry in link.get("addr_info", []))
    return {str(ipaddress.ip_address(local)) for local in found if local}


def version(address: str) -> int:
    """4 or 6."""
    return ipaddress.ip_address(address).version
