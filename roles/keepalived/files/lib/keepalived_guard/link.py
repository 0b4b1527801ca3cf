# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The sockets that hear VRRP, of both address families."""

from __future__ import annotations

import ipaddress
import socket
import struct
from typing import Iterator

from . import advert
from .advert import Packet

ADDRESS_LENGTH = {socket.AF_INET: 4, socket.AF_INET6: 16}
# Whoever was set up by hand may announce itself to all (RFC 9568, 5.1.1.2 and 5.1.2.2).
GROUP = {socket.AF_INET: "224.0.0.18", socket.AF_INET6: "ff02::12"}
AT_ONCE = 256  # packets; a flood does not keep the guard from its work


class Link:
    """Hears one address family on one interface."""

    def __init__(self, family: socket.AddressFamily, interface: str) -> None:
        self.family, self.interface = family, interface
        self.socket = socket.socket(family, socket.SOCK_RAW, advert.PROTOCOL)
        try:
            self.socket.setblocking(False)
            group = socket.inet_pton(family, GROUP[family])
            index = socket.if_nametoindex(interface)
            if family == socket.AF_INET:
                request = group + struct.pack("=4si", bytes(4), index)  # struct ip_mreqn
                self.socket.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, request)
            else:
                self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, group + struct.pack("=i", index))
                self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, 1)
                self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        except OSError:
            self.socket.close()
            raise

    def packets(self) -> Iterator[Packet]:
        """Yield what has come."""
        for _packet in range(AT_ONCE):
            try:
                packet = self._ipv4() if self.family == socket.AF_INET else self._ipv6()
            except OSError:
                return
            if packet:
                yield packet

    def _ipv4(self) -> Packet | None:
        return advert.parse_ipv4(self.socket.recv(2048))

    def _ipv6(self) -> Packet:
        """The header stays in the kernel, which says what was in it (RFC 3542)."""
        payload, said, _flags, sender = self.socket.recvmsg(2048, 256)
        hops, to_group = 0, False
        for _level, kind, value in said:
            if kind == socket.IPV6_HOPLIMIT:
                (hops,) = struct.unpack_from("=i", value)
            elif kind == socket.IPV6_PKTINFO:
                to_group = ipaddress.IPv6Address(value[:16]).is_multicast
        return Packet(sender[0].partition("%")[0], to_group, hops, payload)
