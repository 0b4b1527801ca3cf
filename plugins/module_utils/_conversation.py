# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One connection to an endpoint: the thin transport between asyncio's sockets and the pure codecs."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import ssl
from typing import Awaitable, Iterator, cast

from . import _http_head as http_head
from . import _tls, _trust, _x509
from ._check import Check
from ._deadline import Deadline
from ._dicom import constants, dataset
from ._dicom.association import Requestor
from ._dicom.errors import DicomError
from ._dicom.pdu import Abort
from ._dicom.stream import encode
from ._failure import Failure
from ._resolver import resolve
from ._stream import Stream

# What each phase waits for, as the sentences name it.
_AWAITED = {
    "resolve": "an address for its name",
    "connect": "a connection",
    "tls": "a TLS handshake",
    "http": "an HTTP answer",
    "associate": "A-ASSOCIATE-AC",
    "echo": "C-ECHO-RSP",
    "find": "C-FIND-RSP",
    "store": "C-STORE-RSP",
    "cancel": "the end of C-FIND",
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


class Conversation:
    """One connection to an endpoint, phase by phase.

    Each phase is a coroutine that leaves its duration, in seconds, in latency; within() puts a deadline around some of
    them and turns every error into a Failure.
    """

    def __init__(self, address: str, port: int, check: Check) -> None:
        self._address = address
        self._port = port
        self._check = check
        self._loop = asyncio.get_running_loop()
        self._socket: socket.socket | None = None
        self._stream: Stream | None = None
        self._requestor = Requestor(check.called_ae, check.calling_ae, check.sop_class)
        self._phase = "resolve"
        self.latency: dict[str, float] = {}
        self.answered_at: float | None = None
        self.failure: Failure | None = None
        self.note: str | None = None
        self.head: http_head.Head | None = None
        self.matches: int | None = None
        self.more = False
        self.certificate: _x509.Certificate | None = None
        self.source: tuple[str, int] | None = None

    async def within(self, seconds: float, phases: Awaitable[None]) -> None:
        """Await phases for some seconds at most; raise Failure, which says what went wrong and in which phase."""
        try:
            async with Deadline(seconds):
                await phases
        except asyncio.TimeoutError:
            raise Failure("timeout", f"timed out after {seconds:g} s without {_AWAITED[self._phase]}") from None
        except OSError as error:
            raise self._failure(error) from error

    async def ask(self) -> None:
        """Carry out the whole check. Once answered_at is set, only the release is left."""
        await self.connect()
        if self._check.tls:
            await self.encrypt(self._check.tls)
        try:
            if self._check.kind == "http":
                await self.ask_head()
            elif self._check.kind != "tcp":
                await self.associate()
                await self._ask_dicom()
        except DicomError as error:
            rejection = self._requestor.rejection
            if self._check.kind == "associate" and rejection is not None and rejection.busy:
                # It speaks DICOM and is at its limit: busy is not dead.
                self.note = f"is busy: {rejection.text}"
            elif error.kind == "not_accepted" or error.kind.endswith("_status"):
                self.failure = error
            else:
                raise
        self.answered_at = self._loop.time()
        if self._requestor.more:
            await self.cancel()
        if self._requestor.associated:
            await self.release()

    async def _ask_dicom(self) -> None:
        kind = self._check.kind
        # Who finds or stores need not verify.
        if kind == "echo" or kind != "associate" and self._requestor.verifies:
            await self.echo()
        if kind == "find":
            await self.find()
        elif kind == "store":
            await self.store()

    async def connect(self) -> None:
        """Resolve the name and connect to the first of its addresses that accepts."""
        addresses = await resolve(self._address, self._port)
        with self._in_phase("connect"):
            for number, (family, sockaddr) in enumerate(addresses, 1):
                self._socket = socket.socket(family, socket.SOCK_STREAM)
                self._socket.setblocking(False)
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                try:
                    await self._loop.sock_connect(self._socket, sockaddr)
                    self.source = self._socket.getsockname()[:2]
                    self._stream = Stream(self._socket)
                    return
                except OSError:
                    if number == len(addresses):
                        raise
                    self._socket.close()

    async def encrypt(self, trust: _trust.Trust) -> None:
        """Speak TLS from here on; raise Failure where the certificate is not as wanted."""
        with self._in_phase("tls"):
            encrypted = _tls.TlsStream(cast(socket.socket, self._socket), trust)
            self.certificate = await encrypted.handshake()
            self._stream = encrypted
        self.note = _trust.note(self.certificate)

    async def ask_head(self) -> None:
        """Send HEAD; raise HttpError for a status that the check does not accept."""
        decoder = http_head.HeadDecoder()
        host = self._check.host or (f"[{self._address}]" if ":" in self._address else self._address)
        with self._in_phase("http"):
            self.head = await self._exchange(http_head.head_request(self._check.path, host), decoder)
        if not any(self.head.status in r for r in http_head.parse_statuses(self._check.status)):
            raise http_head.HttpError("http_status", f"answered HTTP {self.head.status}, not {self._check.status}")

    async def associate(self) -> None:
        """Negotiate an association for Verification."""
        with self._in_phase("associate"):
            await self._exchange(self._requestor.associate(), self._requestor)

    async def echo(self) -> None:
        """Send a C-ECHO over the association."""
        with self._in_phase("echo"):
            await self._exchange(self._requestor.echo(), self._requestor)

    async def find(self) -> None:
        """Send a C-FIND over the association, and count the matches."""
        proof = self._check.object_uid.encode("ascii") if self._check.find == "object" else b""
        with self._in_phase("find"):
            await self._exchange(
                self._requestor.find(self._check.identifier, self._check.limit, proof), self._requestor
            )
        self.matches = self._requestor.matches
        self.more = self._requestor.more
        if proof and not self.matches:
            self.failure = Failure("not_found", "does not find the test object")

    async def cancel(self) -> None:
        """End a C-FIND that has reached its limit, and wait until the peer has, so that it logs no abort."""
        with self._in_phase("cancel"):
            await self._exchange(self._requestor.cancel(), self._requestor)

    async def store(self) -> None:
        """Store the test object."""
        uid = self._check.object_uid
        with self._in_phase("store"):
            answer = await self._exchange(self._requestor.store(uid, dataset.test_object(uid)), self._requestor)
        if answer.status != constants.SUCCESS:
            self.note = f"stored the test object with a warning: {answer.text}"

    async def release(self) -> None:
        """Release the association and wait for the answer, so that the peer logs no abort."""
        with self._in_phase("release"):
            await self._exchange(self._requestor.release(), self._requestor)

    async def release_within(self, seconds: float) -> None:
        """Release in some seconds at most, whatever comes of it: what was asked has been answered."""
        with contextlib.suppress(Failure):
            await self.within(seconds, self.release())

    def close(self) -> None:
        """Close the connection, after an A-ABORT where the association has not been released."""
        if self._socket is None:
            return
        if self._requestor.associated and self._stream:
            # Only if that takes no waiting (PS3.8 9.2, A-ABORT).
            self._stream.send_at_once(encode(Abort()))
        self._socket.close()

    async def _exchange(self, request: bytes, decoder: Requestor | http_head.HeadDecoder):
        connection = cast(socket.socket, self._socket)  # every phase comes after connect()
        stream = cast(Stream, self._stream)
        await stream.send(request)
        data = b""
        while True:
            answer = decoder.receive(data)
            if answer is not None:
                return answer
            # Acknowledge at once: a peer with Nagle's algorithm that sends an answer in two parts, as DCMTK does,
            # otherwise waits 40 ms before the second. The kernel does not keep this setting.
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
            # A peer that sends without end would let no deadline pass.
            await asyncio.sleep(0)
            data = await stream.receive()
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
        if isinstance(error, ssl.SSLError):
            return _tls.failure(error)
        kind, text = _ERRNOS.get(error.errno or 0, ("local", f"could not be asked ({error.strerror or error})"))
        if kind in ("reset", "timeout"):
            text += f" without {_AWAITED[self._phase]}"
        return Failure(kind, text)
