# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The networks of a load balancer, from Ansible's network facts."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.problems import Problems
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.values import is_set


@dataclass(frozen=True)
class Network:
    """An address of a host, with its interface and prefix."""

    interface: str
    address: str
    prefix: int

    def __contains__(self, ip: str) -> bool:
        return contains(self.address, self.prefix, ip)

    def __str__(self) -> str:
        return f"{self.interface} {self.address}/{self.prefix}"


def read(facts: Mapping[str, Any], without: Collection[str] = ()) -> list[Network]:
    """Return every address in the facts that is not for one link alone; ``without``: the VIPs."""
    found = []
    for name in facts.get("interfaces", []):
        if name == "lo":
            continue
        entry = facts.get(name.replace("-", "_"), {})
        if not isinstance(entry, Mapping):
            continue
        v4 = [entry["ipv4"]] if entry.get("ipv4") else []
        for item in [*v4, *entry.get("ipv4_secondaries", []), *entry.get("ipv6", [])]:
            usable = item.get("address") and is_set(item.get("prefix")) and item.get("scope") != "link"
            if usable and item["address"] not in without:
                found.append(Network(entry.get("device", name), item["address"], int(item["prefix"])))
    return found


def version(ip: str) -> int:
    """Return 4 or 6."""
    return ipaddress.ip_address(ip).version


def contains(ip: str, prefix: int, other: str) -> bool:
    """Return whether the network of ``ip`` has the address ``other``."""
    return ipaddress.ip_address(other) in ipaddress.ip_network(f"{ip}/{prefix}", strict=False)


def edge(ip: str, prefix: int) -> str | None:
    """Return ``first`` or ``last`` where the address is that of its network, which no host may have."""
    network = ipaddress.ip_network(f"{ip}/{prefix}", strict=False)
    if network.num_addresses <= 2:
        return None
    return {network[0]: "first", network[-1]: "last"}.get(ipaddress.ip_address(ip))


def interface_with(problems: Problems, subject: str, ip: str, its: Sequence[Network]) -> str | None:
    """Return the interface that has the address, or None after noting that none has."""
    for network in its:
        if network.address == ip:
            return network.interface
    have = ", ".join(network.address for network in its) or "none"
    problems.note(subject, f"is {ip}, which the host does not have", f"its addresses are {have}")
    return None


def default_gateway(facts: Mapping[str, Any], own: str, networks: Sequence[Network]) -> str | None:
    """Return the default gateway where it is a neighbour of the address that VRRP uses: else its silence says nothing."""
    for family in ("default_ipv4", "default_ipv6"):
        ip = (facts.get(family) or {}).get("gateway")
        if ip and any(network.address == own and ip in network for network in networks):
            return ip
    return None


def bridges(facts: Mapping[str, Any]) -> set[str]:
    """Return the interfaces behind which the host has containers or virtual machines of its own."""
    return {
        entry.get("device") for entry in facts.values() if isinstance(entry, Mapping) and entry.get("type") == "bridge"
    }
