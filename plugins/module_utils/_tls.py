# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""TLS as a client speaks it, over a socket, and in words what is wrong with the peer's."""

from __future__ import annotations

import contextlib
import socket
import ssl
from typing import Any, Callable

from . import _x509
from ._failure import Failure
from ._stream import Stream
from ._trust import EXPIRED, NOT_YET, Trust, reason_of

_READ = 16384

# OpenSSL's reasons, as the sentences say them.
_REASONS = {
    "WRONG_VERSION_NUMBER": "does not speak TLS",
    "HTTP_REQUEST": "does not speak TLS",
    "UNSUPPORTED_PROTOCOL": "speaks no TLS of version 1.2 or later",
    "TLSV1_ALERT_PROTOCOL_VERSION": "speaks no TLS of version 1.2 or later",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "requires a client certificate",
    "SSLV3_ALERT_HANDSHAKE_FAILURE": "refused the TLS handshake",
    "TLSV1_UNRECOGNIZED_NAME": "does not know the name that it was asked for",
}


class TlsStream(Stream):
    """A stream that speaks TLS, whatever the peer sends."""

    def __init__(self, connection: socket.socket, trust: Trust) -> None:
        super().__init__(connection)
        self._trust = trust
        self._received, self._to_send = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = trust.context().wrap_bio(self._received, self._to_send, server_hostname=trust.name or None)

    async def handshake(self) -> _x509.Certificate:
        """Return the peer's certificate; raise Failure where it is not as wanted, OSError for what else goes wrong."""
        await self._carry_out(self._tls.do_handshake)
        try:
            certificate = _x509.parse(self._tls.getpeercert(binary_form=True) or b"")
        except ValueError as error:
            raise Failure("certificate", f"has a certificate that cannot be read ({error})") from None
        self._trust.check(certificate)
        return certificate

    async def send(self, data: bytes) -> None:
        try:
            await self._carry_out(lambda: self._tls.write(data))
        except ConnectionError:
            with contextlib.suppress(ConnectionError):
                await self.receive()  # an alert that came before the reset says why
            raise

    async def receive(self) -> bytes:
        """Return what has come; nothing where the peer has closed."""
        try:
            return await self._carry_out(lambda: self._tls.read(_READ))
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return b""

    def send_at_once(self, data: bytes) -> None:
        """Send what takes no waiting."""
        with contextlib.suppress(OSError):
            self._tls.write(data)
            super().send_at_once(self._to_send.read())

    async def _carry_out(self, step: Callable[[], Any]) -> Any:
        while True:
            try:
                result = step()
            except ssl.SSLWantReadError:
                await self._flush()
                data = await super().receive()
                if data:
                    self._received.write(data)
                else:
                    self._received.write_eof()
            except ssl.SSLError:
                with contextlib.suppress(OSError):
                    await self._flush()  # the alert says why to the peer's own log
                raise
            else:
                await self._flush()
                return result

    async def _flush(self) -> None:
        data = self._to_send.read()
        if data:
            await super().send(data)


def failure(error: ssl.SSLError) -> Failure:
    """Return what is wrong, in words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        said = {EXPIRED: "has a certificate that has expired", NOT_YET: "has a certificate that is not valid yet"}
        unknown = f"has a certificate that is not of a known CA ({error.verify_message})"
        return Failure("certificate", said.get(error.verify_code, unknown))
    if isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
        return Failure("closed", "closed the connection without a TLS handshake")
    return Failure("tls", _REASONS.get(error.reason or "", f"failed the TLS handshake ({reason_of(error)})"))
