# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A TCP segment that asks a client whether it is alive. Pure."""

from __future__ import annotations

import ipaddress
import socket
import struct


def checksum(data: bytes) -> int:
    """Compute the ones' complement of the ones' complement sum of 16-bit words (RFC 1071)."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def keepalive(flow: dict, sequence: int) -> bytes:
    """Build an IP packet from a service to its client that is out of window: a live TCP answers with an ACK (RFC 9293,
    3.10.7.4).

    That ACK meets the rule for dead nodes, and so even a client that only waits gets its reset.
    """
    source, target = ipaddress.ip_address(flow["address"]), ipaddress.ip_address(flow["client"])
    tcp = struct.pack("!HHIIBBHHH", flow["port"], flow["client_port"], sequence, 0, 5 << 4, 0x10, 0, 0, 0)
    if source.version == 4:
        pseudo = source.packed + target.packed + struct.pack("!BBH", 0, socket.IPPROTO_TCP, len(tcp))
        # The kernel fills in length, id and checksum of the IPv4 header.
        header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 0, 0, 0, 64, socket.IPPROTO_TCP, 0, source.packed, target.packed)
    else:
        pseudo = source.packed + target.packed + struct.pack("!IHBB", len(tcp), 0, 0, socket.IPPROTO_TCP)
        header = struct.pack("!IHBB16s16s", 6 << 28, len(tcp), socket.IPPROTO_TCP, 64, source.packed, target.packed)
    return header + tcp[:16] + struct.pack("!H", checksum(pseudo + tcp)) + tcp[18:]
