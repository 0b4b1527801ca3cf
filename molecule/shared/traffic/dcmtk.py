# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Associations of DCMTK's programs: C-FIND, C-GET, worklist, and what storing needs."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import pathlib
import signal
import time
from collections.abc import Coroutine, Iterator

from .journal import PATIENCE, Association, Journal

THINKING = 3.0  # seconds that wlmscpfs-slow.service of a node takes for an answer
# Answers a second at most: two processors carry everything.
RATE = {"store": 12, "get": 12, "find": 40, "query": 0.5, "mwl": 10}
FOREVER = "1000000"  # questions on one association

# What a program prints when an answer has come; and when it is to be held back, where that is not after each answer.
ANSWERED = {
    "store": "I: Received Store Response (Success)",
    "get": "I: Sending C-STORE Response (Success)",
    "find": "I: Find Response: ",
    "query": "I: Find Response: ",
    "mwl": "I: Received Final Find Response (Success)",
    "slow": "I: Received Final Find Response (Success)",
}
HELD_BACK = {"query": "I: Received Final Find Response (Success)"}


class Dcmtk:
    def __init__(self, config: dict, journal: Journal) -> None:
        self._vip, self._own, self._ports = config["vip"], config["own"], config["ports"]
        self._study, self._number = config["retrieved"], config["associations"]
        self._journal = journal
        self.storing: asyncio.subprocess.Process | None = None
        self.ending = False  # whether a program that ends was told to

    def work(self) -> Iterator[Coroutine]:
        """Yield what is to be done side by side."""
        yield self._get()
        for _number in range(self._number["find"]):
            yield self._find("find", "dicom")
        for _number in range(self._number["query"]):
            yield self._find("query", "query")
        for _number in range(self._number["mwl"]):
            yield self._worklist("mwl", 0)
        for number in range(self._number["slow"]):
            yield self._worklist("slow", number * THINKING / self._number["slow"])

    async def run(self, kind: str, command: list[str], within: str = "/") -> Association | None:
        """Run a program to its end, no faster than RATE, and note its answers; return its association, if any."""
        asked = time.time()
        process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, cwd=within
        )
        assert process.stdout is not None
        if kind == "store":
            self.storing = process
        association, last, held_back = None, "", 0
        thinking = THINKING if kind == "slow" else 0.0
        while True:
            try:
                async with asyncio.timeout(PATIENCE):
                    line = (await process.stdout.readline()).decode(errors="replace").strip()
            except TimeoutError:
                socket = await self._socket(process)
                last += f" no answer for {PATIENCE} s, {self._waits(process.pid)}, its socket: {socket}"
                process.kill()
                break
            if not line:
                break
            if line.startswith(("E:", "F:")):
                last = f"{last} {line}"
            if line.startswith("I: Association Accepted"):
                association = self._journal.opened(kind, self._own, asked)
                asked = time.time()
                association.asked = asked + thinking
            elif association and line.startswith(ANSWERED[kind]):
                self._journal.answered(association, asked + thinking)
                asked = time.time()
                association.asked = asked + thinking
            if association and kind in RATE and line.startswith(HELD_BACK.get(kind, ANSWERED[kind])):
                held_back += 1
                early = association.opened + held_back / RATE[kind] - time.time()
                if early > 0.05:
                    association.asked = None  # it is this side that waits
                    await self._hold_back(process, early)
                    asked = time.time()
                    association.asked = asked + thinking
        code = await process.wait()
        if not self.ending:
            reason = f"{command[0]} ended with {code}:{last}"
            if association and code == 0:
                self._journal.closed(association)
            elif association:
                self._journal.broken(association, reason)
            elif code != 0:
                self._journal.failed(kind, reason, self._own, asked)
                await asyncio.sleep(1)
        return association

    @staticmethod
    async def _hold_back(process: asyncio.subprocess.Process, seconds: float) -> None:
        # Not by the process's own method, which takes the exit code of one that has ended: asyncio would report 255.
        with contextlib.suppress(ProcessLookupError):  # it has ended meanwhile
            os.kill(process.pid, signal.SIGSTOP)
        await asyncio.sleep(seconds)
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGCONT)

    @staticmethod
    def _waits(number: int) -> str:
        """For what a process waits: its state, and the number of its system call with the file that it is about."""
        of = pathlib.Path(f"/proc/{number}")
        state, call = of.joinpath("stat").read_text().rpartition(")")[2].split()[0], of.joinpath("syscall").read_text()
        files = {its.name: os.readlink(its) for its in of.joinpath("fd").iterdir()}
        return f"its process being in the state {state}, in the system call {call.strip()} with the files {files}"

    @staticmethod
    async def _socket(process: asyncio.subprocess.Process) -> str:
        """What the kernel says of its connection: what was not acknowledged, sent again, or never read."""
        shown = await asyncio.create_subprocess_exec("ss", "-Htinp", stdout=asyncio.subprocess.PIPE)
        lines = (await shown.communicate())[0].decode(errors="replace").replace("\n\t", " ").splitlines()
        return "; ".join(" ".join(line.split()) for line in lines if f"pid={process.pid}," in line)

    def command(self, program: str, service: str, *arguments: str) -> list[str]:
        titles = ["-aet", "MODALITY", "-aec", "INFINITT"]
        return [program, "-v", *titles, *arguments, self._vip, str(self._ports[service])]

    def _keys(self, level: str, *keys: str) -> list[str]:
        wanted = [f"QueryRetrieveLevel={level}", f"StudyInstanceUID={self._study}", *keys]
        return ["-S", *itertools.chain.from_iterable(("-k", key) for key in wanted)]

    async def _find(self, kind: str, service: str) -> None:
        keys = self._keys("IMAGE", f"SeriesInstanceUID={self._study}.0", "SOPInstanceUID")
        while True:
            await self.run(kind, self.command("findscu", service, "--repeat", FOREVER, *keys))

    async def _get(self) -> None:
        while True:
            got = await self.run("get", self.command("getscu", "dicom", "--ignore", *self._keys("STUDY")))
            self._journal.note("retrieved", "get", got.number if got else 0, images=got.answers if got else 0)

    async def _worklist(self, service: str, after: float) -> None:
        await asyncio.sleep(after)
        while True:
            await self.run(service, self.command("findscu", service, "-W", "--repeat", FOREVER, "-k", "PatientName"))
