# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Visits of every service as every client: connect, use it once, leave."""

from __future__ import annotations

import asyncio
import itertools
import time

from .connection import Connection
from .echo import EchoConnection
from .journal import Broken, Journal
from .web import WebConnection

NEWCOMERS = 5  # visits a second


class Visits:
    def __init__(self, config: dict, journal: Journal) -> None:
        self._vip, self._journal = config["vip"], journal
        kinds = {"dicom": EchoConnection, "query": EchoConnection, "mwl": EchoConnection, "web": WebConnection}
        self._kinds: dict[int, type[Connection]] = {config["ports"][name]: kind for name, kind in kinds.items()}
        self._places = list(itertools.product(self._kinds, config["clients"]))
        self.coming: set[asyncio.Task] = set()  # the newcomers whose visits have not ended

    async def visit(self, kind: str, client: str, port: int) -> dict:
        """Visit a service; return from which port, and why the visit broke, if it did."""
        asked = time.time()
        visit = {"client": client, "port": port, "from": 0, "broken": ""}
        try:
            connection = await self._kinds[port].open(client, self._vip, port)
            visit["from"] = connection.port
            try:
                await connection.use()
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

        return await asyncio.gather(*(visit(port, client) for port, client in self._places))

    async def work(self) -> None:
        """Visit one place after another, whether or not the visits before have ended."""
        for port, client in itertools.cycle(self._places):
            self.coming.add(task := asyncio.create_task(self.visit("new", client, port)))
            task.add_done_callback(self.coming.discard)
            await asyncio.sleep(1 / NEWCOMERS)
