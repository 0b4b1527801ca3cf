# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PDUs with their header, to a stream of bytes and back (PS3.8 9.3.1)."""

from __future__ import annotations

import struct
from typing import Union

from .errors import DicomError
from .items import MAX_LENGTH
from .pdu import Abort, AssociateAC, AssociateRJ, AssociateRQ, PData, ReleaseRP, ReleaseRQ

PDU = Union[AssociateRQ, AssociateAC, AssociateRJ, PData, ReleaseRQ, ReleaseRP, Abort]

_PDUS = {pdu.TYPE: pdu for pdu in (AssociateRQ, AssociateAC, AssociateRJ, PData, ReleaseRQ, ReleaseRP, Abort)}


def encode(pdu: PDU) -> bytes:
    """Encode a PDU with its header (PS3.8 9.3.1).

    ====== ========================
    byte   field
    ====== ========================
    1      PDU type
    2      reserved
    3-6    length of what follows
    7-     body
    ====== ========================
    """
    body = pdu.body()
    return struct.pack(">BxI", pdu.TYPE, len(body)) + body


class Decoder:
    """Find PDUs in a stream of bytes, however the bytes are divided.

    A caller that calls next_pdu() until it returns None before it feeds more never makes the decoder hold more than
    one PDU of max_length bytes and what was fed last.
    """

    def __init__(self, max_length: int = MAX_LENGTH) -> None:
        self._max_length = max_length
        self._buffer = bytearray()

    @property
    def pending(self) -> int:
        """Number of bytes held that are not a whole PDU yet."""
        return len(self._buffer)

    def feed(self, data: bytes) -> None:
        """Add what a socket has received."""
        self._buffer += data

    def next_pdu(self) -> PDU | None:
        """Return the next whole PDU, or None; raise DicomError as soon as the bytes cannot be a PDU."""
        if not self._buffer:
            return None
        pdu = _PDUS.get(self._buffer[0])
        if pdu is None:
            raise DicomError("malformed", f"answered in another protocol than DICOM ({self._guess()})")
        if len(self._buffer) < 6:
            return None
        (length,) = struct.unpack_from(">2xI", self._buffer)
        if length > self._max_length:
            raise DicomError(
                "malformed",
                f"announced {pdu.NAME} of {length} bytes (at most {self._max_length} are accepted)",
            )
        if len(self._buffer) < 6 + length:
            return None
        body = bytes(self._buffer[6 : 6 + length])
        del self._buffer[: 6 + length]
        return pdu.parse(body)

    def _guess(self) -> str:
        """Name the protocol that the bytes are likely to be."""
        start = bytes(self._buffer[:16])
        if start.startswith(b"HTTP"):
            return "HTTP"
        # A TLS record: alert (15H) or handshake (16H), version 3.x (RFC 8446 5.1).
        if start[0] in (0x15, 0x16) and start[1:2] in (b"", b"\x03"):
            return "TLS"
        return f"it begins with {start.hex()}"
