# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Command sets, and those of the requests: C-ECHO, C-FIND, C-CANCEL and C-STORE (PS3.7 9.3)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from . import constants
from .dataset import encode_element, encode_uid, encode_us


def command_set(field: int, data_set: int, elements: dict[int, bytes]) -> bytes:
    """Encode a command set: its length (element 0000H), then its elements in ascending order (PS3.7 6.3.1)."""
    elements = {
        constants.COMMAND_FIELD: encode_us(field),
        constants.COMMAND_DATA_SET_TYPE: encode_us(data_set),
        **elements,
    }
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
        return command_set(
            constants.C_ECHO_RQ,
            constants.NO_DATA_SET,
            {
                constants.AFFECTED_SOP_CLASS_UID: encode_uid(constants.VERIFICATION),
                constants.MESSAGE_ID: encode_us(self.message_id),
            },
        )


@dataclass(frozen=True)
class FindRQ:
    """C-FIND-RQ (PS3.7 9.3.2.1); its identifier follows.

    =========== =========================================
    element     value
    =========== =========================================
    (0000,0000) command group length
    (0000,0002) affected SOP class UID
    (0000,0100) command field, 0020H
    (0000,0110) message ID
    (0000,0700) priority, 0000H: medium
    (0000,0800) command data set type, any but 0101H
    =========== =========================================
    """

    message_id: int
    sop_class: str

    def encode(self) -> bytes:
        return command_set(
            constants.C_FIND_RQ,
            constants.DATA_SET,
            {
                constants.AFFECTED_SOP_CLASS_UID: encode_uid(self.sop_class),
                constants.MESSAGE_ID: encode_us(self.message_id),
                constants.PRIORITY: encode_us(constants.MEDIUM),
            },
        )


@dataclass(frozen=True)
class CancelRQ:
    """C-CANCEL-RQ of a C-FIND (PS3.7 9.3.2.3).

    =========== =========================================
    element     value
    =========== =========================================
    (0000,0000) command group length
    (0000,0100) command field, 0FFFH
    (0000,0120) message ID of the C-FIND-RQ
    (0000,0800) command data set type, 0101H: no data set
    =========== =========================================
    """

    message_id: int

    def encode(self) -> bytes:
        return command_set(
            constants.C_CANCEL_RQ,
            constants.NO_DATA_SET,
            {constants.MESSAGE_ID_BEING_RESPONDED_TO: encode_us(self.message_id)},
        )


@dataclass(frozen=True)
class StoreRQ:
    """C-STORE-RQ (PS3.7 9.3.1.1); its data set follows.

    =========== =========================================
    element     value
    =========== =========================================
    (0000,0000) command group length
    (0000,0002) affected SOP class UID
    (0000,0100) command field, 0001H
    (0000,0110) message ID
    (0000,0700) priority, 0000H: medium
    (0000,0800) command data set type, any but 0101H
    (0000,1000) affected SOP instance UID
    =========== =========================================
    """

    message_id: int
    sop_class: str
    sop_instance: str

    def encode(self) -> bytes:
        return command_set(
            constants.C_STORE_RQ,
            constants.DATA_SET,
            {
                constants.AFFECTED_SOP_CLASS_UID: encode_uid(self.sop_class),
                constants.MESSAGE_ID: encode_us(self.message_id),
                constants.PRIORITY: encode_us(constants.MEDIUM),
                constants.AFFECTED_SOP_INSTANCE_UID: encode_uid(self.sop_instance),
            },
        )
