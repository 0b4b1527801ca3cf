# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Parsers of addresses, networks and interfaces: one value of the user's in, one of the model's out, or an error."""

from __future__ import annotations

import re
from typing import Any

try:
    import netaddr
except ImportError:  # the filter raises an error with a sentence
    netaddr = None  # type: ignore[assignment]

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.problems import ValidationError, show
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.values import Text, several

BITS = {4: 32, 6: 128}
VirtualAddress = tuple[str, "int | None"]  # and its prefix, if one was given

# What Keepalived and nft read as one word. The kernel knows no colon in a name; a label has one, and is as long as a
# name.
INTERFACE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@+-]{0,14}")
LABEL = re.compile(INTERFACE.pattern + r"(:[A-Za-z0-9_.@+-]*)?")


def address(value: Any, hint: str = "give the address itself, such as 198.51.100.21") -> str:
    """Return an address that a host can have, in its canonical form."""
    return str(_ip(value, hint))


def node_address(value: Any) -> str:
    return address(value, "give the node's address itself: a name would keep HAProxy from starting when DNS is down")


def virtual_address(value: Any) -> VirtualAddress:
    """Return ``198.51.100.10/24`` or ``198.51.100.10`` as the address and the prefix, None where none was given."""
    hint = "give an address and the prefix of its network, such as 198.51.100.10/24"
    bare, slash, prefix = value.strip().partition("/") if isinstance(value, str) else (value, "", "")
    ip = _ip(bare, hint)
    if slash and not _is_prefix(prefix, ip):
        raise ValidationError(f"is {show(value)}, whose prefix is not a number up to {BITS[ip.version]}", hint)
    return str(ip), int(prefix) if slash else None


def virtual_addresses(value: Any) -> list[VirtualAddress]:
    """Return those of a list, or of one string with commas between them."""
    written = several(value)
    if written is None:
        raise ValidationError(f"is {show(value)}, which is not a list", "give addresses, such as [198.51.100.9]")
    return [virtual_address(one) for one in written]


def networks(value: Any) -> list[str]:
    """Return networks and addresses, of a list or of one string with commas between, without those within others."""
    written = several(value)
    hint = "give networks and addresses, such as [198.51.100.0/25, 198.51.100.200]"
    if not written:
        raise ValidationError(f"is {show(value)}, which is not a list", hint)
    found = []
    for one in written:
        bare, slash, prefix = one.strip().partition("/") if isinstance(one, str) else ("", "", "")
        ip = _parsed(bare)
        if ip is None or slash and not _is_prefix(prefix, ip):
            raise ValidationError(f"has {show(one)}, which is no network", hint)
        network = netaddr.IPNetwork(f"{ip}/{prefix}" if slash else str(ip))
        if network.ip != network.cidr.ip:
            raise ValidationError(
                f"has {network}, an address in {network.cidr}", f"give {network.ip} or {network.cidr}"
            )
        found.append(network)
    merged = netaddr.cidr_merge(found)
    if any(one.prefixlen == 0 for one in merged):
        raise ValidationError("is everybody", "remove it, or give fewer networks")
    return [str(one).removesuffix("/32" if one.version == 4 else "/128") for one in merged]


def gateway(value: Any) -> str:
    """Return an address, with its interface where it is link-local (``fe80::1%eth0``), or ``none``."""
    text = value.strip() if isinstance(value, str) else ""
    if text == "none":
        return text
    bare, _percent, interface = text.partition("%")
    ip = _parsed(bare)
    if INTERFACE.fullmatch(interface) and ip is not None and ip.version == 6 and ip.is_link_local():
        return f"{ip}%{interface}"
    return address(value, "give the address itself, such as 198.51.100.1, a link-local one as fe80::1%eth0, or none")


def interface(value: Any) -> str:
    """Return the interface; of a label such as ``eth0:1``, which is none, the interface that has it."""
    label = Text(LABEL, "give the name of an interface, such as eth0")(value)
    return label.partition(":")[0]


def _ip(value: Any, hint: str) -> netaddr.IPAddress:
    ip = _parsed(value)
    if ip is None:
        raise ValidationError(f"is {show(value)}, which is not an IP address", hint)
    mapped = ip.ipv4() if ip.is_ipv4_mapped() else None
    kinds = {
        "the unspecified address": int(ip) == 0,
        "a loopback address": ip.is_loopback(),
        "a multicast address": ip.is_multicast(),
        "the broadcast address": str(ip) == "255.255.255.255",
        "a link-local address": ip.is_link_local(),
        f"the IPv4 address {mapped} written as an IPv6 one": bool(mapped),
    }
    for kind, applies in kinds.items():
        if applies:
            raise ValidationError(f"is {ip}, {kind}", f"give {mapped}" if mapped else hint)
    return ip


def _is_prefix(text: str, ip: netaddr.IPAddress) -> bool:
    """Is it the length of a prefix of this address?"""
    return bool(re.fullmatch(r"[0-9]{1,3}", text)) and int(text) <= BITS[ip.version]


def _parsed(value: Any) -> netaddr.IPAddress | None:
    """Return the address, or None.

    A number would be one as well, and before netaddr 1.0 so would ``10`` and ``198.51.100.021``.
    """
    try:
        return netaddr.IPAddress(value.strip(), flags=netaddr.INET_PTON) if isinstance(value, str) else None
    except (netaddr.AddrFormatError, ValueError):
        return None
