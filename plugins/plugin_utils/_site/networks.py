# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The networks of a load balancer, from Ansible's network facts."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.addresses import netaddr
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

    @property
    def cidr(self) -> str:
        return str(netaddr.IPNetwork(f"{self.address}/{self.prefix}").cidr)


def read(facts: Mapping[str, Any], without: Collection[str] = ()) -> list[Network]:
    """Return every address in the facts except link-local ones and those ``without``, which are not the host's own."""
    names = [name for name in facts.get("interfaces", []) if name != "lo"]
    entries = {name: facts.get(name.replace("-", "_")) for name in names}
    found: dict[Network, None] = {}  # a set that keeps the order
    for name, entry in entries.items():
        if not isinstance(entry, Mapping):
            continue
        v4 = [entry["ipv4"]] if entry.get("ipv4") else []
        for item in [*v4, *entry.get("ipv4_secondaries", []), *entry.get("ipv6", [])]:
            usable = item.get("address") and is_set(item.get("prefix")) and item.get("scope") != "link"
            if usable and item["address"] not in without:
                device = entry.get("device") or _device(name, entries)
                found[Network(device, item["address"], int(item["prefix"]))] = None
    return list(found)


def every(seen: Mapping[str, Sequence[Network]]) -> list[Network]:
    """Return the networks of all hosts."""
    return [network for its in seen.values() for network in its]


def _device(label: str, entries: Mapping[str, Any]) -> str:
    """Return the interface of an address's label: Ansible lists ``eth0:1`` as an interface eth0_1 without a device."""
    devices = [name for name, entry in entries.items() if isinstance(entry, Mapping) and entry.get("device")]
    return max((name for name in devices if label.startswith(f"{name}_")), key=len, default=label)


def version(ip: str) -> int:
    """Return 4 or 6."""
    return netaddr.IPAddress(ip).version


def contains(ip: str, prefix: int, other: str) -> bool:
    """Return whether the network of ``ip`` has the address ``other``."""
    return netaddr.IPAddress(other) in netaddr.IPNetwork(f"{ip}/{prefix}")


def check_edge(problems: Problems, subject: str, ip: str, its: Iterable[Network]) -> None:
    """Note an address that is the first or last of one of the networks: no host can have it."""
    for network in its:
        span = netaddr.IPNetwork(network.cidr)
        edge = {span[0]: "first", span[-1]: "last"}.get(netaddr.IPAddress(ip))
        if edge and span.size > 2:
            problems.note(
                subject,
                f"is {ip}, the {edge} address of the network {network.cidr}",
                "choose an address that a host can have",
            )
            return


def having(problems: Problems, subject: str, ip: str, its: Sequence[Network]) -> Network | None:
    """Return the network in which the host has this address, or None after noting that it does not have it."""
    for network in its:
        if network.address == ip:
            return network
    have = ", ".join(network.address for network in its) or "none"
    problems.note(subject, f"is {ip}, which the host does not have", f"the host's addresses are {have}")
    return None


def default_gateway(facts: Mapping[str, Any], own: Network) -> str | None:
    """Return the default gateway if it is a neighbour of the address that VRRP uses.

    The silence of any other proves nothing.
    """
    entry = facts.get(f"default_ipv{version(own.address)}") or {}
    ip = entry.get("gateway")
    if ip and ip in own:
        return ip
    if ip and version(ip) == 6 and netaddr.IPAddress(ip).is_link_local() and entry.get("interface") == own.interface:
        return f"{ip}%{own.interface}"
    return None


def mtu(facts: Mapping[str, Any], interface: str) -> int:
    """Return an interface's MTU in octets, that of Ethernet where it is not known."""
    devices = [entry for entry in facts.values() if isinstance(entry, Mapping) and entry.get("device") == interface]
    return next((int(entry["mtu"]) for entry in devices if entry.get("mtu")), 1500)


def bridges(facts: Mapping[str, Any]) -> set[str]:
    """Return the interfaces behind which the host has containers or virtual machines of its own."""
    return {entry["device"] for entry in facts.values() if isinstance(entry, Mapping) and entry.get("type") == "bridge"}
