# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The web: a viewer that downloads a large file again and again, and compares every byte."""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import io
import pathlib
import socket
import time

from .connection import Connection, step
from .journal import Association, Broken, Journal

PATH = "/download"  # of the file, on every node
PIECE = 256 * 1024  # bytes
RATE = 6  # pieces a second: 64 MiB take 43 s, so that a fault falls into the middle


def content(size: int) -> bytes:
    """Return the first bytes of the file, which is the same on every node: SHAKE128 (FIPS 202) of a fixed word."""
    return hashlib.shake_128(b"pacs.loadbalancer").digest(size)


def write(path: pathlib.Path, size: int) -> None:
    """Write the file that a node serves."""
    path.write_bytes(content(size))


class WebConnection(Connection):
    """A connection for one HTTP request."""

    # In the kernel and in asyncio together 0.1 s of a download; a shorter pause of the network goes unnoticed.
    AHEAD = 32768

    async def begin(self) -> None:
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.AHEAD)

    async def ask(self, method: str, path: str) -> int:
        """Send the request and return the response's Content-Length; raise Broken unless its status is 200."""
        async with step(method):
            self.writer.write(f"{method} {path} HTTP/1.1\r\nHost: pacs\r\nConnection: close\r\n\r\n".encode())
            status, _line, fields = (await self.reader.readuntil(b"\r\n\r\n")).partition(b"\r\n")
        if b" 200 " not in status:
            raise Broken(f"{method}: {status.decode(errors='replace')}")
        return int(http.client.parse_headers(io.BytesIO(fields)).get("Content-Length", 0))

    async def read(self, size: int) -> bytes:
        """Read exactly so many bytes of the response."""
        async with step("read"):
            return await self.reader.readexactly(size)

    async def use(self) -> None:
        await self.ask("HEAD", "/")


class Downloads:
    def __init__(self, config: dict, journal: Journal) -> None:
        self._vip, self._client, self._port = config["vip"], config["own"], config["ports"]["web"]
        self._content = content(config["download"])
        self._journal = journal

    async def work(self) -> None:
        """Download the file again and again."""
        while True:
            asked = time.time()
            try:
                connection = await WebConnection.open(self._client, self._vip, self._port)
            except Broken as error:
                self._journal.failed("download", str(error), self._client, asked, port=self._port)
                await asyncio.sleep(1)
                continue
            download = self._journal.opened("download", self._client, asked)
            try:
                await self._receive(connection, download)
                self._journal.closed(download)
                self._journal.note("downloaded", "download", download.number, bytes=len(self._content))
            except Broken as error:
                self._journal.broken(download, str(error))
                await asyncio.sleep(1)
            finally:
                connection.close()

    async def _receive(self, connection: WebConnection, download: Association) -> None:
        """Receive the whole file; each piece counts as an answer."""
        download.asked = asked = time.time()
        announced = await connection.ask("GET", PATH)
        if announced != len(self._content):
            raise Broken(f"Content-Length is {announced}, and the file has {len(self._content)} bytes")
        for start in range(0, announced, PIECE):
            expected = self._content[start : start + PIECE]
            if await connection.read(len(expected)) != expected:
                raise Broken(f"wrong content in the {len(expected)} bytes from {start} on")
            self._journal.answered(download, asked)
            await asyncio.sleep(download.opened + download.answers / RATE - time.time())
            download.asked = asked = time.time()
