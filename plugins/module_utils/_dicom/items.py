# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""AE titles, and the items inside A-ASSOCIATE-RQ and A-ASSOCIATE-AC (PS3.8 9.3.2 and 9.3.3)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Iterator

from . import constants
from .errors import DicomError

CALLED_AE = "INFINITT"
CALLING_AE = "PACSLB"

# A UID made from a UUID needs no registered root (PS3.5 B.2).
IMPLEMENTATION_UID = "2.25.82632109328200040980768772828032082702"
IMPLEMENTATION_VERSION = "PACSLB_1"

#: Bytes of a PDU after its header. The limit is announced for P-DATA-TF and enforced for every PDU, so that it also
#: bounds what a hostile peer can make this side hold.
MAX_LENGTH = 16384


def check_ae_title(name: str, value: str) -> str:
    """Return value, an AE title (PS3.5 6.2, VR AE); raise ValueError, a sentence that begins with name, otherwise."""
    if not 1 <= len(value) <= 16:
        raise ValueError(f"{name} is {value!r} ({len(value)} characters): an AE title has 1 to 16 characters")
    if value != value.strip() or "\\" in value or not (value.isascii() and value.isprintable()):
        raise ValueError(
            f"{name} is {value!r}: an AE title has printable ASCII characters"
            " without a backslash, and no space at either end"
        )
    return value


def encode_ae(value: str) -> bytes:
    """Pad an AE title with spaces to 16 bytes (PS3.8 9.3.2)."""
    return value.encode("ascii").ljust(16)


def decode_text(value: bytes) -> str:
    """Decode an AE title or a UID without its padding; what is not ASCII is replaced."""
    return value.decode("ascii", "replace").strip(" \0")


def encode_item(kind: int, value: bytes) -> bytes:
    """Encode an item or sub-item (PS3.8 9.3.2.1 and following).

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


def decode_items(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the type and value of each item; raise DicomError where one is cut off or exceeds data."""
    offset = 0
    while offset < len(data):
        if len(data) - offset < 4:
            raise DicomError("malformed", "sent a DICOM item that is cut off")
        kind, length = struct.unpack_from(">BxH", data, offset)
        offset += 4
        if len(data) - offset < length:
            raise DicomError("malformed", f"sent a DICOM item (type {kind:02X}H) longer than what contains it")
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
    abstract_syntax: str = constants.VERIFICATION
    transfer_syntaxes: tuple[str, ...] = (constants.IMPLICIT_VR_LITTLE_ENDIAN,)

    def encode(self) -> bytes:
        return encode_item(
            constants.PRESENTATION_CONTEXT_ITEM,
            struct.pack(">B3x", self.id)
            + encode_item(constants.ABSTRACT_SYNTAX_ITEM, self.abstract_syntax.encode("ascii"))
            + b"".join(
                encode_item(constants.TRANSFER_SYNTAX_ITEM, uid.encode("ascii")) for uid in self.transfer_syntaxes
            ),
        )

    @classmethod
    def decode(cls, value: bytes) -> PresentationContext:
        if len(value) < 4:
            raise DicomError("malformed", "sent a presentation context that is cut off")
        abstract = ""
        transfer: list[str] = []
        for kind, uid in decode_items(value[4:]):
            if kind == constants.ABSTRACT_SYNTAX_ITEM:
                abstract = decode_text(uid)
            elif kind == constants.TRANSFER_SYNTAX_ITEM:
                transfer.append(decode_text(uid))
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

    id: int = 1
    result: int = constants.ACCEPTANCE
    transfer_syntax: str = constants.IMPLICIT_VR_LITTLE_ENDIAN

    @property
    def text(self) -> str:
        return constants.CONTEXT_RESULTS.get(self.result, f"result {self.result}")

    def encode(self) -> bytes:
        return encode_item(
            constants.CONTEXT_RESULT_ITEM,
            struct.pack(">BxBx", self.id, self.result)
            + encode_item(constants.TRANSFER_SYNTAX_ITEM, self.transfer_syntax.encode("ascii")),
        )

    @classmethod
    def decode(cls, value: bytes) -> ContextResult:
        if len(value) < 4:
            raise DicomError("malformed", "sent a presentation context that is cut off")
        # The transfer syntax is not significant in a refusal and may be missing there.
        transfer = [decode_text(uid) for kind, uid in decode_items(value[4:]) if kind == constants.TRANSFER_SYNTAX_ITEM]
        return cls(value[0], value[2], transfer[0] if transfer else "")


@dataclass(frozen=True)
class UserInformation:
    """User information, item 50H (PS3.8 9.3.2.3 and annex D.1, PS3.7 D.3.3.2).

    Sub-item 51H: maximum length of a P-DATA-TF that the sender accepts (4 bytes, 0
    means any), 52H: implementation class UID, 55H: implementation version name.
    Other sub-items are ignored.
    """

    max_length: int = MAX_LENGTH
    implementation_uid: str = IMPLEMENTATION_UID
    implementation_version: str = IMPLEMENTATION_VERSION

    def encode(self) -> bytes:
        return encode_item(
            constants.USER_INFORMATION_ITEM,
            encode_item(constants.MAX_LENGTH_ITEM, struct.pack(">I", self.max_length))
            + encode_item(constants.IMPLEMENTATION_UID_ITEM, self.implementation_uid.encode("ascii"))
            + encode_item(constants.IMPLEMENTATION_VERSION_ITEM, self.implementation_version.encode("ascii")),
        )

    @classmethod
    def decode(cls, value: bytes) -> UserInformation:
        max_length, uid, version = 0, "", ""
        for kind, content in decode_items(value):
            if kind == constants.MAX_LENGTH_ITEM:
                if len(content) != 4:
                    raise DicomError("malformed", "sent a maximum length that is not 4 bytes long")
                (max_length,) = struct.unpack(">I", content)
            elif kind == constants.IMPLEMENTATION_UID_ITEM:
                uid = decode_text(content)
            elif kind == constants.IMPLEMENTATION_VERSION_ITEM:
                version = decode_text(content)
        return cls(max_length, uid, version)
