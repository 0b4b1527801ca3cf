# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Come as nobody should: hostile.py ADDRESS NUMBER SEED

Each connection is of a kind that the seed draws; AT_ONCE of them stand at once. Prints JSON: by kind, how many were
closed, how many were let in (answered with an association), and how many were still waiting after PATIENCE.
"""

from __future__ import annotations

import asyncio
import collections
import json
import random
import ssl
import struct
import sys

AT_ONCE = 300
PATIENCE = 20  # seconds; the door waits for 10
DICOM, TLS = (104, 105, 204), (2762,)
ACCEPTED = b"\x02"  # the first byte of an A-ASSOCIATE-AC


def associate(length: int, rest: bytes = b"") -> bytes:
    """An A-ASSOCIATE-RQ (PS3.8, 9.3.2) that says it has so many bytes."""
    return (
        struct.pack(">BBI", 1, 0, length)
        + struct.pack(">HH", 1, 0)
        + b"INFINITT".ljust(16)
        + b"STRANGER".ljust(16)
        + rest
    )


def client_hello() -> bytes:
    """What a client of TLS says first."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname="pacs.example.org")
    try:
        client.do_handshake()
    except ssl.SSLWantReadError:
        return outgoing.read()


HELLO = client_hello()
# What is sent, in parts, and to which ports. Half open: nothing is ever sent.
KINDS = {
    # What begins as an A-ASSOCIATE-RQ does is a node's to judge.
    "random": (DICOM + TLS, lambda draw: [b"\xff" + draw.randbytes(draw.randint(0, 4096))]),
    "a browser": (DICOM + TLS, lambda draw: [b"GET / HTTP/1.1\r\nHost: pacs\r\n\r\n"]),
    "truncated": (DICOM, lambda draw: [associate(200)[: draw.randint(1, 41)], None]),
    "another PDU": (DICOM, lambda draw: [bytes([draw.choice((0, 2, 4, 5, 6, 7, 255))]) + draw.randbytes(60)]),
    "TLS to plain": (DICOM, lambda draw: [HELLO]),
    "plain to TLS": (TLS, lambda draw: [associate(200, bytes(164))]),
    "cut TLS": (TLS, lambda draw: [HELLO[: draw.randint(1, len(HELLO) - 1)], None]),
    "scan": (DICOM + TLS, lambda draw: [None]),
}
# Each of these takes as long as the door waits: a few of them are enough.
SLOW = {
    "half open": (DICOM, lambda draw: []),
    "oversize": ((104,), lambda draw: [associate(0xFFFFFFFF, draw.randbytes(4096))]),
    "slow": (DICOM, lambda draw: [bytes([byte]) for byte in associate(200)[:30]]),
}
ALL = KINDS | SLOW


async def come(address: str, draw: random.Random, kind: str, seen: collections.Counter) -> None:
    ports, parts = ALL[kind]
    try:
        async with asyncio.timeout(PATIENCE):
            reader, writer = await asyncio.open_connection(address, draw.choice(ports))
            try:
                for part in parts(draw):
                    if part is None:  # and away
                        writer.transport.abort()
                        seen[kind, "closed"] += 1
                        return
                    writer.write(part)
                    await writer.drain()
                    if kind == "slow":
                        await asyncio.sleep(0.5)
                answer = await reader.read(1)
                seen[kind, "let in" if answer == ACCEPTED else "closed"] += 1
            finally:
                writer.transport.abort()
    except TimeoutError:
        seen[kind, "waiting"] += 1
    except OSError:
        seen[kind, "closed"] += 1


async def main(address: str, number: int, seed: int) -> None:
    draw, seen = random.Random(seed), collections.Counter()
    kinds = [draw.choice([*KINDS]) for _connection in range(number)]
    for kind in SLOW:
        for at in range(100):
            kinds.insert(at * (len(kinds) // 100), kind)
    left = iter(kinds)

    async def one_after_the_other() -> None:
        for kind in left:
            await come(address, draw, kind, seen)

    await asyncio.gather(*(one_after_the_other() for _client in range(AT_ONCE)))
    found: dict[str, dict[str, int]] = {}
    for (kind, what), count in sorted(seen.items()):
        found.setdefault(kind, {})[what] = count
    print(json.dumps(found))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
