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
from ansible_collections.pacs.loadbalancer.plugins.module_utils._dicom.errors import DicomError

from .journal import PATIENCE, Broken, Journal

REST = 1.0  # seconds between two C-ECHOs
SILENCE = 60.0  # the same for an association that is silent; dcmqrscp would end it then
NEWCOMERS = 5  # new associations a second


class Connection:
    """A connection on which a Requestor asks."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._requestor = Requestor()

    @classmethod
    async def open(cls, client: str, vip: str, port: int) -> Connection:
        """Connect and associate; raise Broken where that is not answered in time."""
        try:
            async with asyncio.timeout(PATIENCE):
                streams = await asyncio.open_connection(vip, port, local_addr=(client, 0))
        except OSError as error:  # a TimeoutError is one
            raise Broken(f"connect: {type(error).__name__} {error}") from error
        connection = cls(*streams)
        try:
            await connection._exchange("associate", connection._requestor.associate())
        except Broken:
            connection.close()
            raise
        return connection

    async def _exchange(self, name: str, request: bytes) -> None:
        try:
            self._writer.write(request)
            answer, data = None, b""
            while answer is None:
                async with asyncio.timeout(PATIENCE):
                    data = await self._reader.read(16384)
                if not data:
                    raise EOFError("the connection was closed")
                answer = self._requestor.receive(data)
        except (EOFError, OSError, DicomError) as error:
            raise Broken(f"{name}: {type(error).__name__} {error}") from error

    async def echo(self) -> None:
        await self._exchange("echo", self._requestor.echo())

    async def release(self) -> None:
        await self._exchange("release", self._requestor.release())

    @property
    def port(self) -> int:
        return self._writer.get_extra_info("sockname")[1]

    def close(self) -> None:
        self._writer.close()


class Echo:
    def __init__(self, config: dict, journal: Journal) -> None:
        self._vip, self._clients, self._ports = config["vip"], config["clients"], config["ports"]
        self._number = config["associations"]
        self._journal = journal
        self._renewed = 0.0  # associations that were opened before are released and replaced
        self._silence = asyncio.Event()  # its end

    def places(self) -> list[tuple[int, str]]:
        """Return every port of a service with every client."""
        return list(itertools.product([self._ports[name] for name in ("dicom", "query", "mwl")], self._clients))

    def work(self) -> Iterator[Coroutine]:
        """Yield what is to be done side by side."""
        places = itertools.cycle(self.places())
        for number in range(self._number["echo"]):
            port, client = next(places)
            yield self._hold("echo", client, port, self._rest, number * REST / self._number["echo"])
        # With Orthanc: dcmqrscp ends an association that is silent for a minute.
        for number, client in zip(range(self._number["silent"]), self._clients):
            yield self._hold("silent", client, self._ports["dicom"], self._rest_silent, number)
        yield self._newcomers()

    async def _hold(self, kind: str, client: str, port: int, rest: Callable[[], Awaitable], after: float) -> None:
        """Keep an association open after some seconds, and replace it when it is broken; rest between two C-ECHOs."""
        await asyncio.sleep(after)
        while True:
            asked = time.time()
            try:
                connection = await Connection.open(client, self._vip, port)
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

    async def visit(self, kind: str, client: str, port: int) -> dict:
        """Open an association, use it and release it. Returns from which port, and why it broke, if it did."""
        asked = time.time()
        visit = {"client": client, "port": port, "from": 0, "broken": ""}
        try:
            connection = await Connection.open(client, self._vip, port)
            visit["from"] = connection.port
            try:
                await connection.echo()
                await connection.release()
            finally:
                connection.close()
        except Broken as error:
            visit["broken"] = str(error)
            self._journal.failed(kind, str(error), client, asked, port=port, source=visit["from"])
        else:
            self._journal.note("answer", kind, waited=round(time.time() - asked, 4))
        return visit

    async def visit_all(self) -> list[dict]:
        """Visit every service as each client once."""
        turns = asyncio.Semaphore(24)

        async def visit(port: int, client: str) -> dict:
            async with turns:
                return await self.visit("visit", client, port)

        return await asyncio.gather(*(visit(port, client) for port, client in self.places()))

    async def _newcomers(self) -> None:
        coming: set[asyncio.Task] = set()
        for port, client in itertools.cycle(self.places()):
            coming.add(task := asyncio.create_task(self.visit("new", client, port)))
            task.add_done_callback(coming.discard)
            await asyncio.sleep(1 / NEWCOMERS)
