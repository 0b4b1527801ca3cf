# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""DICOM upper layer and C-ECHO: bytes to dataclasses and back, without a socket.

Only what a Verification SCU needs (PS3.4 annex A). Sections are those of the
DICOM standard: PS3.8 9.3 for the PDUs, PS3.7 9.3.5 for C-ECHO. PDUs are big
endian, command sets are implicit VR little endian (PS3.7 6.3.1).

Everything a peer can send ends in a dataclass or in DicomError.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import ClassVar, Iterator, Union

from .failure import Failure

CALLED_AE = "INFINITT"
CALLING_AE = "PACSLB"

APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"
VERIFICATION = "1.2.840.10008.1.1"
IMPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2"

# A UID made from a UUID needs no registered root (PS3.5 B.2).
IMPLEMENTATION_UID = "2.25.82632109328200040980768772828032082702"
IMPLEMENTATION_VERSION = "PACSLB_1"

#: Bytes after the header of a PDU. It is announced for P-DATA-TF and enforced
#: for every PDU, so it also bounds what a hostile peer can make us hold.
MAX_LENGTH = 16384


class DicomError(Failure):
    """What the peer sent is not what a Verification SCU can go on with."""


def check_ae_title(name: str, value: str) -> str:
    """Return value, an AE title (PS3.5 6.2, VR AE); ValueError names it otherwise."""
    if not 1 <= len(value) <= 16:
        raise ValueError(f"{name} is {value!r} ({len(value)} characters): an AE title has 1 to 16 characters")
    if value != value.strip() or "\\" in value or not (value.isascii() and value.isprintable()):
        raise ValueError(
            f"{name} is {value!r}: an AE title has printable ASCII characters"
            " without a backslash, and no space at either end"
        )
    return value


def _ae(value: str) -> bytes:
    return value.encode("ascii").ljust(16)


def _text(value: bytes) -> str:
    return value.decode("ascii", "replace").strip(" \0")


# --- Items inside A-ASSOCIATE-RQ and -AC ------------------------------------


def _item(kind: int, value: bytes) -> bytes:
    """One item or sub-item (PS3.8 9.3.2.1 and following).

    ====== ========================
    byte   field
    ====== ========================
    1      item type
    2      reserved
    3-4    length of what follows
    5-     value
    ====== ========================
    """
    return struct.pack(">BxH", kind, len(value)) + value


def _items(data: bytes) -> Iterator[tuple[int, bytes]]:
    offset = 0
    while offset < len(data):
        if len(data) - offset < 4:
            raise DicomError("garbage", "sent a DICOM item that is cut off")
        kind, length = struct.unpack_from(">BxH", data, offset)
        offset += 4
        if len(data) - offset < length:
            raise DicomError("garbage", f"sent a DICOM item (type {kind:02X}H) longer than what holds it")
        yield kind, data[offset : offset + length]
        offset += length


@dataclass(frozen=True)
class PresentationContext:
    """A proposed presentation context, item 20H (PS3.8 9.3.2.2).

    ====== =====================================
    byte   field
    ====== =====================================
    1      presentation context ID, odd
    2-4    reserved
    5-     sub-item 30H: abstract syntax, then a
           sub-item 40H for each transfer syntax
    ====== =====================================
    """

    id: int = 1
    abstract_syntax: str = VERIFICATION
    transfer_syntaxes: tuple[str, ...] = (IMPLICIT_VR_LITTLE_ENDIAN,)

    def encode(self) -> bytes:
        return _item(
            0x20,
            struct.pack(">B3x", self.id)
            + _item(0x30, self.abstract_syntax.encode("ascii"))
            + b"".join(_item(0x40, uid.encode("ascii")) for uid in self.transfer_syntaxes),
        )

    @classmethod
    def decode(cls, value: bytes) -> PresentationContext:
        if len(value) < 4:
            raise DicomError("garbage", "sent a presentation context that is cut off")
        abstract, transfer = "", []
        for kind, uid in _items(value[4:]):
            if kind == 0x30:
                abstract = _text(uid)
            elif kind == 0x40:
                transfer.append(_text(uid))
        return cls(value[0], abstract, tuple(transfer))


@dataclass(frozen=True)
class ContextResult:
    """The answer to a presentation context, item 21H (PS3.8 9.3.3.2).

    ====== =====================================
    byte   field
    ====== =====================================
    1      presentation context ID
    2      reserved
    3      result (table 9-18), 0 is acceptance
    4      reserved
    5-     sub-item 40H: transfer syntax
    ====== =====================================
    """

    WORDS: ClassVar[dict[int, str]] = {
        0: "acceptance",
        1: "user-rejection",
        2: "no-reason (provider rejection)",
        3: "abstract-syntax-not-supported (provider rejection)",
        4: "transfer-syntaxes-not-supported (provider rejection)",
    }

    id: int = 1
    result: int = 0
    transfer_syntax: str = IMPLICIT_VR_LITTLE_ENDIAN

    @property
    def text(self) -> str:
        return self.WORDS.get(self.result, f"result {self.result}")

    def encode(self) -> bytes:
        return _item(
            0x21,
            struct.pack(">BxBx", self.id, self.result) + _item(0x40, self.transfer_syntax.encode("ascii")),
        )

    @classmethod
    def decode(cls, value: bytes) -> ContextResult:
        if len(value) < 4:
            raise DicomError("garbage", "sent a presentation context that is cut off")
        # The transfer syntax is not significant in a refusal and may be missing there.
        transfer = [_text(uid) for kind, uid in _items(value[4:]) if kind == 0x40]
        return cls(value[0], value[2], transfer[0] if transfer else "")


@dataclass(frozen=True)
class UserInformation:
    """User information, item 50H (PS3.8 9.3.2.3 and annex D.1, PS3.7 D.3.3.2).

    Sub-item 51H: maximum length of a P-DATA-TF that the sender takes (4 bytes, 0
    means any), 52H: implementation class UID, 55H: implementation version name.
    Other sub-items are skipped.
    """

    max_length: int = MAX_LENGTH
    implementation_uid: str = IMPLEMENTATION_UID
    implementation_version: str = IMPLEMENTATION_VERSION

    def encode(self) -> bytes:
        return _item(
            0x50,
            _item(0x51, struct.pack(">I", self.max_length))
            + _item(0x52, self.implementation_uid.encode("ascii"))
            + _item(0x55, self.implementation_version.encode("ascii")),
        )

    @classmethod
    def decode(cls, value: bytes) -> UserInformation:
        max_length, uid, version = 0, "", ""
        for kind, content in _items(value):
            if kind == 0x51:
                if len(content) != 4:
                    raise DicomError("garbage", "sent a maximum length that is not of 4 bytes")
                (max_length,) = struct.unpack(">I", content)
            elif kind == 0x52:
                uid = _text(content)
            elif kind == 0x55:
                version = _text(content)
        return cls(max_length, uid, version)


# --- PDUs -------------------------------------------------------------------


class _Associate:
    """The layout that A-ASSOCIATE-RQ and A-ASSOCIATE-AC share (PS3.8 9.3.2, 9.3.3).

    ====== =========================================================
    byte   field (the first six bytes, the header, are in encode())
    ====== =========================================================
    7-8    protocol version, bit 0 set
    9-10   reserved
    11-26  called AE title, padded with spaces (AC: reserved)
    27-42  calling AE title, padded with spaces (AC: reserved)
    43-74  reserved
    75-    items: 10H application context, 20H or 21H for each
           presentation context, 50H user information
    ====== =========================================================
    """

    NAME: ClassVar[str]
    CONTEXT: ClassVar[type]
    CONTEXT_ITEM: ClassVar[int]

    def body(self) -> bytes:
        return (
            struct.pack(">HH16s16s32x", 1, 0, _ae(self.called_ae), _ae(self.calling_ae))
            + _item(0x10, APPLICATION_CONTEXT.encode("ascii"))
            + b"".join(context.encode() for context in self.contexts)
            + self.user.encode()
        )

    @classmethod
    def parse(cls, body: bytes):
        if len(body) < 68:
            raise DicomError("garbage", f"sent an {cls.NAME} that is too short ({len(body)} bytes)")
        contexts, user = [], UserInformation(0, "", "")
        for kind, value in _items(body[68:]):
            if kind == cls.CONTEXT_ITEM:
                contexts.append(cls.CONTEXT.decode(value))
            elif kind == 0x50:
                user = UserInformation.decode(value)
        return cls(_text(body[4:20]), _text(body[20:36]), tuple(contexts), user)


@dataclass(frozen=True)
class AssociateRQ(_Associate):
    """A-ASSOCIATE-RQ (PS3.8 9.3.2): proposes presentation contexts."""

    TYPE: ClassVar[int] = 0x01
    NAME: ClassVar[str] = "A-ASSOCIATE-RQ"
    CONTEXT: ClassVar[type] = PresentationContext
    CONTEXT_ITEM: ClassVar[int] = 0x20

    called_ae: str = CALLED_AE
    calling_ae: str = CALLING_AE
    contexts: tuple[PresentationContext, ...] = (PresentationContext(),)
    user: UserInformation = UserInformation()


@dataclass(frozen=True)
class AssociateAC(_Associate):
    """A-ASSOCIATE-AC (PS3.8 9.3.3): answers each presentation context."""

    TYPE: ClassVar[int] = 0x02
    NAME: ClassVar[str] = "A-ASSOCIATE-AC"
    CONTEXT: ClassVar[type] = ContextResult
    CONTEXT_ITEM: ClassVar[int] = 0x21

    called_ae: str = CALLED_AE
    calling_ae: str = CALLING_AE
    contexts: tuple[ContextResult, ...] = (ContextResult(),)
    user: UserInformation = UserInformation()


class _FourBytes:
    """The layout of the PDUs whose body is four bytes.

    ====== ===========================================
    byte   A-ASSOCIATE-RJ  A-ABORT    A-RELEASE-RQ, -RP
    ====== ===========================================
    7      reserved        reserved   reserved
    8      result          reserved   reserved
    9      source          source     reserved
    10     reason          reason     reserved
    ====== ===========================================
    """

    NAME: ClassVar[str]

    @classmethod
    def four(cls, body: bytes) -> bytes:
        if len(body) != 4:
            raise DicomError("garbage", f"sent an {cls.NAME} of {len(body)} bytes instead of 4")
        return body


@dataclass(frozen=True)
class AssociateRJ(_FourBytes):
    """A-ASSOCIATE-RJ (PS3.8 9.3.4); the words are those of table 9-21."""

    TYPE: ClassVar[int] = 0x03
    NAME: ClassVar[str] = "A-ASSOCIATE-RJ"
    RESULTS: ClassVar[dict[int, str]] = {1: "rejected-permanent", 2: "rejected-transient"}
    SOURCES: ClassVar[dict[int, str]] = {
        1: "DICOM UL service-user",
        2: "DICOM UL service-provider (ACSE related function)",
        3: "DICOM UL service-provider (Presentation related function)",
    }
    REASONS: ClassVar[dict[tuple[int, int], str]] = {
        (1, 1): "no-reason-given",
        (1, 2): "application-context-name-not-supported",
        (1, 3): "calling-AE-title-not-recognized",
        (1, 7): "called-AE-title-not-recognized",
        (2, 1): "no-reason-given",
        (2, 2): "protocol-version-not-supported",
        (3, 1): "temporary-congestion",
        (3, 2): "local-limit-exceeded",
    }

    result: int
    source: int
    reason: int

    @property
    def busy(self) -> bool:
        """Whether the peer works but takes no more associations now (result 2, source 3)."""
        return (self.result, self.source) == (2, 3)

    @property
    def text(self) -> str:
        return ", ".join(
            (
                self.RESULTS.get(self.result, f"result {self.result}"),
                self.SOURCES.get(self.source, f"source {self.source}"),
                self.REASONS.get((self.source, self.reason), f"reason {self.reason}"),
            )
        )

    def body(self) -> bytes:
        return bytes((0, self.result, self.source, self.reason))

    @classmethod
    def parse(cls, body: bytes) -> AssociateRJ:
        return cls(*cls.four(body)[1:])


@dataclass(frozen=True)
class PDV:
    """One presentation data value item of a P-DATA-TF (PS3.8 9.3.5.1 and annex E).

    ====== ==================================================
    byte   field
    ====== ==================================================
    1-4    length of what follows
    5      presentation context ID
    6      bit 0: command (not data set), bit 1: last fragment
    7-     fragment
    ====== ==================================================
    """

    context_id: int
    data: bytes
    command: bool = True
    last: bool = True

    def encode(self) -> bytes:
        header = self.command | self.last << 1
        return struct.pack(">IBB", len(self.data) + 2, self.context_id, header) + self.data


@dataclass(frozen=True)
class PData:
    """P-DATA-TF (PS3.8 9.3.5): presentation data values, one after another."""

    TYPE: ClassVar[int] = 0x04
    NAME: ClassVar[str] = "P-DATA-TF"

    values: tuple[PDV, ...]

    def body(self) -> bytes:
        return b"".join(value.encode() for value in self.values)

    @classmethod
    def parse(cls, body: bytes) -> PData:
        values, offset = [], 0
        while offset < len(body):
            if len(body) - offset < 6:
                raise DicomError("garbage", "sent a presentation data value that is cut off")
            length, context_id, header = struct.unpack_from(">IBB", body, offset)
            end = offset + 4 + length
            if length < 2 or end > len(body):
                raise DicomError("garbage", f"sent a presentation data value with a wrong length ({length})")
            values.append(PDV(context_id, body[offset + 6 : end], bool(header & 1), bool(header & 2)))
            offset = end
        return cls(tuple(values))


@dataclass(frozen=True)
class ReleaseRQ(_FourBytes):
    """A-RELEASE-RQ (PS3.8 9.3.6)."""

    TYPE: ClassVar[int] = 0x05
    NAME: ClassVar[str] = "A-RELEASE-RQ"

    def body(self) -> bytes:
        return bytes(4)

    @classmethod
    def parse(cls, body: bytes) -> ReleaseRQ:
        cls.four(body)
        return cls()


@dataclass(frozen=True)
class ReleaseRP(_FourBytes):
    """A-RELEASE-RP (PS3.8 9.3.7)."""

    TYPE: ClassVar[int] = 0x06
    NAME: ClassVar[str] = "A-RELEASE-RP"

    def body(self) -> bytes:
        return bytes(4)

    @classmethod
    def parse(cls, body: bytes) -> ReleaseRP:
        cls.four(body)
        return cls()


@dataclass(frozen=True)
class Abort(_FourBytes):
    """A-ABORT (PS3.8 9.3.8); the words are those of table 9-26.

    The reason is significant only where the source is the service-provider.
    """

    TYPE: ClassVar[int] = 0x07
    NAME: ClassVar[str] = "A-ABORT"
    SOURCES: ClassVar[dict[int, str]] = {
        0: "DICOM UL service-user",
        2: "DICOM UL service-provider",
    }
    REASONS: ClassVar[dict[int, str]] = {
        0: "reason-not-specified",
        1: "unrecognized-PDU",
        2: "unexpected-PDU",
        4: "unrecognized-PDU parameter",
        5: "unexpected-PDU parameter",
        6: "invalid-PDU-parameter value",
    }

    source: int = 0
    reason: int = 0

    @property
    def text(self) -> str:
        source = self.SOURCES.get(self.source, f"source {self.source}")
        if self.source == 0:
            return source
        return f"{source}, {self.REASONS.get(self.reason, f'reason {self.reason}')}"

    def body(self) -> bytes:
        return bytes((0, 0, self.source, self.reason))

    @classmethod
    def parse(cls, body: bytes) -> Abort:
        return cls(*cls.four(body)[2:])


PDU = Union[AssociateRQ, AssociateAC, AssociateRJ, PData, ReleaseRQ, ReleaseRP, Abort]

_PDUS = {pdu.TYPE: pdu for pdu in (AssociateRQ, AssociateAC, AssociateRJ, PData, ReleaseRQ, ReleaseRP, Abort)}


def encode(pdu: PDU) -> bytes:
    """A PDU as it goes over the wire (PS3.8 9.3.1).

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
    """Bytes in, PDUs out, however the bytes are cut.

    feed() takes what a socket gave, next_pdu() gives the next whole PDU or None;
    it raises DicomError for what is no PDU, as soon as that shows. Whoever calls
    next_pdu() until it gives None before feeding again never makes it hold more
    than one PDU of max_length and what was fed last.
    """

    def __init__(self, max_length: int = MAX_LENGTH) -> None:
        self._max_length = max_length
        self._buffer = bytearray()

    @property
    def pending(self) -> int:
        """Number of bytes held that are no whole PDU yet."""
        return len(self._buffer)

    def feed(self, data: bytes) -> None:
        self._buffer += data

    def next_pdu(self) -> PDU | None:
        if not self._buffer:
            return None
        pdu = _PDUS.get(self._buffer[0])
        if pdu is None:
            raise DicomError("garbage", f"answered in another protocol than DICOM ({self._guess()})")
        if len(self._buffer) < 6:
            return None
        (length,) = struct.unpack_from(">2xI", self._buffer)
        if length > self._max_length:
            raise DicomError(
                "garbage",
                f"announced {pdu.NAME} of {length} bytes (at most {self._max_length} are taken)",
            )
        if len(self._buffer) < 6 + length:
            return None
        body = bytes(self._buffer[6 : 6 + length])
        del self._buffer[: 6 + length]
        return pdu.parse(body)

    def _guess(self) -> str:
        start = bytes(self._buffer[:16])
        if start.startswith(b"HTTP"):
            return "HTTP"
        # A TLS record: alert (15H) or handshake (16H), version 3.x (RFC 8446 5.1).
        if start[0] in (0x15, 0x16) and start[1:2] in (b"", b"\x03"):
            return "TLS"
        return f"it begins with {start.hex()}"


# --- C-ECHO -----------------------------------------------------------------


def _command(elements: dict[int, bytes]) -> bytes:
    """A command set, group 0000, implicit VR little endian (PS3.7 6.3.1).

    ====== =========================================
    byte   field of each element
    ====== =========================================
    1-2    group, 0000H
    3-4    element
    5-8    length of the value
    9-     value
    ====== =========================================

    Element 0000H, the length of all that follows it, is put first.
    """

    def element(number: int, value: bytes) -> bytes:
        return struct.pack("<HHI", 0, number, len(value)) + value

    rest = b"".join(element(number, value) for number, value in sorted(elements.items()))
    return element(0x0000, struct.pack("<I", len(rest))) + rest


def _uid(value: str) -> bytes:
    raw = value.encode("ascii")
    return raw + b"\0" * (len(raw) % 2)


def _us(value: int) -> bytes:
    return struct.pack("<H", value)


_NO_DATA_SET = 0x0101


@dataclass(frozen=True)
class EchoRQ:
    """C-ECHO-RQ (PS3.7 9.3.5.1).

    =========== =========================================
    element     value
    =========== =========================================
    (0000,0000) command group length
    (0000,0002) affected SOP class UID, Verification
    (0000,0100) command field, 0030H
    (0000,0110) message ID
    (0000,0800) command data set type, 0101H: no data set
    =========== =========================================
    """

    FIELD: ClassVar[int] = 0x0030

    message_id: int = 1

    def encode(self) -> bytes:
        return _command(
            {
                0x0002: _uid(VERIFICATION),
                0x0100: _us(self.FIELD),
                0x0110: _us(self.message_id),
                0x0800: _us(_NO_DATA_SET),
            }
        )


@dataclass(frozen=True)
class EchoRSP:
    """C-ECHO-RSP (PS3.7 9.3.5.2); the words for its status are those of PS3.7 annex C.

    =========== =========================================
    element     value
    =========== =========================================
    (0000,0000) command group length
    (0000,0002) affected SOP class UID, Verification
    (0000,0100) command field, 8030H
    (0000,0120) message ID being responded to
    (0000,0800) command data set type, 0101H: no data set
    (0000,0900) status, 0000H is success
    =========== =========================================
    """

    FIELD: ClassVar[int] = 0x8030
    STATUSES: ClassVar[dict[int, str]] = {
        0x0000: "success",
        0x0110: "processing failure",
        0x0122: "SOP class not supported",
        0x0124: "not authorized",
        0x0210: "duplicate invocation",
        0x0211: "unrecognized operation",
        0x0212: "mistyped argument",
    }

    message_id: int = 1
    status: int = 0

    @property
    def text(self) -> str:
        words = self.STATUSES.get(self.status)
        return f"status {self.status:04X}H" + (f", {words}" if words else "")

    def encode(self) -> bytes:
        return _command(
            {
                0x0002: _uid(VERIFICATION),
                0x0100: _us(self.FIELD),
                0x0120: _us(self.message_id),
                0x0800: _us(_NO_DATA_SET),
                0x0900: _us(self.status),
            }
        )


def decode_command(data: bytes) -> EchoRQ | EchoRSP:
    """The C-ECHO message in a whole command set; DicomError for any other."""
    elements: dict[int, bytes] = {}
    offset = 0
    while offset < len(data):
        if len(data) - offset < 8:
            raise DicomError("garbage", "sent a command set that is cut off")
        group, number, length = struct.unpack_from("<HHI", data, offset)
        offset += 8
        if group != 0 or length > len(data) - offset:
            raise DicomError("garbage", "sent a malformed command set")
        elements[number] = data[offset : offset + length]
        offset += length

    def us(number: int) -> int:
        value = elements.get(number, b"")
        if len(value) != 2:
            raise DicomError("garbage", f"sent a command set without a valid (0000,{number:04X})")
        return struct.unpack("<H", value)[0]

    field = us(0x0100)
    if field == EchoRQ.FIELD:
        return EchoRQ(us(0x0110))
    if field == EchoRSP.FIELD:
        return EchoRSP(us(0x0120), us(0x0900))
    raise DicomError("wrong_pdu", f"sent the DIMSE command {field:04X}H where C-ECHO was due")


# --- The requestor's side of an association ---------------------------------


class Requestor:
    """One association for Verification, seen from its requestor (PS3.8 9.2, PS3.7 9.1.5).

    associate(), echo() and release() give the bytes to send; receive() takes what
    the peer sent and returns the answer that was due, or None while it is not whole.
    One answer is due at a time, since no asynchronous operations are negotiated.

    Errors: DicomError of kind rejected, aborted, not_accepted, echo_status,
    wrong_pdu or garbage.
    """

    CONTEXT = PresentationContext()

    def __init__(self, called_ae: str = CALLED_AE, calling_ae: str = CALLING_AE) -> None:
        self._request = AssociateRQ(called_ae, calling_ae, (self.CONTEXT,))
        self._decoder = Decoder()
        self._due = "nothing"
        self._message_id = 0
        self._command = bytearray()
        #: Whether there is an association, to be released or aborted.
        self.associated = False
        #: The peer's A-ASSOCIATE-RJ, where it sent one.
        self.rejection: AssociateRJ | None = None

    @property
    def pending(self) -> int:
        """Number of bytes held that are no whole PDU yet."""
        return self._decoder.pending

    def associate(self) -> bytes:
        self._due = AssociateAC.NAME
        return encode(self._request)

    def echo(self) -> bytes:
        self._due = "C-ECHO-RSP"
        self._message_id = self._message_id % 0xFFFF + 1
        return encode(PData((PDV(self.CONTEXT.id, EchoRQ(self._message_id).encode()),)))

    def release(self) -> bytes:
        self._due = ReleaseRP.NAME
        return encode(ReleaseRQ())

    def receive(self, data: bytes) -> AssociateAC | EchoRSP | ReleaseRP | None:
        self._decoder.feed(data)
        while True:
            pdu = self._decoder.next_pdu()
            if pdu is None:
                return None
            answer = self._take(pdu)
            if answer is not None:
                self._due = "nothing"
                return answer

    def _take(self, pdu: PDU) -> AssociateAC | EchoRSP | ReleaseRP | None:
        if isinstance(pdu, Abort):
            self.associated = False
            raise DicomError("aborted", f"aborted the association: {pdu.text}")
        if isinstance(pdu, AssociateRJ) and self._due == AssociateAC.NAME:
            self.rejection = pdu
            raise DicomError("rejected", f"rejected the association: {pdu.text}")
        if isinstance(pdu, PData) and self._due == "C-ECHO-RSP":
            return self._take_data(pdu)
        if self._due != pdu.NAME:
            raise DicomError("wrong_pdu", f"sent {pdu.NAME} where {self._due} was due")
        self.associated = isinstance(pdu, AssociateAC)
        if self.associated:
            self._check_accepted(pdu)
        return pdu

    def _check_accepted(self, pdu: AssociateAC) -> None:
        for context in pdu.contexts:
            if context.id == self.CONTEXT.id:
                if context.result != 0:
                    raise DicomError(
                        "not_accepted",
                        f"accepted the association but not Verification: {context.text}",
                    )
                return
        raise DicomError("not_accepted", "accepted the association without an answer about Verification")

    def _take_data(self, pdu: PData) -> EchoRSP | None:
        for value in pdu.values:
            if value.context_id != self.CONTEXT.id or not value.command:
                raise DicomError("wrong_pdu", "sent a data set where C-ECHO-RSP was due")
            # Without an end to both, a peer could send fragments for ever.
            if len(self._command) + len(value.data) > MAX_LENGTH or not value.data:
                raise DicomError("garbage", "sent a C-ECHO-RSP of empty or endless fragments")
            self._command += value.data
            if value.last:
                message = decode_command(bytes(self._command))
                self._command.clear()
                return self._check_echo(message)
        return None

    def _check_echo(self, message: EchoRQ | EchoRSP) -> EchoRSP:
        if not isinstance(message, EchoRSP):
            raise DicomError("wrong_pdu", "sent C-ECHO-RQ where C-ECHO-RSP was due")
        if message.message_id != self._message_id:
            raise DicomError(
                "wrong_pdu",
                f"answered message {message.message_id} where message {self._message_id} was due",
            )
        if message.status != 0:
            raise DicomError("echo_status", f"answered C-ECHO with {message.text}")
        return message
