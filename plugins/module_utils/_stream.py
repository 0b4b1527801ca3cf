# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A connected socket as a stream of bytes; `_tls` has one that speaks TLS."""

from __future__ import annotations

import asyncio
import contextlib
import socket

_RECEIVE = 16384


class Stream:
    """Every step waits for no more than the caller's deadline, and raises OSError for what goes wrong."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._loop = asyncio.get_running_loop()

    async def send(self, data: bytes) -> None:
        await self._loop.sock_sendall(self._connection, data)

    async def receive(self) -> bytes:
        """Return what has come; nothing where the peer has closed."""
        return await self._loop.sock_recv(self._connection, _RECEIVE)

    def send_at_once(self, data: bytes) -> None:
        """Send what takes no waiting."""
        with contextlib.suppress(OSError):
            self._connection.send(data)
