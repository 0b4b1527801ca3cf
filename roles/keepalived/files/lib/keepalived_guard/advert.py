# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""VRRP advertisements, as they come from a raw socket; pure."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

PROTOCOL = 112
# Whoever forwards a packet lowers it, so it comes from this link (RFC 9568, 5.1.1.3 and 5.1.2.3).
TTL = 255


@dataclass(frozen=True)
class Announced:
    """What two hosts must have in common: the router id and the first VIP to hear each other, and the interval (in
    seconds) since whoever expects advertisements more often than they come takes the VIP until the next one.
    """

    router_id: int
    first_vip: str
    interval: float

    def __str__(self) -> str:
        return f"virtual router ID {self.router_id} with {self.first_vip} every {self.interval:g} s"


@dataclass(frozen=True)
class Advert:
    """An advertisement. Priority 0: its sender gives the VIP up."""

    announced: Announced
    priority: int

    @property
    def interval(self) -> float:
        """Seconds until the next one."""
        return self.announced.interval


@dataclass(frozen=True)
class Packet:
    """An IP packet of VRRP: its sender, whether it went to a group, its TTL or hop limit, and its payload."""

    source: str
    to_group: bool
    ttl: int
    payload: bytes


def parse(payload: bytes, address_length: int) -> Advert | None:
    """Return the advertisement in the payload of an IP packet; None for anything else.

    ``address_length``: 4 or 16 bytes. Whether the checksum is right Keepalived sees.

    =====  =========================================  =============================
    bytes  version 3                                  RFC 9568
    =====  =========================================  =============================
    0      version 3 and type 1: 31                   5.2.1, 5.2.2
    1      virtual router id                          5.2.3
    2      priority                                   5.2.4
    3      number of addresses                        5.2.5
    4-5    4 bits reserved, interval in 1/100 s       5.2.6, 5.2.7
    6-7    checksum                                   5.2.8
    8-     addresses of 4 bytes (IPv4) or 16 (IPv6)   5.2.9
    =====  =========================================  =============================

    A pair that was built by hand may speak version 2 (RFC 3768, 5.3): byte 0 is 21, byte 4 the type of authentication
    and byte 5 the interval in seconds.
    """
    if len(payload) < 8 + address_length or payload[0] not in (0x21, 0x31) or payload[3] == 0:
        return None
    _kind, router_id, priority, _count, high, low = payload[:6]
    interval = ((high & 0x0F) << 8 | low) / 100 if payload[0] == 0x31 else low
    first = ipaddress.ip_address(payload[8 : 8 + address_length])
    return Advert(Announced(router_id, str(first), interval), priority)


def parse_ipv4(packet: bytes) -> Packet | None:
    """Take an IPv4 packet apart, which a raw socket gives with its header; None where it is none of VRRP.

    =====  ====================================  =====================
    bytes  RFC 791, 3.1                          of VRRP, RFC 9568
    =====  ====================================  =====================
    0      version 4, header in words of 4 bytes
    8      TTL                                   5.1.1.3
    9      protocol 112                          5.1.1.4
    12-15  source                                5.1.1.1
    16-19  destination: 224.0.0.18, or a peer    5.1.1.2
    =====  ====================================  =====================
    """
    length = (packet[0] & 0x0F) * 4 if packet else 0
    if length < 20 or len(packet) < length or packet[0] >> 4 != 4 or packet[9] != PROTOCOL:
        return None
    source, destination = (ipaddress.IPv4Address(packet[start : start + 4]) for start in (12, 16))
    return Packet(str(source), destination.is_multicast, packet[8], packet[length:])
