# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The addresses of this host, since when it has had each, and by which interface it reaches another, from the kernel
(rtnetlink(7)).
"""

from __future__ import annotations

import ipaddress
import socket
import struct
import time

RTM_NEWADDR, RTM_GETADDR, RTM_NEWROUTE, RTM_GETROUTE = 20, 22, 24, 26
NLMSG_DONE = 3
NLM_F_REQUEST, NLM_F_REQUEST_DUMP = 0x1, 0x301
RTA_DST, RTA_OIF = 1, 4


def parse_addresses(messages: bytes) -> dict[str, int]:
    """Return for each address in an answer to RTM_GETADDR when it was set, in hundredths of a second since boot.

    rtnetlink(7): nlmsghdr (16 bytes), ifaddrmsg (8), then attributes: IFA_ADDRESS 1, IFA_LOCAL 2, IFA_CACHEINFO 6,
    whose third number (`cstamp`) is the moment.
    """
    found = {}
    while len(messages) >= 16:
        length, kind = struct.unpack_from("=IH", messages)
        message, messages = messages[:length], messages[max((length + 3) & ~3, 16) :]
        if kind != RTM_NEWADDR or len(message) < 24:
            continue
        values = _attributes(message[24:])
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


def device_to(address: str, timeout: float = 1.0) -> str | None:
    """Return the interface by which this host reaches an address; None where there is no route.

    rtnetlink(7): the question is nlmsghdr (16 bytes), rtmsg (12) and the attribute RTA_DST.
    """
    wanted = ipaddress.ip_address(address)
    family = socket.AF_INET if wanted.version == 4 else socket.AF_INET6
    destination = struct.pack("=HH", 4 + len(wanted.packed), RTA_DST) + wanted.packed
    route = struct.pack("=8BI", family, wanted.max_prefixlen, 0, 0, 0, 0, 0, 0, 0) + destination
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as kernel:
        kernel.settimeout(timeout)
        kernel.send(struct.pack("=IHHII", 16 + len(route), RTM_GETROUTE, NLM_F_REQUEST, 1, 0) + route)
        answer = kernel.recv(1 << 16)
    if len(answer) < 28 or struct.unpack_from("=IH", answer)[1] != RTM_NEWROUTE:
        return None
    device = _attributes(answer[28:]).get(RTA_OIF)
    try:
        return socket.if_indextoname(struct.unpack("=I", device)[0]) if device else None
    except OSError:
        return None  # it has just gone


def _attributes(data: bytes) -> dict[int, bytes]:
    """Return the values of a message's attributes by their kind; each is padded to 4 bytes."""
    values = {}
    while len(data) >= 4:
        size, kind = struct.unpack_from("=HH", data)
        values[kind] = data[4:size]
        data = data[max((size + 3) & ~3, 4) :]
    return values
