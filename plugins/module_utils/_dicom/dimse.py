# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Command sets of C-ECHO (PS3.7 9.3.5)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from . import constants
from .errors import DicomError


def encode_element(number: int, value: bytes) -> bytes:
    """Encode an element of a command set, implicit VR little endian (PS3.7 6.3.1).

    ====== ========================
    byte   field
    ====== ========================
    1-2    group, 0000H
    3-4    element
    5-8    length of the value
    9-     value
    ====== ========================
    """
    return struct.pack("<HHI", 0, number, len(value)) + value


def encode_us(value: int) -> bytes:
    """Encode an unsigned short (PS3.5 6.2, VR US)."""
    return struct.pack("<H", value)


def _uid(value: str) -> bytes:
    """Encode a UID, padded to an even length (PS3.5 9.4)."""
    raw = value.encode("ascii")
    return raw + b"\0" * (len(raw) % 2)


def _command_set(elements: dict[int, bytes]) -> bytes:
    """Encode a command set: its length (element 0000H), then its elements in ascending order (PS3.7 6.3.1)."""
    rest = b"".join(encode_element(number, value) for number, value in sorted(elements.items()))
    return encode_element(constants.COMMAND_GROUP_LENGTH, struct.pack("<I", len(rest))) + rest


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

    message_id: int = 1

    def encode(self) -> bytes:
        return _command_set(
            {
                constants.AFFECTED_SOP_CLASS_UID: _uid(constants.VERIFICATION),
                constants.COMMAND_FIELD: encode_us(constants.C_ECHO_RQ),
                constants.MESSAGE_ID: encode_us(self.message_id),
                constants.COMMAND_DATA_SET_TYPE: encode_us(constants.NO_DATA_SET),
            }
        )


@dataclass(frozen=True)
class EchoRSP:
    """C-ECHO-RSP (PS3.7 9.3.5.2).

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

    message_id: int = 1
    status: int = constants.SUCCESS

    @property
    def text(self) -> str:
        words = constants.STATUSES.get(self.status)
        return f"status {self.status:04X}H" + (f", {words}" if words else "")

    def encode(self) -> bytes:
        return _command_set(
            {
                constants.AFFECTED_SOP_CLASS_UID: _uid(constants.VERIFICATION),
                constants.COMMAND_FIELD: encode_us(constants.C_ECHO_RSP),
                constants.MESSAGE_ID_BEING_RESPONDED_TO: encode_us(self.message_id),
                constants.COMMAND_DATA_SET_TYPE: encode_us(constants.NO_DATA_SET),
                constants.STATUS: encode_us(self.status),
            }
        )


def decode_command(data: bytes) -> EchoRQ | EchoRSP:
    """Decode a whole command set that is a C-ECHO message; raise DicomError for any other."""
    elements: dict[int, bytes] = {}
    offset = 0
    while offset < len(data):
        if len(data) - offset < 8:
            raise DicomError("malformed", "sent a command set that is cut off")
        group, number, length = struct.unpack_from("<HHI", data, offset)
        offset += 8
        if group != 0 or length > len(data) - offset:
            raise DicomError("malformed", "sent a malformed command set")
        elements[number] = data[offset : offset + length]
        offset += length

    def us(number: int) -> int:
        value = elements.get(number, b"")
        if len(value) != 2:
            raise DicomError("malformed", f"sent a command set without a valid (0000,{number:04X})")
        return struct.unpack("<H", value)[0]

    field = us(constants.COMMAND_FIELD)
    if field == constants.C_ECHO_RQ:
        return EchoRQ(us(constants.MESSAGE_ID))
    if field == constants.C_ECHO_RSP:
        return EchoRSP(us(constants.MESSAGE_ID_BEING_RESPONDED_TO), us(constants.STATUS))
    raise DicomError("wrong_pdu", f"sent the DIMSE command {field:04X}H where C-ECHO was expected")
