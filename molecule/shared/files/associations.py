# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A hospital's modalities, all at work at once through the VIP, and what they saw.

usage: associations.py run FILE    works until it is told to finish; FILE is JSON, an object of
         vip        the address that all is sent to
         nodes      the nodes' own addresses by name, to see (by HTTP, on 8042) that what was acknowledged is there, and to delete it
         own        the address of this host by which DCMTK's programs come, and
         clients    all its addresses, each a client
         ports      the services' ports, of dicom, query, mwl and slow
         echo       the steps of an association with one C-ECHO, from the filter dicom_check
         retrieved  UID of a study that every node has, in each of its services, for C-FIND and C-GET
         stored     the studies that are sent, one after another: the directory of its images by its UID (see study.py)
         journal    file for all that happens, one JSON object a line
         socket     where it answers
       associations.py ask SOCKET JSON    asks the one that runs, and prints its answer; JSON is an object of `do` and more, see Traffic.answer

What is broken is said and begun anew, so that there is traffic always. `waited` is the time for which somebody waited for an answer,
without what a slow node thinks for.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import hashlib
import http.client
import itertools
import json
import pathlib
import signal
import socket
import subprocess
import sys
import time

STEP_ANSWERS = {
    "associate": 0x02,
    "echo": 0x04,
    "release": 0x06,
}  # types of PDU: A-ASSOCIATE-AC, P-DATA-TF, A-RELEASE-RP
SUCCESS = bytes.fromhex("00000009020000000000")  # a C-ECHO's last element, the status
PATIENCE = 30  # seconds without an answer after which an association counts as broken
SIDE_BY_SIDE, SIDE_BY_SIDE_REST = 100, 1.0  # associations, each with a C-ECHO after so many seconds
SILENT, SILENCE = 6, 60.0  # associations that are silent for so many seconds, then used
NEWCOMERS = 5  # new associations a second
THINKERS, THINKS = (
    3,
    3.0,
)  # associations that wait for an answer which takes so many seconds (wlmscpfs-slow.service of a node)
RATE = {
    "store": 12,
    "get": 12,
    "find": 40,
    "query": 0.5,
    "mwl": 10,
}  # answers a second at most: two processors carry everything
IMAGES, PATIENT = 500, "LAB001"  # of each study (see study.py)
FOR_EVER = "1000000"  # questions on one association
DELETE_EVERY = 0.02  # seconds: a node that deletes a study at once answers nobody meanwhile

# What a program of DCMTK says when an answer has come; and when it is to be held back, where that is not after each of them.
ANSWERED = {
    "store": "I: Received Store Response (Success)",
    "get": "I: Sending C-STORE Response (Success)",
    "find": "I: Find Response: ",
    "query": "I: Find Response: ",
    "mwl": "I: Received Final Find Response (Success)",
    "slow": "I: Received Final Find Response (Success)",
}
HELD_BACK = {"query": "I: Received Final Find Response (Success)"}


@dataclasses.dataclass
class Association:
    """One that is alive."""

    kind: str
    number: int
    client: str
    generation: int
    opened: float
    answers: int = 0
    asked: float | None = None  # since when it waits for an answer
    answered: float = 0.0


class Broken(Exception):
    """The association is no more, and not because we wanted that."""


class Traffic:
    def __init__(self, told: dict) -> None:
        self.told = told
        self.journal = pathlib.Path(told["journal"]).open("w", buffering=1)
        self.numbers = itertools.count(1)
        self.alive: dict[int, Association] = {}
        self.events: list[dict] = []
        self.silence = asyncio.Event()  # its end
        self.generation = 0  # associations of an older one are released and begun anew
        self.verifying: set[asyncio.Task] = set()
        self.storing: asyncio.subprocess.Process | None = None
        self.ending = False
        self.ended = asyncio.Event()

    def note(self, event: str, kind: str, number: int, **more) -> None:
        said = {"t": round(time.time(), 4), "event": event, "kind": kind, "number": number, **more}
        self.events.append(said)
        self.journal.write(json.dumps(said) + "\n")

    def open(self, kind: str, client: str, asked: float) -> Association:
        now = time.time()
        association = Association(kind, next(self.numbers), client, self.generation, now, answered=now)
        self.alive[association.number] = association
        self.note("opened", kind, association.number, waited=round(now - asked, 4))
        return association

    def answered(self, association: Association, asked: float) -> None:
        now = time.time()
        association.asked, association.answered = None, now
        association.answers += 1
        self.note("answer", association.kind, association.number, waited=round(now - asked, 4))

    def end(self, association: Association, broken: str = "") -> None:
        del self.alive[association.number]
        more = (
            {"why": broken, "answered": round(association.answered, 4), "client": association.client} if broken else {}
        )
        self.note(
            "broken" if broken else "closed", association.kind, association.number, answers=association.answers, **more
        )

    # --- associations of our own: nothing but C-ECHO, and so as many and as idle as one likes ---

    async def step(self, name: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(bytes.fromhex(next(step["send"] for step in self.told["echo"] if step["name"] == name)))
            header = await asyncio.wait_for(reader.readexactly(6), PATIENCE)
            body = await asyncio.wait_for(reader.readexactly(int.from_bytes(header[2:], "big")), PATIENCE)
        except (asyncio.IncompleteReadError, asyncio.TimeoutError, OSError) as error:
            raise Broken(f"{name}: {type(error).__name__} {error}") from error
        if header[0] != STEP_ANSWERS[name] or (name == "echo" and not body.endswith(SUCCESS)):
            raise Broken(f"{name}: answered {(header + body).hex()}")

    async def connect(self, client: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        try:
            reader, writer = await asyncio.wait_for(
                asyncio.open_connection(self.told["vip"], port, local_addr=(client, 0)), PATIENCE
            )
        except (asyncio.TimeoutError, OSError) as error:
            raise Broken(f"connect: {type(error).__name__} {error}") from error
        try:
            await self.step("associate", reader, writer)
        except Broken:
            writer.close()
            raise
        return reader, writer

    async def echo(self, kind: str, client: str, port: int, rest) -> None:
        """One association after another, as each is broken; `rest` waits between two C-ECHOs."""
        while True:
            asked = time.time()
            try:
                reader, writer = await self.connect(client, port)
            except Broken as error:
                self.note("failed", kind, 0, why=str(error), client=client, port=port, asked=round(asked, 4))
                await asyncio.sleep(1)
                continue
            association = self.open(kind, client, asked)
            try:
                while association.generation == self.generation:
                    await rest()
                    association.asked = asked = time.time()
                    await self.step("echo", reader, writer)
                    self.answered(association, asked)
                await self.step("release", reader, writer)
                self.end(association)
            except Broken as error:
                self.end(association, str(error))
            finally:
                writer.close()

    async def rest(self) -> None:
        await asyncio.sleep(SIDE_BY_SIDE_REST)

    async def rest_silent(self) -> None:
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self.silence.wait(), SILENCE)

    def end_silence(self) -> None:
        self.silence.set()
        self.silence = asyncio.Event()

    async def visit(self, kind: str, client: str, port: int) -> dict:
        """Open an association, use it and end it. Returns how it went, and from which port."""
        asked = time.time()
        came = {"client": client, "port": port, "from": 0, "broken": ""}
        try:
            reader, writer = await self.connect(client, port)
            came["from"] = writer.get_extra_info("sockname")[1]
            try:
                await self.step("echo", reader, writer)
                await self.step("release", reader, writer)
            finally:
                writer.close()
        except Broken as error:
            came["broken"] = str(error)
            self.note(
                "failed", kind, 0, why=str(error), client=client, port=port, source=came["from"], asked=round(asked, 4)
            )
        else:
            self.note("answer", kind, 0, waited=round(time.time() - asked, 4))
        return came

    def visits(self):
        return itertools.product([self.told["ports"][name] for name in ("dicom", "query", "mwl")], self.told["clients"])

    async def newcomers(self) -> None:
        coming = set()
        for port, client in itertools.cycle(self.visits()):
            coming.add(task := asyncio.create_task(self.visit("new", client, port)))
            task.add_done_callback(coming.discard)
            await asyncio.sleep(1 / NEWCOMERS)

    # --- associations of DCMTK's programs ---

    async def program(self, kind: str, *command: str, within: str = "/") -> Association | None:
        """Run it to its end, no faster than RATE, and note what it says. Returns its association, if it came to one."""
        asked = time.time()
        output = {"stdout": asyncio.subprocess.PIPE, "stderr": asyncio.subprocess.STDOUT}
        process = await asyncio.create_subprocess_exec(*command, **output, cwd=within)
        if kind == "store":
            self.storing = process
        association, last, held_back = None, "", 0
        thinks = THINKS if kind == "slow" else 0.0
        while True:
            try:
                line = (await asyncio.wait_for(process.stdout.readline(), PATIENCE)).decode(errors="replace").strip()
            except asyncio.TimeoutError:
                state = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0]
                last = f"no answer for {PATIENCE} s, its process being in the state {state}"
                process.kill()
                break
            if not line:
                break
            if line.startswith(("E:", "F:")):
                last = f"{last} {line}"
            if line.startswith("I: Association Accepted"):
                association = self.open(kind, self.told["own"], asked)
                asked = time.time()
                association.asked = asked + thinks
            elif association and line.startswith(ANSWERED[kind]):
                self.answered(association, asked + thinks)
                asked = time.time()
                association.asked = asked + thinks
            if association and kind in RATE and line.startswith(HELD_BACK.get(kind, ANSWERED[kind])):
                held_back += 1
                early = association.opened + held_back / RATE[kind] - time.time()
                if early > 0.05:
                    association.asked = None  # it is we who wait
                    with contextlib.suppress(ProcessLookupError):  # it has ended meanwhile
                        process.send_signal(signal.SIGSTOP)
                    await asyncio.sleep(early)
                    with contextlib.suppress(ProcessLookupError):
                        process.send_signal(signal.SIGCONT)
                    asked = time.time()
                    association.asked = asked + thinks
        code = await process.wait()
        if self.ending:
            return association
        if code != 0 and association:
            self.end(association, f"{command[0]} ended with {code}:{last}")
        elif code != 0:
            self.note(
                "failed",
                kind,
                0,
                why=f"{command[0]} ended with {code}:{last}",
                client=self.told["own"],
                asked=round(asked, 4),
            )
            await asyncio.sleep(1)
        elif association:
            self.end(association)
        return association

    def scu(self, program: str, service: str, *arguments: str) -> list[str]:
        titles = ["-aet", "MODALITY", "-aec", "INFINITT"]
        return [program, "-v", *titles, *arguments, self.told["vip"], str(self.told["ports"][service])]

    def keys(self, level: str, *keys: str) -> list[str]:
        wanted = [f"QueryRetrieveLevel={level}", f"StudyInstanceUID={self.told['retrieved']}", *keys]
        return ["-S", *itertools.chain.from_iterable(("-k", key) for key in wanted)]

    async def find(self, kind: str, service: str) -> None:
        keys = self.keys("IMAGE", f"SeriesInstanceUID={self.told['retrieved']}.0", "SOPInstanceUID")
        while True:
            await self.program(kind, *self.scu("findscu", service, "--repeat", FOR_EVER, *keys))

    async def get(self) -> None:
        while True:
            got = await self.program("get", *self.scu("getscu", "dicom", "--ignore", *self.keys("STUDY")))
            self.note("retrieved", "get", got.number if got else 0, images=got.answers if got else 0)

    async def worklist(self, kind: str, service: str, after: float) -> None:
        await asyncio.sleep(after)
        while True:
            await self.program(kind, *self.scu("findscu", service, "-W", "--repeat", FOR_EVER, "-k", "PatientName"))

    async def store(self) -> None:
        looked_for: dict[str, asyncio.Task] = {}
        for study, directory in itertools.cycle(self.told["stored"].items()):
            if study in looked_for:  # or what is sent now would be deleted as what was sent before
                await asyncio.wait({looked_for[study]})
            images = [str(number) for number in range(1, IMAGES + 1)]
            sent = await self.program("store", *self.scu("storescu", "dicom"), *images, within=directory)
            acknowledged = sent.answers if sent else 0
            looked_for[study] = task = asyncio.create_task(asyncio.to_thread(self.find_stored, study, acknowledged))
            self.verifying.add(task)
            task.add_done_callback(self.stored)
            if self.ending:
                await task
                return

    def find_stored(self, study: str, acknowledged: int) -> dict:
        """Delete its images from the nodes: each that was acknowledged must be there."""
        found: dict[str, int] = dict.fromkeys(self.told["nodes"], 0)
        missing = []
        for number in range(1, IMAGES + 1):
            # The node that had the last one is asked first.
            for node in sorted(found, key=found.get, reverse=True):
                if self.delete(self.told["nodes"][node], f"{study}.{number}", study):
                    found[node] += 1
                    break
            else:
                if number <= acknowledged:
                    missing.append(number)
        return {"study": study, "acknowledged": acknowledged, "found": found, "missing": missing}

    @staticmethod
    def delete(node: str, image: str, study: str) -> bool:
        """Delete an image from a node's Orthanc, and return whether it was there. A node may be away for a while."""
        # Orthanc's name for it is made from what identifies it (patient, study, series, image).
        name = hashlib.sha1(f"{PATIENT}|{study}|{study}.0|{image}".encode(), usedforsecurity=False).hexdigest()
        path = "/instances/" + "-".join(name[start : start + 8] for start in range(0, 40, 8))
        deadline = time.monotonic() + 120
        while True:
            time.sleep(DELETE_EVERY)
            connection = http.client.HTTPConnection(node, 8042, timeout=10)
            try:
                connection.request("DELETE", path)
                return connection.getresponse().status == 200
            except OSError:
                if time.monotonic() > deadline:
                    raise
            finally:
                connection.close()

    def stored(self, task: asyncio.Task) -> None:
        self.verifying.discard(task)
        self.note("stored", "store", 0, **task.result())

    # --- what is asked of it ---

    async def ready(self, told: dict) -> dict:
        """Wait until every kind is there, and a C-STORE and a C-GET are in the middle of their study."""
        while True:
            kinds = {association.kind for association in self.alive.values()}
            bulk = [association.answers for association in self.alive.values() if association.kind in ("store", "get")]
            if (
                kinds >= {"echo", "silent", *ANSWERED}
                and len(bulk) == 2
                and all(0.02 * IMAGES < answers < 0.9 * IMAGES for answers in bulk)
            ):
                return {"now": time.time()}
            await asyncio.sleep(0.1)

    async def round(self, told: dict) -> dict:
        """Wait until each association that there is (a silent one aside) has had an answer or has ended. Who has not after `seconds`?"""
        began = time.time()
        waiting = {association.number for association in self.alive.values() if association.kind != "silent"}
        while waiting and time.time() - began < told["seconds"]:
            await asyncio.sleep(0.1)
            waiting = {number for number in waiting if number in self.alive and self.alive[number].answered < began}
        return {
            "took": round(time.time() - began, 2),
            "waiting": [dataclasses.asdict(self.alive[number]) for number in waiting],
        }

    async def renew(self, told: dict) -> dict:
        """Let every association with nothing but C-ECHO begin anew, so that each is on its client's node again."""
        self.generation += 1
        self.end_silence()
        while any(
            association.generation < self.generation and association.kind in ("echo", "silent")
            for association in self.alive.values()
        ):
            await asyncio.sleep(0.1)
        return {}

    async def report(self, told: dict) -> dict:
        """What was seen since `since`; and everybody comes once more, as each client to each service. `silent`: those are used first."""
        since = told["since"]
        if told.get("silent"):
            used = time.time()
            self.end_silence()
            while any(
                association.answered < used for association in self.alive.values() if association.kind == "silent"
            ):
                await asyncio.sleep(0.1)
        places = asyncio.Semaphore(24)

        async def visit(port: int, client: str) -> dict:
            async with places:
                return await self.visit("visit", client, port)

        visits = await asyncio.gather(*(visit(port, client) for port, client in self.visits()))
        now = time.time()
        seen = [event for event in self.events if event["t"] >= since]
        pauses: dict[str, float] = {}
        for event in seen:
            if "waited" in event:
                kind = event["kind"] if event["event"] == "answer" else "opening"
                pauses[kind] = max(pauses.get(kind, 0), event["waited"])
        for association in self.alive.values():
            if association.asked:
                pauses[association.kind] = max(pauses.get(association.kind, 0), round(now - association.asked, 4))
        throughout: dict[str, int] = {}
        for association in self.alive.values():
            if association.opened < since:
                throughout[association.kind] = throughout.get(association.kind, 0) + 1
        listed = subprocess.run(
            ["ss", "-Htn", "state", "established", "dst", self.told["vip"]],
            stdout=subprocess.PIPE,
            check=True,
            text=True,
        )
        return {
            "since": since,
            "until": now,
            "throughout": throughout,
            "pauses": pauses,
            "broken": [event for event in seen if event["event"] == "broken"],
            "failed": [event for event in seen if event["event"] == "failed"],
            "stored": [event for event in seen if event["event"] == "stored"],
            "retrieved": [event for event in seen if event["event"] == "retrieved"],
            "acknowledged": sum(event["kind"] == "store" and event["event"] == "answer" for event in seen),
            "visits": visits,
            "connections": [line.split()[2:4] for line in listed.stdout.splitlines()],
        }

    async def finish(self, told: dict) -> dict:
        """End, once the nodes were asked for what was stored last."""
        self.ending = True
        if self.storing and self.storing.returncode is None:
            self.storing.terminate()
        while self.verifying or not self.storer.done():
            await asyncio.sleep(0.1)
        self.ended.set()
        return {"stored": [event for event in self.events if event["event"] == "stored"]}

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """`do`: ready, round (seconds), renew, report (since, silent) or finish."""
        told = json.loads(await reader.readline())
        asked = {
            "ready": self.ready,
            "round": self.round,
            "renew": self.renew,
            "report": self.report,
            "finish": self.finish,
        }[told["do"]]
        writer.write(json.dumps(await asked(told)).encode() + b"\n")
        await writer.drain()
        writer.close()

    async def run(self) -> None:
        path = pathlib.Path(self.told["socket"])
        path.unlink(missing_ok=True)
        server = await asyncio.start_unix_server(self.answer, path)
        places = itertools.cycle(self.visits())
        # A task that fails by a fault of this program's own fails them all, and is heard.
        async with asyncio.TaskGroup() as work:
            self.storer = work.create_task(self.store())
            tasks = [self.storer]
            for others in (
                self.find("find", "dicom"),
                self.find("query", "query"),
                self.get(),
                self.worklist("mwl", "mwl", 0),
                self.newcomers(),
            ):
                tasks.append(work.create_task(others))
            for number in range(THINKERS):
                tasks.append(work.create_task(self.worklist("slow", "slow", THINKS / THINKERS * number)))
            for _number in range(SIDE_BY_SIDE):
                port, client = next(places)
                tasks.append(work.create_task(self.echo("echo", client, port, self.rest)))
                await asyncio.sleep(SIDE_BY_SIDE_REST / SIDE_BY_SIDE)
            # At Orthanc: dcmqrscp itself ends an association that is silent for a minute.
            for _number, client in zip(range(SILENT), self.told["clients"]):
                tasks.append(
                    work.create_task(self.echo("silent", client, self.told["ports"]["dicom"], self.rest_silent))
                )
                await asyncio.sleep(1)
            await self.ended.wait()
            for task in tasks:
                task.cancel()
        server.close()


def ask(path: str, question: str) -> None:
    with socket.socket(socket.AF_UNIX) as traffic, traffic.makefile("rb") as answer:
        traffic.settimeout(120)
        traffic.connect(path)
        traffic.sendall(question.encode() + b"\n")
        sys.stdout.write(answer.readline().decode())


def main() -> None:
    if sys.argv[1:2] == ["run"] and len(sys.argv) == 3:
        asyncio.run(Traffic(json.loads(pathlib.Path(sys.argv[2]).read_text())).run())
    elif sys.argv[1:2] == ["ask"] and len(sys.argv) == 4:
        ask(*sys.argv[2:])
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
