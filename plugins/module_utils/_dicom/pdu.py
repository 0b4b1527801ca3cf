# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The seven PDUs of the upper layer protocol (PS3.8 9.3), without their header."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import ClassVar, TypeVar

from . import constants, items
from .errors import DicomError
from .items import ContextResult, PresentationContext, UserInformation

_Association = TypeVar("_Association", bound="_Associate")


@dataclass(frozen=True)
class _Associate:
    """The layout that A-ASSOCIATE-RQ and A-ASSOCIATE-AC share (PS3.8 9.3.2, 9.3.3).

    ====== =========================================================
    byte   field (bytes 1 to 6, the header, are in stream.encode())
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
    CONTEXT: ClassVar[type[PresentationContext] | type[ContextResult]]
    CONTEXT_ITEM: ClassVar[int]

    called_ae: str = items.CALLED_AE
    calling_ae: str = items.CALLING_AE
    contexts: tuple = ()
    user: UserInformation = UserInformation()

    def body(self) -> bytes:
        return (
            struct.pack(">HH16s16s32x", 1, 0, items.encode_ae(self.called_ae), items.encode_ae(self.calling_ae))
            + items.encode_item(constants.APPLICATION_CONTEXT_ITEM, constants.APPLICATION_CONTEXT.encode("ascii"))
            + b"".join(context.encode() for context in self.contexts)
            + self.user.encode()
        )

    @classmethod
    def parse(cls: type[_Association], body: bytes) -> _Association:
        if len(body) < 68:
            raise DicomError("malformed", f"sent an {cls.NAME} that is too short ({len(body)} bytes)")
        contexts = []
        user = UserInformation(0, "", "")
        for kind, value in items.decode_items(body[68:]):
            if kind == cls.CONTEXT_ITEM:
                contexts.append(cls.CONTEXT.decode(value))
            elif kind == constants.USER_INFORMATION_ITEM:
                user = UserInformation.decode(value)
        return cls(items.decode_text(body[4:20]), items.decode_text(body[20:36]), tuple(contexts), user)


@dataclass(frozen=True)
class AssociateRQ(_Associate):
    """A-ASSOCIATE-RQ (PS3.8 9.3.2): proposes presentation contexts."""

    TYPE: ClassVar[int] = constants.A_ASSOCIATE_RQ
    NAME: ClassVar[str] = "A-ASSOCIATE-RQ"
    CONTEXT = PresentationContext
    CONTEXT_ITEM: ClassVar[int] = constants.PRESENTATION_CONTEXT_ITEM

    contexts: tuple[PresentationContext, ...] = (PresentationContext(),)


@dataclass(frozen=True)
class AssociateAC(_Associate):
    """A-ASSOCIATE-AC (PS3.8 9.3.3): answers each presentation context."""

    TYPE: ClassVar[int] = constants.A_ASSOCIATE_AC
    NAME: ClassVar[str] = "A-ASSOCIATE-AC"
    CONTEXT = ContextResult
    CONTEXT_ITEM: ClassVar[int] = constants.CONTEXT_RESULT_ITEM

    contexts: tuple[ContextResult, ...] = (ContextResult(),)


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
        """Return body; raise DicomError where it is not four bytes long."""
        if len(body) != 4:
            raise DicomError("malformed", f"sent an {cls.NAME} of {len(body)} bytes instead of 4")
        return body


@dataclass(frozen=True)
class AssociateRJ(_FourBytes):
    """A-ASSOCIATE-RJ (PS3.8 9.3.4)."""

    TYPE: ClassVar[int] = constants.A_ASSOCIATE_RJ
    NAME: ClassVar[str] = "A-ASSOCIATE-RJ"

    result: int
    source: int
    reason: int

    @property
    def busy(self) -> bool:
        """Whether the peer works but accepts no more associations for now (result 2, source 3)."""
        return (self.result, self.source) == (constants.REJECTED_TRANSIENT, constants.PRESENTATION_RELATED)

    @property
    def text(self) -> str:
        result = constants.REJECTION_RESULTS.get(self.result, f"result {self.result}")
        source = constants.REJECTION_SOURCES.get(self.source, f"source {self.source}")
        reason = constants.REJECTION_REASONS.get((self.source, self.reason), f"reason {self.reason}")
        return f"{result}, {source}, {reason}"

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

    TYPE: ClassVar[int] = constants.P_DATA_TF
    NAME: ClassVar[str] = "P-DATA-TF"

    values: tuple[PDV, ...]

    def body(self) -> bytes:
        return b"".join(value.encode() for value in self.values)

    @classmethod
    def parse(cls, body: bytes) -> PData:
        values: list[PDV] = []
        offset = 0
        while offset < len(body):
            if len(body) - offset < 6:
                raise DicomError("malformed", "sent a presentation data value that is cut off")
            length, context_id, header = struct.unpack_from(">IBB", body, offset)
            end = offset + 4 + length
            if length < 2 or end > len(body):
                raise DicomError("malformed", f"sent a presentation data value with a wrong length ({length})")
            values.append(PDV(context_id, body[offset + 6 : end], bool(header & 1), bool(header & 2)))
            offset = end
        return cls(tuple(values))


_Released = TypeVar("_Released", bound="_Release")


class _Release(_FourBytes):
    def body(self) -> bytes:
        return bytes(4)

    @classmethod
    def parse(cls: type[_Released], body: bytes) -> _Released:
        cls.four(body)
        return cls()


@dataclass(frozen=True)
class ReleaseRQ(_Release):
    """A-RELEASE-RQ (PS3.8 9.3.6)."""

    TYPE: ClassVar[int] = constants.A_RELEASE_RQ
    NAME: ClassVar[str] = "A-RELEASE-RQ"


@dataclass(frozen=True)
class ReleaseRP(_Release):
    """A-RELEASE-RP (PS3.8 9.3.7)."""

    TYPE: ClassVar[int] = constants.A_RELEASE_RP
    NAME: ClassVar[str] = "A-RELEASE-RP"


@dataclass(frozen=True)
class Abort(_FourBytes):
    """A-ABORT (PS3.8 9.3.8); its reason is significant only where the source is the service-provider."""

    TYPE: ClassVar[int] = constants.A_ABORT
    NAME: ClassVar[str] = "A-ABORT"

    source: int = constants.SERVICE_USER
    reason: int = 0

    @property
    def text(self) -> str:
        source = constants.ABORT_SOURCES.get(self.source, f"source {self.source}")
        reason = constants.ABORT_REASONS.get(self.reason, f"reason {self.reason}")
        return source if self.source == constants.SERVICE_USER else f"{source}, {reason}"

    def body(self) -> bytes:
        return bytes((0, 0, self.source, self.reason))

    @classmethod
    def parse(cls, body: bytes) -> Abort:
        return cls(*cls.four(body)[2:])
