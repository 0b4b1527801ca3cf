# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Advertise this host as a router, every second: advertise.py INTERFACE. A host that hears nothing forgets it soon."""

from __future__ import annotations

import socket
import struct
import sys
import time

LIFETIME = 9  # seconds
# RFC 4861, 4.2: type, code, checksum (the kernel's), hop limit, flags, lifetime, reachable and retransmission time.
ADVERTISEMENT = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, LIFETIME, 0, 0)
ALL_NODES = "ff02::1"


def main() -> None:
    (interface,) = sys.argv[1:]
    with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as link:
        # A neighbour's, which no router has forwarded (6.1.2).
        link.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
        while True:
            link.sendto(ADVERTISEMENT, (ALL_NODES, 0, 0, socket.if_nametoindex(interface)))
            time.sleep(1)  # its pace: it waits for nothing


if __name__ == "__main__":
    main()
