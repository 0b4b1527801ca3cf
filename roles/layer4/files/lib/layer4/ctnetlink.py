# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The kernel's messages about its connection table, as in linux/netfilter/nfnetlink_conntrack.h. Pure.

conntrack(8) would print them, but the end of a connection without its bytes.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import socket
import struct
from typing import Iterator

FAMILY = 12  # NETLINK_NETFILTER
GROUPS = 0b111  # what begins, changes and is deleted
CHANGED, ASK, DELETED = 0x100, 0x101, 0x102  # types of message: 0x100 is a new connection too
ERROR, DONE = 2, 3
REQUEST, DUMP = 1, 0x300  # flags

HEADER = struct.Struct("=IHHIIBBH")  # length, type, flags, sequence, the sender's port; family, version, resource
LENGTH = struct.Struct("=HH")  # of an attribute, and its type

CLIENT_SIDE, NODE_SIDE, STATUS, PROTOCOL, RECEIVED, SENT, ID, TIMES = 1, 2, 3, 4, 9, 10, 12, 20  # attributes
ASSURED, TRANSLATED = 1 << 2, 1 << 5  # bits of the status: both sides have said something; it goes to a node
LIBERAL = 1 << 3  # a bit of the protocol's flags
FIN_WAIT, CLOSE_WAIT, LAST_ACK, TIME_WAIT, CLOSE = 4, 5, 6, 7, 8  # states of TCP
CLOSING = (FIN_WAIT, CLOSE_WAIT, LAST_ACK)
ENDED = (TIME_WAIT, CLOSE)


@dataclasses.dataclass(frozen=True)
class Entry:
    """A TCP connection as a message has it; numbers and times that it lacks are None."""

    deleted: bool
    sender: int  # the program's port, 0: the kernel itself
    client_side: bytes  # the attribute as it came, to ask for the entry again
    id: bytes
    client: str
    client_port: int
    address: str
    port: int
    node: str
    node_port: int
    state: int | None
    established: bool
    translated: bool
    adopted: bool | None  # its beginning was not seen here: a copy, or picked up in mid-stream
    received: int | None
    sent: int | None
    began: int | None  # nanoseconds since the epoch
    ended: int | None

    @property
    def key(self) -> int:
        """Tell it from all others, also from a later one of the same client and port."""
        return hash((self.client_side, self.id, self.began))


def attributes(data: bytes) -> dict[int, bytes]:
    """Return the attributes in a message, or in another attribute, by their types."""
    found, place = {}, 0
    while place + LENGTH.size <= len(data):
        length, kind = LENGTH.unpack_from(data, place)
        if length < LENGTH.size:
            break
        found[kind & 0x3FFF] = data[place + LENGTH.size : place + length]
        place += (length + 3) & ~3
    return found


def messages(data: bytes) -> Iterator[tuple[int, Entry | None]]:
    """Yield the type of each message, and the TCP connection that it is about."""
    place = 0
    while place + 16 <= len(data):
        length, kind, _flags, _sequence, sender = struct.unpack_from("=IHHII", data, place)
        if length < 16 or place + length > len(data):
            return
        body = data[place + HEADER.size : place + length]
        yield kind, parse(body, kind == DELETED, sender) if kind in (CHANGED, DELETED) else None
        place += (length + 3) & ~3


def parse(body: bytes, deleted: bool, sender: int) -> Entry | None:
    """Read the attributes of a message; None where it is not about TCP."""
    its = attributes(body)
    there, back = side(its.get(CLIENT_SIDE, b"")), side(its.get(NODE_SIDE, b""))
    if not there or not back:
        return None
    protocol = attributes(attributes(its.get(PROTOCOL, b"")).get(1, b""))
    status = int.from_bytes(its.get(STATUS, b""), "big")
    times = attributes(its.get(TIMES, b""))
    return Entry(
        deleted=deleted,
        sender=sender,
        client_side=its[CLIENT_SIDE],
        id=its.get(ID, b""),
        client=there[0],
        client_port=there[2],
        address=there[1],
        port=there[3],
        node=back[0],
        node_port=back[2],
        state=protocol[1][0] if 1 in protocol else None,
        established=bool(status & ASSURED),
        translated=bool(status & TRANSLATED),
        adopted=bool(protocol[4][0] & LIBERAL) if 4 in protocol else None,
        received=number(attributes(its.get(RECEIVED, b"")).get(2)),
        sent=number(attributes(its.get(SENT, b"")).get(2)),
        began=number(times.get(1)),
        ended=number(times.get(2)),
    )


def side(data: bytes) -> tuple[str, str, int, int] | None:
    """Return the addresses and the ports of one direction (source, destination); None where they are not TCP's."""
    its = attributes(data)
    addresses, protocol = attributes(its.get(1, b"")), attributes(its.get(2, b""))
    if protocol.get(1) != b"\6":
        return None
    source, target = (addresses.get(kind) or addresses[kind + 2] for kind in (1, 2))
    port, target_port = (int.from_bytes(protocol[kind], "big") for kind in (2, 3))
    return str(ipaddress.ip_address(source)), str(ipaddress.ip_address(target)), port, target_port


def number(data: bytes | None) -> int | None:
    return None if data is None else int.from_bytes(data, "big")


def only_endings() -> bytes:
    """Return a program for the kernel (socket(7), SO_ATTACH_FILTER) that lets pass what is deleted, and what has ended.

    That is two of the seven messages that a connection causes.
    """
    load, load_byte, jump_if = 0x20, 0x50, 0x15  # linux/filter.h: a word, a byte at X, an equality
    attribute, inside = 0xFFFFF00C, 0xFFFFF010  # the attribute of type X that begins at A or later; that inside of A
    program = [
        (0x28, 0, 0, 4),  # the message's type, in the host's byte order
        (jump_if, 14, 0, socket.htons(DELETED)),
        (0x00, 0, 0, HEADER.size),
        (0x01, 0, 0, PROTOCOL),
        (load, 0, 0, attribute),
        (jump_if, 9, 0, 0),
        (0x01, 0, 0, 1),
        (load, 0, 0, inside),
        (jump_if, 6, 0, 0),
        (load, 0, 0, inside),
        (jump_if, 4, 0, 0),
        (0x07, 0, 0, 0),
        (load_byte, 0, 0, LENGTH.size),
        (jump_if, 2, 0, TIME_WAIT),
        (jump_if, 1, 0, CLOSE),
        (0x06, 0, 0, 0),
        (0x06, 0, 0, 0xFFFFFFFF),
    ]
    return b"".join(struct.pack("=HBBI", *step) for step in program)


def ask_for(entry: Entry) -> bytes:
    """Ask for the entry as it is now."""
    body = LENGTH.pack(LENGTH.size + len(entry.client_side), CLIENT_SIDE | 0x8000) + entry.client_side
    family = 10 if ":" in entry.client else 2
    return HEADER.pack(HEADER.size + len(body), ASK, REQUEST, 0, 0, family, 0, 0) + body


def ask_for_all() -> bytes:
    return HEADER.pack(HEADER.size, ASK, REQUEST | DUMP, 0, 0, 0, 0, 0)
