# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The addresses of this host, and since when it has had each, from the kernel (rtnetlink(7))."""

from __future__ import annotations

import ipaddress
import socket
import struct
import time

RTM_NEWADDR, RTM_GETADDR = 20, 22
NLMSG_DONE = 3
NLM_F_REQUEST_DUMP = 0x301


def parse_addresses(messages: bytes) -> dict[str, int]:
    """Return for each address in an answer to RTM_GETADDR when it was set, in hundredths of a second since boot.

    rtnetlink(7): nlmsghdr (16 bytes), ifaddrmsg (8), then attributes: IFA_ADDRESS 1, IFA_LOCAL 2, IFA_CACHEINFO 6,
    whose third number (`cstamp`) is the moment. Each is padded to 4 bytes.
    """
    found = {}
    while len(messages) >= 16:
        length, kind = struct.unpack_from("=IH", messages)
        message, messages = messages[:length], messages[max((length + 3) & ~3, 16) :]
        if kind != RTM_NEWADDR or len(message) < 24:
            continue
        attributes, values = message[24:], {}
        while len(attributes) >= 4:
            size, name = struct.unpack_from("=HH", attributes)
            values[name] = attributes[4:size]
            attributes = attributes[max((size + 3) & ~3, 4) :]
        address = values.get(2) or values.get(1) or b""
        if len(address) in (4, 16) and len(values.get(6, b"")) >= 12:
            found[str(ipaddress.ip_address(address))] = struct.unpack_from("=I", values[6], 8)[0]
    return found


def held_since(timeout: float = 1.0) -> dict[str, float]:
    """Return for each address of this host when it was set, in seconds since the epoch; timeout in seconds."""
    request = struct.pack("=IHHIIBBBBI", 24, RTM_GETADDR, NLM_F_REQUEST_DUMP, 1, 0, socket.AF_UNSPEC, 0, 0, 0, 0)
    found: dict[str, int] = {}
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as kernel:
        kernel.settimeout(timeout)
        kernel.send(request)
        while True:
            part = kernel.recv(1 << 18)
            found.update(parse_addresses(part))
            if len(part) < 16 or struct.unpack_from("=IH", part)[1] == NLMSG_DONE:
                break
    now, uptime = time.time(), int(time.monotonic() * 100)
    # The kernel's number has 32 bits.
    return {address: now - ((uptime - moment) & 0xFFFFFFFF) / 100 for address, moment in found.items()}
