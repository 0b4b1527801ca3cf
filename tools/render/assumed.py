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

Address = ipaddress.IPv4Interface | ipaddress.IPv6Interface
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
    taken = {*taken, *(str(vip.ip) for vip in virtual)}
    interface = interface or "eth0"
    placed: list[tuple[str, Address]] = []

    def add(address: str, name: str) -> None:
        ip = ipaddress.ip_address(address)
        if not any(ip in other.network for _name, other in placed):
            network = next((vip for vip in virtual if ip in vip.network), _network(address)).network
            placed.append((name, ipaddress.ip_interface(f"{ip}/{network.prefixlen}")))

    if _network(own):
        add(own, interface)
    if mirror and _network(mirror):
        add(mirror, "eth1")
    for vip in virtual:
        add(_free(vip, taken), interface)

    known: dict[str, Any] = {"interfaces": list(dict.fromkeys(name for name, _address in placed))}
    for name in known["interfaces"]:
        known[name] = {"device": name, **_entry([address for other, address in placed if other == name])}
    said = [f"{name} {address}" for name, address in placed]
    for family in (4, 6):
        first = next((address for _name, address in placed if address.version == family), None)
        if first:
            gateway = _free(first, {*taken, str(first.ip)})
            known[f"default_ipv{family}"] = {"gateway": gateway}
            said.append(f"gateway {gateway}")
    return known, said


def _network(written: str) -> Address | None:
    """Return the address with the prefix of its network; None where it is not an address."""
    address, _slash, prefix = str(written).strip().partition("/")
    try:
        version = ipaddress.ip_address(address).version
        found = ipaddress.ip_interface(f"{address}/{prefix or WHOLE[version]}")
    except ValueError:
        return None
    return found if found.network.num_addresses > 1 else ipaddress.ip_interface(f"{address}/{WHOLE[version]}")


def _entry(addresses: Sequence[Address]) -> dict[str, Any]:
    """Return the addresses of an interface in the shape of its facts."""
    found = [
        (address.version, {"address": str(address.ip), "prefix": str(address.network.prefixlen)})
        for address in addresses
    ]
    four = [entry for version, entry in found if version == 4]
    return {
        **({"ipv4": four[0], "ipv4_secondaries": four[1:]} if four else {}),
        "ipv6": [{**entry, "scope": "global"} for version, entry in found if version == 6],
    }


def _free(around: Address, taken: set[str]) -> str:
    """Return the first address of the network that is free."""
    return next(str(ip) for ip in around.network.hosts() if str(ip) not in taken)
