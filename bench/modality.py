# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the traffic of the benchmark, on the modality: JSON lines in, JSON lines out; see the methods of Modality.

It runs where molecule/shared/tasks/traffic.yml has placed the package traffic and the DICOM codec.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import multiprocessing
import os
import random
import socket
import sys
import time

from traffic import blocking

from ansible_collections.pacs.loadbalancer.plugins.module_utils._dicom.association import Requestor
from ansible_collections.pacs.loadbalancer.plugins.module_utils._dicom.errors import DicomError

PATIENCE = 20  # seconds without an answer after which an association counts as broken
SERIES = [f"/srv/study/{number}" for number in range(10)]
BROKEN = (OSError, EOFError, asyncio.TimeoutError, DicomError)


class Association(asyncio.Protocol):
    """An association that asks C-ECHOs at its own pace, for the loss of a load balancer."""

    def __init__(self, every: float) -> None:
        self.every = every
        self.open: asyncio.Future = asyncio.get_running_loop().create_future()
        self.requestor = Requestor()
        self.asked: float | None = None
        self.waited = 0.0
        self.broken: float | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        transport.write(self.requestor.associate())

    def begin(self) -> None:
        self.due = time.monotonic() + random.random() * self.every
        self.plan()

    def plan(self) -> None:
        """Ask by the clock: one that waited long asks again at once."""
        asyncio.get_running_loop().call_later(self.due - time.monotonic(), self.ask)
        self.due = max(self.due + self.every, time.monotonic())

    def ask(self) -> None:
        if not self.transport.is_closing():
            self.asked = time.monotonic()
            self.transport.write(self.requestor.echo())

    def data_received(self, data: bytes) -> None:
        if self.requestor.receive(data) is None:
            return
        if self.asked is None:
            self.open.set_result(None)
        else:
            self.waited = max(self.waited, time.monotonic() - self.asked)
            self.asked = None
            self.plan()

    def connection_lost(self, exc: Exception | None) -> None:
        self.broken = time.time()
        if not self.open.done():
            self.open.set_exception(exc or EOFError("the association was not accepted"))


class Modality:
    def __init__(self) -> None:
        self.held: dict[str, list[Association]] = {}

    async def rest(self, seconds: float) -> dict:
        await asyncio.sleep(seconds)
        return {}

    async def programs(self, *commands: list[str]) -> float:
        """Run them side by side, and return the seconds until the last has ended."""
        environment = {**os.environ, "TCP_NODELAY": "1"}
        started = time.monotonic()
        running = [
            await asyncio.create_subprocess_exec(*command, env=environment, stdout=asyncio.subprocess.DEVNULL)
            for command in commands
        ]
        codes = [await process.wait() for process in running]
        seconds = time.monotonic() - started
        if any(codes):
            raise RuntimeError(f"{commands[0][0]} ended with {codes}")
        return seconds

    async def store(self, address: str, port: int, streams: int, times: int) -> dict:
        """Send the study `times` times, all its series over one association or each over its own."""
        command = ["storescu", "--call", "INFINITT", "--scan-directories", address, str(port)]
        shares = [SERIES] if streams == 1 else [[series] for series in SERIES]
        seconds = await self.programs(*(command + share * times for share in shares))
        size = sum(entry.stat().st_size for series in SERIES for entry in os.scandir(series))
        return {"seconds": seconds, "bytes": size * times}

    async def fetch(self, address: str, port: int, streams: int, size: int) -> dict:
        """Read `size` bytes of the file, over one connection or in equal parts over several."""
        part = f"0-{size // streams - 1}"
        command = ["curl", "--silent", "--show-error", "--fail", "--output", "/dev/null", "--range", part]
        seconds = await self.programs(*[command + [f"http://{address}:{port}/file"]] * streams)
        return {"seconds": seconds, "bytes": size}

    async def ask(self, address: str, port: int, number: int) -> dict:
        """Time `number` C-ECHOs over one association, and a tenth as many associations with one, in milliseconds."""

        echoes, associations = [], []
        with blocking.Association(address, port, PATIENCE) as association:
            for _number in range(number):
                started = time.perf_counter()
                association.echo()
                echoes.append(1000 * (time.perf_counter() - started))
            association.release()
        for _number in range(number // 10):
            started = time.perf_counter()
            with blocking.Association(address, port, PATIENCE) as association:
                association.echo()
                association.release()
            associations.append(1000 * (time.perf_counter() - started))
        return {"echo": echoes, "association": associations}

    # --- associations that are there while a load balancer is lost ---

    async def hold(self, ways: dict[str, tuple[str, int, int]], every: float) -> dict:
        """Open associations each way (name: address, port and how many) and let each ask, until `drop`."""
        turns = asyncio.Semaphore(10)

        async def connect(address: str, port: int) -> Association:
            async with turns:
                _transport, association = await asyncio.get_running_loop().create_connection(
                    lambda: Association(every), address, port
                )
                await asyncio.wait_for(association.open, PATIENCE)
                return association

        for way, (address, port, number) in ways.items():
            self.held[way] = await asyncio.gather(*(connect(address, port) for _number in range(number)))
        for association in itertools.chain.from_iterable(self.held.values()):
            association.begin()
        return {}

    async def forget(self) -> dict:
        """Return the longest wait of each way until now, and forget it."""
        longest = {way: max(association.waited for association in held) for way, held in self.held.items()}
        for held in self.held.values():
            for association in held:
                association.waited = 0.0
        return longest

    async def drop(self, since: float) -> dict:
        """End all. By way: how many were alive, how long each waited, and how long after `since` the others noticed."""
        now, found = time.monotonic(), {}
        for way, held in self.held.items():
            waited = [max(one.waited, now - one.asked if one.asked else 0) for one in held if not one.broken]
            noticed = [one.broken - since for one in held if one.broken]
            found[way] = {"alive": len(waited), "waited": waited, "noticed": noticed}
        for association in itertools.chain.from_iterable(self.held.values()):
            association.transport.abort()
        return found

    # --- as many new connections as can be ---

    async def connect(self, address: str, port: int, clients: list[str], rate: float, seconds: float) -> dict:
        """Open and close `rate` connections a second; return which (address and port) and how many failed."""
        with multiprocessing.Pool(len(clients)) as pool:
            jobs = [(address, port, client, rate / len(clients), seconds) for client in clients]
            found = await asyncio.to_thread(pool.starmap, open_and_close, jobs)
        return {
            "made": list(itertools.chain.from_iterable(one["made"] for one in found)),
            "failed": sum(one["failed"] for one in found),
            "seconds": max(one["seconds"] for one in found),
        }


def open_and_close(address: str, port: int, client: str, rate: float, seconds: float) -> dict:
    """Open and close connections from one client; one that cannot keep up gets twice the time."""
    made, failed = [], 0
    started = time.monotonic()
    for number in range(int(rate * seconds)):
        early = started + number / rate - time.monotonic()
        if early > 0:
            time.sleep(early)
        elif early < -seconds:
            break
        with socket.socket() as connection:
            connection.settimeout(PATIENCE)
            connection.setsockopt(socket.IPPROTO_IP, 24, 1)  # IP_BIND_ADDRESS_NO_PORT: connect chooses the port
            connection.bind((client, 0))
            try:
                connection.connect((address, port))
            except OSError:
                failed += 1
            else:
                made.append(f"{client}:{connection.getsockname()[1]}")
    return {"made": made, "failed": failed, "seconds": time.monotonic() - started}


async def main() -> None:
    modality = Modality()
    loop = asyncio.get_running_loop()
    orders = asyncio.StreamReader(limit=2**20)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    while line := await orders.readline():
        order = json.loads(line)
        method = getattr(modality, order.pop("do"))
        try:
            answer = await method(**order)
        except (*BROKEN, RuntimeError) as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
