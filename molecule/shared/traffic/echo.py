# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Associations of our own, with nothing but C-ECHO: as many, as busy and as silent as a test wants them."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator

from ansible_collections.pacs.loadbalancer.plugins.module_utils._dicom.association import Requestor

from .connection import Connection, step
from .journal import Broken, Journal

REST = 1.0  # seconds between two C-ECHOs
SILENCE = 60.0  # the same for an association that is silent; dcmqrscp would end it then


class EchoConnection(Connection):
    """A connection on which a Requestor asks."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        super().__init__(reader, writer)
        self._requestor = Requestor()

    async def begin(self) -> None:
        await self._exchange("associate", self._requestor.associate())

    async def _exchange(self, name: str, request: bytes) -> None:
        async with step(name):
            self.writer.write(request)
            answer = None
            while answer is None:
                data = await self.reader.read(16384)
                if not data:
                    raise EOFError("the connection was closed")
                answer = self._requestor.receive(data)

    async def echo(self) -> None:
        await self._exchange("echo", self._requestor.echo())

    async def release(self) -> None:
        await self._exchange("release", self._requestor.release())

    async def use(self) -> None:
        await self.echo()
        await self.release()


class Echo:
    def __init__(self, config: dict, journal: Journal) -> None:
        self._vip, self._clients, self._ports = config["vip"], config["clients"], config["ports"]
        self._number = config["associations"]
        self._journal = journal
        self._renewed = 0.0  # associations that were opened before are released and replaced
        self._silence = asyncio.Event()  # its end

    def work(self) -> Iterator[Coroutine]:
        """Yield what is to be done side by side."""
        ports = [self._ports[name] for name in ("dicom", "query", "mwl")]
        places = itertools.cycle(itertools.product(ports, self._clients))
        for number in range(self._number["echo"]):
            port, client = next(places)
            yield self._hold("echo", client, port, self._rest, number * REST / self._number["echo"])
        # With Orthanc: dcmqrscp ends an association that is silent for a minute.
        for number, client in zip(range(self._number["silent"]), self._clients):
            yield self._hold("silent", client, self._ports["dicom"], self._rest_silent, number)

    async def _hold(self, kind: str, client: str, port: int, rest: Callable[[], Awaitable], after: float) -> None:
        """Keep an association open after some seconds, and replace it when it is broken; rest between two C-ECHOs."""
        await asyncio.sleep(after)
        while True:
            asked = time.time()
            try:
                connection = await EchoConnection.open(client, self._vip, port)
            except Broken as error:
                self._journal.failed(kind, str(error), client, asked, port=port)
                await asyncio.sleep(1)
                continue
            association = self._journal.opened(kind, client, asked)
            try:
                while association.opened > self._renewed:
                    await rest()
                    association.asked = asked = time.time()
                    await connection.echo()
                    self._journal.answered(association, asked)
                await connection.release()
                self._journal.closed(association)
            except Broken as error:
                self._journal.broken(association, str(error))
            finally:
                connection.close()

    async def _rest(self) -> None:
        await asyncio.sleep(REST)

    async def _rest_silent(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SILENCE):
                await self._silence.wait()

    def _end_silence(self) -> None:
        self._silence.set()
        self._silence = asyncio.Event()

    async def use_silent(self) -> None:
        """Send a C-ECHO on each association that is silent, and wait for the answers."""
        used = time.time()
        self._end_silence()
        while any(association.answered < used for association in self._journal.of("silent")):
            await asyncio.sleep(0.1)

    async def renew(self) -> None:
        """Replace every association, so that each is on its client's node again."""
        self._renewed = time.time()
        self._end_silence()
        while any(association.opened <= self._renewed for association in self._journal.of("echo", "silent")):
            await asyncio.sleep(0.1)
