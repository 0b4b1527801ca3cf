# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Network facts of a load balancer that nobody asked: the inventory's addresses, each on an interface of its network.

Pure: data in, data out. Whether the variables are right is not judged here.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from typing import Any

WHOLE = {4: 24, 6: 64}  # the prefix of a network of which no more is known


def facts(
    own: str, interface: str, vips: Sequence[str], mirror: str = "", taken: Iterable[str] = ()
) -> tuple[dict[str, Any], list[str]]:
    """Return the facts, as ansible.builtin.setup gives them without the prefix, and what was assumed, in words.

    ``own``: the host's address. ``interface``: that of the VIPs, or "". ``vips``: as the user wrote them, infinitt_vip
    first. ``mirror``: the host's address for the mirror, or "". ``taken``: addresses that the gateway cannot have.
    What is not an address is left out: the model has a sentence for it.
    """
    virtual = [network for vip in vips if (network := _network(vip))]
    networks: dict[str, ipaddress.IPv4Interface | ipaddress.IPv6Interface] = {}

    def add(address: str, name: str) -> None:
        if not any(ipaddress.ip_address(address) in network.network for network in networks.values()):
            around = next((vip for vip in virtual if ipaddress.ip_address(address) in vip.network), _network(address))
            networks[name] = ipaddress.ip_interface(f"{address}/{around.network.prefixlen}")

    if _network(own):
        add(str(ipaddress.ip_address(own)), interface or "eth0")
    if mirror and _network(mirror):
        add(mirror, f"eth{len(networks)}")
    for vip in virtual:
        add(_free(vip, {*taken, str(vip.ip)}), f"eth{len(networks)}")

    known: dict[str, Any] = {"interfaces": [*networks]}
    said = []
    for name, address in networks.items():
        known[name] = {"device": name, **_entry(address)}
        said.append(f"{name} {address}")
    for family, gateway in _gateways(networks.values(), {*taken, *(str(vip.ip) for vip in virtual)}):
        known[f"default_ipv{family}"] = {"gateway": gateway}
        said.append(f"gateway {gateway}")
    return known, said


def _network(written: str) -> ipaddress.IPv4Interface | ipaddress.IPv6Interface | None:
    """Return the address with the prefix of its network; None where it is not an address."""
    address, _slash, prefix = str(written).strip().partition("/")
    try:
        version = ipaddress.ip_address(address).version
        found = ipaddress.ip_interface(f"{address}/{prefix or WHOLE[version]}")
    except ValueError:
        return None
    return found if found.network.num_addresses > 1 else ipaddress.ip_interface(f"{address}/{WHOLE[version]}")


def _entry(address: ipaddress.IPv4Interface | ipaddress.IPv6Interface) -> dict[str, Any]:
    entry = {"address": str(address.ip), "prefix": str(address.network.prefixlen)}
    return {"ipv4": entry} if address.version == 4 else {"ipv6": [{**entry, "scope": "global"}]}


def _free(around: ipaddress.IPv4Interface | ipaddress.IPv6Interface, taken: set[str]) -> str:
    """Return the first address of the network that is free."""
    return next(str(ip) for ip in around.network.hosts() if str(ip) not in taken)


def _gateways(networks, taken):
    """Yield the default gateway of each family: the first free address of its first network."""
    for family in (4, 6):
        network = next((network for network in networks if network.version == family), None)
        if network:
            yield family, _free(network, {*taken, str(network.ip)})
