# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What nodes and clients do in network namespaces: a program of the standard library, and the functions that run it.

usage: tcp_clients.py serve NAME PORT...  accept and send NAME; then echo, send endlessly (after B), or reset (after R)
       tcp_clients.py call                connect once for each call on standard input, all at once; print the results
       tcp_clients.py reset               the same, and ask to be reset
       tcp_clients.py hold SECONDS        keep the connections: the first receives endlessly, others echo 50 a second

Calls and results are JSON. A call is [source address, address, port].
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import subprocess
import sys
import time

RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close with a reset
PATIENCE = 10  # seconds


async def talk(name: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        writer.write(f"{name}\n".encode())
        while data := await reader.read(65536):
            if data == b"R":
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                break
            while data == b"B":
                writer.write(bytes(65536))
                await writer.drain()
            writer.write(data)
    except OSError:
        pass
    writer.close()


async def accept(name: str, *ports: str) -> None:
    for host in ("0.0.0.0", "::"):
        for port in ports:
            await asyncio.start_server(lambda *ends: talk(name, *ends), host, int(port), backlog=4096)
    print("ready", flush=True)
    await asyncio.Event().wait()


async def connect(source: str, address: str, port: int) -> tuple[str, asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection(address, port, local_addr=(source, 0))
    return (await reader.readline()).decode().strip(), reader, writer


async def call(word: str, *where) -> dict:
    """Return {answer, error, seconds}: who answered, and how it ended."""
    result: dict = {"answer": None, "error": None}
    began = time.monotonic()
    try:
        result["answer"], reader, writer = await asyncio.wait_for(connect(*where), PATIENCE)
        if word:
            began = time.monotonic()
            writer.write(word.encode())
            await asyncio.wait_for(reader.read(), PATIENCE)
        writer.close()
    except (OSError, asyncio.TimeoutError) as error:
        result["error"] = type(error).__name__
    return {**result, "seconds": time.monotonic() - began}


async def hold(bulk: bool, seconds: float, *where) -> dict:
    """Return {answer, error, pause, bytes}; `pause` is the longest silence in seconds."""
    answer, reader, writer = await connect(*where)
    result = {"answer": answer, "error": None, "pause": 0.0, "bytes": 0}
    last = time.monotonic()
    end = last + seconds
    try:
        if bulk:
            writer.write(b"B")
        while last < end:
            if not bulk:
                await asyncio.sleep(0.02)
                last = time.monotonic()
                writer.write(b"hello")
            data = await asyncio.wait_for(reader.read(65536), PATIENCE)
            if not data:
                raise ConnectionError
            now = time.monotonic()
            result["pause"], last = max(result["pause"], now - last), now
            result["bytes"] += len(data)
        writer.close()
    except (OSError, asyncio.TimeoutError) as error:
        result["error"] = type(error).__name__
    return result


async def every(kind: str, seconds: float = 0) -> None:
    calls = json.load(sys.stdin)
    if kind == "hold":
        tasks = [hold(not number, seconds, *where) for number, where in enumerate(calls)]
    else:
        tasks = [call("R" if kind == "reset" else "", *where) for where in calls]
    print(json.dumps(await asyncio.gather(*tasks)))


# --- for the tests ----------------------------------------------------------------------------------------------------

# To the services of the fixture dual_stack, 100 in each family.
CALLS = [
    *([f"198.51.100.{number}", "198.51.100.10", 104] for number in range(100, 200)),
    *([f"2001:db8::{number}", "2001:db8::10", 204] for number in range(100, 200)),
]


COMMAND = (sys.executable, "-BIS", __file__)


def serve_on(host, name: str, *ports: int) -> subprocess.Popen:
    """Start a server on a host of `namespaces`; it is there when this returns."""
    server = host.start(*COMMAND, "serve", name, *map(str, ports), stdout=subprocess.PIPE)
    assert server.stdout.readline() == "ready\n"
    return server


def call_from(host, calls: list[list], kind: str = "call") -> list[dict]:
    """Make all these calls at once, and return their results."""
    return json.loads(host(*COMMAND, kind, stdin=json.dumps(calls)))


def hold_from(host, seconds: float, calls: list[list]) -> subprocess.Popen:
    """Open connections and keep them; the results come on standard output."""
    client = host.start(*COMMAND, "hold", str(seconds), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    client.stdin.write(json.dumps(calls))
    client.stdin.close()
    return client


if __name__ == "__main__":
    kind, *words = sys.argv[1:]
    asyncio.run(accept(*words) if kind == "serve" else every(kind, *map(float, words)))
