# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The responses of C-ECHO, C-FIND and C-STORE (PS3.7 9.3), and command sets as they come."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import ClassVar, Union

from . import constants
from .commands import EchoRQ, command_set
from .dataset import encode_us
from .errors import DicomError


@dataclass(frozen=True)
class _Response:
    """C-ECHO-RSP, C-FIND-RSP, C-STORE-RSP (PS3.7 9.3.5.2, 9.3.2.2, 9.3.1.2); an identifier follows a C-FIND-RSP that is
    pending.

    =========== ================================================
    element     value
    =========== ================================================
    (0000,0000) command group length
    (0000,0002) affected SOP class UID (not read)
    (0000,0100) command field, 8030H, 8020H or 8001H
    (0000,0120) message ID being responded to
    (0000,0800) command data set type, 0101H: no data set
    (0000,0900) status, 0000H is success
    =========== ================================================
    """

    NAME: ClassVar[str]
    FIELD: ClassVar[int]

    message_id: int = 1
    status: int = constants.SUCCESS
    data_set: bool = False

    @property
    def text(self) -> str:
        words = constants.STATUSES.get(self.status) or constants.STATUS_RANGES.get(self.status >> 8)
        return f"status {self.status:04X}H" + (f", {words}" if words else "")

    def encode(self) -> bytes:
        return command_set(
            self.FIELD,
            constants.DATA_SET if self.data_set else constants.NO_DATA_SET,
            {
                constants.MESSAGE_ID_BEING_RESPONDED_TO: encode_us(self.message_id),
                constants.STATUS: encode_us(self.status),
            },
        )


class EchoRSP(_Response):
    NAME = "C-ECHO-RSP"
    FIELD = constants.C_ECHO_RSP


class FindRSP(_Response):
    NAME = "C-FIND-RSP"
    FIELD = constants.C_FIND_RSP


class StoreRSP(_Response):
    NAME = "C-STORE-RSP"
    FIELD = constants.C_STORE_RSP


Response = Union[EchoRSP, FindRSP, StoreRSP]

_RESPONSES = {response.FIELD: response for response in (EchoRSP, FindRSP, StoreRSP)}


def decode_command(data: bytes) -> EchoRQ | Response:
    """Decode a whole command set that is C-ECHO-RQ or a response; raise DicomError for any other."""
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
    response = _RESPONSES.get(field)
    if response is None:
        raise DicomError("wrong_pdu", f"sent the DIMSE command {field:04X}H where a response was expected")
    return response(
        us(constants.MESSAGE_ID_BEING_RESPONDED_TO),
        us(constants.STATUS),
        us(constants.COMMAND_DATA_SET_TYPE) != constants.NO_DATA_SET,
    )
