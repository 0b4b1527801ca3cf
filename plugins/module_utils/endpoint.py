# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An endpoint is asked over TCP, under one deadline: by connecting, HTTP HEAD or DICOM.

The thin transport between asyncio's sockets and the pure codecs http_head and dicom.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import resource
import socket
import threading
from dataclasses import dataclass, field
from typing import Awaitable, Iterator

from . import dicom, http_head
from .failure import Failure

#: A timer that fires later than this (s) shows that this process did not run meanwhile.
LATE = 0.01

_RECEIVE = 16384

# What is waited for in each phase, as the sentences name it.
_AWAITED = {
    "resolve": "an address for its name",
    "connect": "a connection",
    "http": "an HTTP answer",
    "associate": "A-ASSOCIATE-AC",
    "echo": "C-ECHO-RSP",
    "release": "A-RELEASE-RP",
}

_ERRNOS = {
    errno.ECONNREFUSED: ("refused", "refused the connection"),
    errno.ETIMEDOUT: ("timeout", "timed out"),
    errno.EHOSTUNREACH: ("no_route", "cannot be reached (no route to host)"),
    errno.ENETUNREACH: ("no_route", "cannot be reached (no route to its network)"),
    errno.ENETDOWN: ("no_route", "cannot be reached (network is down)"),
    errno.ECONNRESET: ("reset", "reset the connection"),
    errno.ECONNABORTED: ("reset", "reset the connection"),
    errno.EPIPE: ("reset", "reset the connection"),
}


@dataclass(frozen=True)
class Check:
    """How an endpoint is asked; ValueError in one sentence for a value that cannot be.

    kind: tcp, http, associate or echo. An empty host is the endpoint's address.
    """

    kind: str = "tcp"
    path: str = http_head.CHECK_PATH
    host: str = ""
    status: str = http_head.CHECK_STATUS
    called_ae: str = dicom.CALLED_AE
    calling_ae: str = dicom.CALLING_AE

    def __post_init__(self) -> None:
        http_head.check_path(self.path)
        if self.host:
            http_head.check_host(self.host)
        http_head.parse_statuses(self.status)
        dicom.check_ae_title("called_ae", self.called_ae)
        dicom.check_ae_title("calling_ae", self.calling_ae)


@dataclass
class Answer:
    """What came of asking: seconds by phase and in all, and the failure, if any.

    note: what is worth telling although it is no failure; head: of an HTTP answer;
    source: address and port from which it was asked, where a connection was made.
    """

    total: float
    latency: dict[str, float] = field(default_factory=dict)
    failure: Failure | None = None
    note: str | None = None
    head: http_head.Head | None = None
    source: tuple[str, int] | None = None


class Deadline:
    """Ends the block of an `async with` after so many seconds with asyncio.TimeoutError.

    A timer that fires late gives the block that time again: this process did not run,
    so what the peer sent meanwhile has not been read yet.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._expired = False

    async def __aenter__(self) -> Deadline:
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        self._arm(self._loop.time() + self._seconds)
        return self

    async def __aexit__(self, kind: type | None, *_error: object) -> None:
        self._timer.cancel()
        if self._expired and kind is asyncio.CancelledError:
            raise asyncio.TimeoutError

    def _arm(self, due: float) -> None:
        self._due = due
        self._timer = self._loop.call_at(due, self._expire)

    def _expire(self) -> None:
        late = self._loop.time() - self._due
        if late > LATE:
            self._arm(self._loop.time() + late)
        else:
            self._expired = True
            self._task.cancel()


async def resolve(address: str, port: int) -> list[tuple[int, tuple]]:
    """Pairs of address family and socket address; Failure of kind name_not_found."""

    def look_up(flags: int) -> list[tuple[int, tuple]]:
        found = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM, flags=flags)
        return [(family, sockaddr) for family, _type, _proto, _name, sockaddr in found]

    # ValueError: what no name can be, such as a label of 64 characters.
    try:
        return look_up(socket.AI_NUMERICHOST)
    except (OSError, ValueError):
        loop = asyncio.get_running_loop()
        found = loop.create_future()

    def deliver(error: Exception | None, result: list[tuple[int, tuple]]) -> None:
        if found.cancelled():
            return
        if error is None:
            found.set_result(result)
        else:
            reason = getattr(error, "strerror", None) or error
            found.set_exception(Failure("name_not_found", f"has a name that is not found ({reason})"))

    def run() -> None:
        try:
            outcome = None, look_up(0)
        except (OSError, ValueError) as error:
            outcome = error, []
        # The loop is closed when the deadline has passed long ago: nobody waits.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(deliver, *outcome)

    # A daemon thread of its own, since a slow resolver must keep neither another
    # name nor the end of the process waiting, as the loop's thread pool would.
    threading.Thread(target=run, daemon=True).start()
    return await found


class Conversation:
    """One connection to an endpoint, phase by phase.

    Each phase is a coroutine that leaves its seconds in latency; within() puts a
    deadline around some of them and turns every error into a Failure.
    """

    def __init__(self, address: str, port: int, check: Check) -> None:
        self._address = address
        self._port = port
        self._check = check
        self._loop = asyncio.get_running_loop()
        self._socket: socket.socket | None = None
        self._requestor = dicom.Requestor(check.called_ae, check.calling_ae)
        self._phase = "resolve"
        self.latency: dict[str, float] = {}
        self.answered_at: float | None = None
        self.failure: Failure | None = None
        self.note: str | None = None
        self.head: http_head.Head | None = None
        self.source: tuple[str, int] | None = None

    async def within(self, seconds: float, phases: Awaitable[None]) -> None:
        """Await phases for so many seconds at most; Failure says what went wrong and when."""
        try:
            async with Deadline(seconds):
                await phases
        except asyncio.TimeoutError:
            raise Failure("timeout", f"timed out after {seconds:g} s without {_AWAITED[self._phase]}") from None
        except OSError as error:
            raise self._failure(error) from error

    async def ask(self) -> None:
        """The whole check; when answered_at is set, only the release is left."""
        await self.connect()
        try:
            if self._check.kind == "http":
                await self.ask_head()
            elif self._check.kind in ("associate", "echo"):
                await self.associate()
                if self._check.kind == "echo":
                    await self.echo()
        except dicom.DicomError as error:
            rejection = self._requestor.rejection
            if self._check.kind == "associate" and rejection is not None and rejection.busy:
                # It speaks DICOM and has its reasons: full is not dead.
                self.note = f"is busy: {rejection.text}"
            elif error.kind in ("not_accepted", "echo_status"):
                self.failure = error
            else:
                raise
        self.answered_at = self._loop.time()
        if self._requestor.associated:
            await self.release()

    async def connect(self) -> None:
        addresses = await resolve(self._address, self._port)
        with self._in_phase("connect"):
            for number, (family, sockaddr) in enumerate(addresses, 1):
                self._socket = socket.socket(family, socket.SOCK_STREAM)
                self._socket.setblocking(False)
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                try:
                    await self._loop.sock_connect(self._socket, sockaddr)
                    self.source = self._socket.getsockname()[:2]
                    return
                except OSError:
                    if number == len(addresses):
                        raise
                    self._socket.close()

    async def ask_head(self) -> None:
        decoder = http_head.HeadDecoder()
        host = self._check.host or (f"[{self._address}]" if ":" in self._address else self._address)
        with self._in_phase("http"):
            self.head = await self._exchange(http_head.head_request(self._check.path, host), decoder)
        if not any(self.head.status in r for r in http_head.parse_statuses(self._check.status)):
            raise http_head.HttpError("http_status", f"answered HTTP {self.head.status}, not {self._check.status}")

    async def associate(self) -> None:
        with self._in_phase("associate"):
            await self._exchange(self._requestor.associate(), self._requestor)

    async def echo(self) -> None:
        with self._in_phase("echo"):
            await self._exchange(self._requestor.echo(), self._requestor)

    async def release(self) -> None:
        """Release the association and wait for the answer, so that the peer logs no abort."""
        with self._in_phase("release"):
            await self._exchange(self._requestor.release(), self._requestor)

    async def release_within(self, seconds: float) -> None:
        """Release in so many seconds at most; what was asked has been answered, come what may."""
        with contextlib.suppress(Failure):
            await self.within(seconds, self.release())

    def close(self) -> None:
        if self._socket is None:
            return
        if self._requestor.associated:
            # Not released: tell the peer, if that costs no waiting (PS3.8 9.2, A-ABORT).
            with contextlib.suppress(OSError):
                self._socket.send(dicom.encode(dicom.Abort()))
        self._socket.close()

    async def _exchange(self, request: bytes, decoder: dicom.Requestor | http_head.HeadDecoder):
        await self._loop.sock_sendall(self._socket, request)
        data = b""
        while True:
            answer = decoder.receive(data)
            if answer is not None:
                return answer
            # Acknowledge at once: a peer with Nagle's algorithm that sends an answer in two
            # parts, as DCMTK does, else waits 40 ms before the second. Not kept by the kernel.
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
            data = await self._loop.sock_recv(self._socket, _RECEIVE)
            if not data:
                how = "in the middle of" if decoder.pending else "without"
                raise Failure("closed", f"closed the connection {how} {_AWAITED[self._phase]}")

    @contextlib.contextmanager
    def _in_phase(self, phase: str) -> Iterator[None]:
        self._phase = phase
        started = self._loop.time()
        yield
        self.latency[phase] = self._loop.time() - started

    def _failure(self, error: OSError) -> Failure:
        kind, text = _ERRNOS.get(error.errno, ("local", f"could not be asked ({error.strerror or error})"))
        if kind in ("reset", "timeout"):
            text += f" without {_AWAITED[self._phase]}"
        return Failure(kind, text)


async def ask(address: str, port: int, check: Check, timeout: float) -> Answer:
    """Ask an endpoint once, in timeout seconds at most, and tell how it went."""
    conversation = Conversation(address, port, check)
    started = asyncio.get_running_loop().time()
    try:
        await conversation.within(timeout, conversation.ask())
    except Failure as error:
        # After the answer only the release can fail, which says nothing about the service.
        if conversation.answered_at is None:
            conversation.failure = error
    finally:
        ended = conversation.answered_at or asyncio.get_running_loop().time()
        conversation.close()
    latency = {k: v for k, v in conversation.latency.items() if k != "release"}
    return Answer(
        ended - started,
        latency,
        conversation.failure,
        conversation.note,
        conversation.head,
        conversation.source,
    )


def socket_limit(wanted: int) -> int:
    """How many sockets, up to wanted, this process may have open; raises its own limit for it."""
    reserve = 64  # files that Python and Ansible have open
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted + reserve:
        soft = wanted + reserve if hard == resource.RLIM_INFINITY else min(wanted + reserve, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        return max(1, soft - reserve)
    return wanted
