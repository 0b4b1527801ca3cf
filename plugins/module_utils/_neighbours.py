# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who on this link answers for an address: ARP for IPv4, Neighbour Discovery for IPv6.

`arp_probe`, `arp_sender`, `solicitation` and `advertised` are a pure codec; `owners` sends and receives.

Neither question changes a neighbour table. The sender of an ARP probe is 0.0.0.0 (RFC 5227, 2.1.1), so that nobody
learns from it. The solicitation comes from the host's own link-local address, so that the owner answers to this host
alone: from the unspecified address it would answer to all nodes (RFC 4861, 7.2.4), and each of two owners would
overwrite the other in every table.
"""

from __future__ import annotations

import ipaddress
import selectors
import socket
import struct
import time
from contextlib import ExitStack

from ._addresses import held_since

ETHERNET = 1
ARP_REQUEST = 1
ETHERTYPE_IPV4, ETHERTYPE_ARP = 0x0800, 0x0806
NEIGHBOUR_SOLICITATION, NEIGHBOUR_ADVERTISEMENT = 135, 136
SOURCE_LINK_ADDRESS, TARGET_LINK_ADDRESS = 1, 2

# linux/icmpv6.h; not in Python's socket module. The filter has a bit for each type; a set bit blocks.
ICMPV6_FILTER = 1
ONLY_ADVERTISEMENTS = struct.pack(
    "=8I", *(0xFFFFFFFF & ~(1 << 136 - 32 * n) if n == 4 else 0xFFFFFFFF for n in range(8))
)

# A question can be lost: each is sent three times, as in RFC 5227.
QUESTIONS = 3
# Seconds between two questions.
INTERVAL = 0.15
# Seconds that a second owner has after the first answer.
SETTLE = 0.2


class CannotAsk(Exception):
    """This host cannot ask on that interface; the message is a sentence that says why."""


def text_of(mac: bytes) -> str:
    """Write a MAC address as usual, such as 5a:0c:63:c2:f8:b1."""
    return mac.hex(":")


def arp_probe(mac: bytes, address: bytes) -> bytes:
    """Encode the Ethernet frame of an ARP probe.

    ======  ===============================================
    bytes   RFC 826, with the sender of RFC 5227, 2.1.1
    ======  ===============================================
    0-5     destination: broadcast
    6-11    source: own MAC
    12-13   0806
    14-19   hardware 0001, protocol 0800, lengths 06 and 04
    20-21   operation: 0001, request
    22-27   sender MAC: own
    28-31   sender address: 0.0.0.0
    32-37   target MAC: zero
    38-41   target address
    ======  ===============================================
    """
    ethernet = b"\xff" * 6 + mac + struct.pack("!H", ETHERTYPE_ARP)
    return ethernet + struct.pack("!HHBBH", ETHERNET, ETHERTYPE_IPV4, 6, 4, ARP_REQUEST) + mac + bytes(10) + address


def arp_sender(frame: bytes) -> tuple[str, str] | None:
    """Return address and MAC that the sender of an ARP frame claims; None for a probe and for any other frame.

    A request claims as much as a reply: its sender uses the address.
    """
    if len(frame) < 42 or frame[12:20] != struct.pack("!HHHBB", ETHERTYPE_ARP, ETHERNET, ETHERTYPE_IPV4, 6, 4):
        return None
    mac, address = frame[22:28], frame[28:32]
    return (socket.inet_ntoa(address), text_of(mac)) if any(address) else None


def solicitation(mac: bytes, address: bytes) -> bytes:
    """Encode a Neighbour Solicitation (RFC 4861, 4.3), whose checksum the kernel fills in.

    Byte 0 type 135, 1 code 0, 2-3 checksum, 4-7 reserved, 8-23 target, 24-25 option 1 of 8 bytes, 26-31 own MAC.
    """
    return (
        struct.pack("!BBHI", NEIGHBOUR_SOLICITATION, 0, 0, 0)
        + address
        + struct.pack("!BB", SOURCE_LINK_ADDRESS, 1)
        + mac
    )


def solicited_node(address: bytes) -> bytes:
    """Return the multicast address that every owner of an address listens to (RFC 4291, 2.7.1)."""
    return bytes.fromhex("ff0200000000000000000001ff") + address[-3:]


def advertised(message: bytes) -> tuple[str, str] | None:
    """Return target and MAC of a Neighbour Advertisement (RFC 4861, 4.4); None for any other message.

    Byte 0 type 136, 1 code 0, 2-3 checksum, 4-7 flags, 8-23 target, then options: type, length in 8 bytes, value.
    """
    if len(message) < 24 or message[:2] != bytes((NEIGHBOUR_ADVERTISEMENT, 0)):
        return None
    target, options = message[8:24], message[24:]
    while len(options) >= 8 and options[1]:
        if options[0] == TARGET_LINK_ADDRESS:
            return socket.inet_ntop(socket.AF_INET6, target), text_of(options[2:8])
        options = options[options[1] * 8 :]
    return None


class _Arp:
    """Raw Ethernet, ARP only (packet(7)); the host's own frames do not come back."""

    def __init__(self, interface: str) -> None:
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETHERTYPE_ARP))
        self.socket.bind((interface, ETHERTYPE_ARP))

    def mac(self) -> bytes:
        _name, _protocol, _packet_type, hardware, mac = self.socket.getsockname()
        return mac if hardware == ETHERNET else b""

    def ask(self, mac: bytes, address: bytes) -> None:
        self.socket.send(arp_probe(mac, address))

    def received(self) -> tuple[str, str] | None:
        return arp_sender(self.socket.recv(65536))


class _Ndp:
    """Raw ICMPv6, advertisements only (ipv6(7), RFC 3542)."""

    def __init__(self, interface: str) -> None:
        self.socket = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
        self.index = socket.if_nametoindex(interface)
        self.socket.setsockopt(socket.IPPROTO_ICMPV6, ICMPV6_FILTER, ONLY_ADVERTISEMENTS)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode() + b"\0")
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, 1)

    def ask(self, mac: bytes, address: bytes) -> None:
        group = socket.inet_ntop(socket.AF_INET6, solicited_node(address))
        self.socket.sendto(solicitation(mac, address), (group, 0, 0, self.index))

    def received(self) -> tuple[str, str] | None:
        message, ancillary, _flags, _sender = self.socket.recvmsg(65536, socket.CMSG_SPACE(4))
        # Less than 255 hops: a router has forwarded it, so it is not a neighbour's (RFC 4861, 7.1.2).
        near = any(
            kind == socket.IPV6_HOPLIMIT and value == struct.pack("=i", 255) for _level, kind, value in ancillary
        )
        return advertised(message) if near else None


def owners(interface: str, addresses: list[str], timeout: float) -> dict[str, list[str]]:
    """Return for each address, as it was written, the sorted MACs that answer for it on this link.

    Waits `timeout` seconds, or less when every address has been answered for and a second owner has had its time. A
    host does not answer itself, so that its own addresses show only other owners; these have time until the third
    question. Raises CannotAsk.
    """
    try:
        asked = {text: ipaddress.ip_address(text) for text in addresses}
    except ValueError as error:
        raise CannotAsk(f"{error}.") from None
    found: dict[str, set[str]] = {str(address): set() for address in asked.values()}
    try:
        _collect(interface, list(asked.values()), found, timeout)
    except PermissionError:
        raise CannotAsk("Asking who owns an address needs root, for raw sockets.") from None
    except OSError as error:
        raise CannotAsk(f"Interface {interface} cannot be asked: {error.strerror or error}.") from None
    return {text: sorted(found[str(address)]) for text, address in asked.items()}


def _collect(interface: str, addresses: list, found: dict[str, set[str]], timeout: float) -> None:
    with ExitStack() as stack:
        selector = stack.enter_context(selectors.DefaultSelector())
        arp = _Arp(interface)
        stack.enter_context(arp.socket)
        mac = arp.mac()
        if not mac:
            raise CannotAsk(f"Interface {interface} is not Ethernet: it has no neighbours to ask.")
        links: dict[int, _Arp | _Ndp] = {4: arp}
        if any(address.version == 6 for address in addresses):
            ndp = links[6] = _Ndp(interface)
            stack.enter_context(ndp.socket)
        for link in links.values():
            link.socket.setblocking(False)
            selector.register(link.socket, selectors.EVENT_READ, link)

        began = time.monotonic()
        own = found.keys() & held_since()
        deadline, question = began + timeout, 0
        last_news = began + INTERVAL * (QUESTIONS - 1) if own else began
        while True:
            now = time.monotonic()
            if question < QUESTIONS and now >= began + INTERVAL * question:
                for address in addresses:
                    links[address.version].ask(mac, address.packed)
                question += 1
            answered = all(macs for address, macs in found.items() if address not in own)
            end = min(deadline, last_news + SETTLE) if answered else deadline
            if now >= end:
                return
            next_question = began + INTERVAL * question if question < QUESTIONS else end
            for key, _events in selector.select(max(min(end, next_question) - now, 0)):
                address, answering = key.data.received() or ("", "")
                if answering not in found.get(address, (answering,)):
                    found[address].add(answering)
                    last_news = max(last_news, time.monotonic())
