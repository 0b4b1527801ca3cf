# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Capture datagrams of the mirror (conntrackd) on a load balancer, and send them again from another host.

usage: datagrams.py catch FROM PORT NUMBER     print the first NUMBER from there of at least 40 bytes, in hexadecimal
       datagrams.py send TO PORT VIP CLIENT    send those from standard input, as they are and then forged: with later
                                               sequence numbers, about connections of CLIENT, which has none
"""

from __future__ import annotations

import socket
import struct
import sys
import time

ETHERTYPE_IP, HEADERS = 0x0800, 14 + 20 + 8  # Ethernet, IPv4 without options, UDP
HEADER = struct.Struct("!BBHI")  # conntrackd's nethdr: version and type, flags, length, sequence number


def catch(address: str, port: int, number: int) -> None:
    sender = socket.inet_aton(address)
    deadline = time.monotonic() + 30
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETHERTYPE_IP)) as wire:
        wire.settimeout(5)
        while number and time.monotonic() < deadline:
            frame = wire.recv(65536)
            length = int.from_bytes(frame[16:18], "big")
            if (
                frame[23] == socket.IPPROTO_UDP
                and frame[26:30] == sender
                and frame[36:38] == port.to_bytes(2, "big")
                and length >= 68
            ):
                print(frame[HEADERS : 14 + length].hex())
                number -= 1
    if number:
        sys.exit(f"{number} datagrams are missing: no more came from {address}.")


def forge(datagram: bytes, vip: bytes, client: bytes) -> bytes:
    """Give each message a later sequence number, and the connection to the VIP in it another client."""
    forged, rest = b"", datagram
    while len(rest) >= HEADER.size:
        kind, flags, length, number = HEADER.unpack_from(rest)
        message, rest = rest[HEADER.size : length], rest[max(length, HEADER.size) :]
        at = message.find(vip)
        if at >= 4:
            message = message[: at - 4] + client + message[at:]
        forged += HEADER.pack(kind, flags, length, number + 100000) + message
    return forged


def send(address: str, port: int, vip: str, client: str) -> None:
    datagrams = [bytes.fromhex(line) for line in sys.stdin]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        for datagram in [
            *datagrams,
            *(forge(datagram, socket.inet_aton(vip), socket.inet_aton(client)) for datagram in datagrams),
        ]:
            stranger.sendto(datagram, (address, port))


if __name__ == "__main__":
    if sys.argv[1:2] == ["catch"]:
        catch(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    else:
        send(sys.argv[2], int(sys.argv[3]), sys.argv[4], sys.argv[5])
