# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A connection to a service; each step succeeds in time or raises Broken."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Self

from ansible_collections.pacs.loadbalancer.plugins.module_utils._dicom.errors import DicomError

from .journal import PATIENCE, Broken


@contextlib.asynccontextmanager
async def step(name: str) -> AsyncIterator[None]:
    """Raise Broken, with this name, if what is inside fails or takes longer than PATIENCE."""
    try:
        async with asyncio.timeout(PATIENCE):
            yield
    except (EOFError, OSError, DicomError) as error:  # TimeoutError is an OSError
        raise Broken(f"{name}: {type(error).__name__} {error}") from error


class Connection:
    """An open connection; its protocol is a subclass's."""

    AHEAD = 65536  # bytes that asyncio buffers, at most twice as many

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def open(cls, client: str, vip: str, port: int) -> Self:
        """Connect from a client's address, and begin."""
        async with step("connect"):
            streams = await asyncio.open_connection(vip, port, local_addr=(client, 0), limit=cls.AHEAD)
        connection = cls(*streams)
        try:
            await connection.begin()
        except Broken:
            connection.close()
            raise
        return connection

    async def begin(self) -> None:
        """Do what the protocol needs before the first use."""

    async def use(self) -> None:
        """Use the service once, and leave it."""
        raise NotImplementedError

    @property
    def port(self) -> int:
        """The client's port."""
        return self.writer.get_extra_info("sockname")[1]

    def close(self) -> None:
        self.writer.close()
