# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Data sets that are sent: identifiers of C-FIND, and the test object of C-STORE. None is decoded: what a PACS knows of
its patients is of no concern here.
"""

from __future__ import annotations

import re
import struct
from typing import Iterable, Mapping

from . import constants
from .constants import ATTRIBUTES

# The test object is of one patient and one study, which a PACS may delete at any time. (UIDs: PS3.5 B.2.)
TEST_PATIENT = "PACSLB-TEST"
TEST_STUDY = "2.25.121029155001310430519002237602339125761"
TEST_SERIES = "2.25.121029155001310430519002237602339125762"
TEST_SIDE = 16  # pixels

UID = re.compile(r"(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*)){1,63}")


def encode_uid(value: str) -> bytes:
    """Encode a UID, padded to an even length (PS3.5 9.4)."""
    raw = value.encode("ascii")
    return raw + b"\0" * (len(raw) % 2)


def encode_us(value: int) -> bytes:
    """Encode an unsigned short (PS3.5 6.2, VR US)."""
    return struct.pack("<H", value)


def encode_element(tag: int, value: bytes) -> bytes:
    """Encode an element, implicit VR little endian (PS3.5 7.1.3, and of command sets PS3.7 6.3.1).

    ====== ========================
    byte   field
    ====== ========================
    1-2    group, 0000H in a command set
    3-4    element
    5-8    length of the value
    9-     value, of even length
    ====== ========================
    """
    return struct.pack("<HHI", tag >> 16, tag & 0xFFFF, len(value)) + value


def _value(kind: str, value: object) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, int):  # US
        return encode_us(value)
    if kind == "UI":
        return encode_uid(str(value))
    raw = str(value).encode("ascii")
    return raw + b" " * (len(raw) % 2)  # PS3.5 6.2


def encode_data_set(values: Mapping[str, object]) -> bytes:
    """Encode attributes, by their keywords, in ascending order (PS3.5 7.1); one that is a mapping is a sequence of one
    item of defined length (PS3.5 7.5)."""
    encoded = {}
    for keyword, value in values.items():
        tag, kind = ATTRIBUTES[keyword]
        if isinstance(value, Mapping):
            value = encode_element(constants.ITEM, encode_data_set(value))
        encoded[tag] = encode_element(tag, _value(kind, value))
    return b"".join(encoded[tag] for tag in sorted(encoded))


def parse_key(text: str, keywords: Iterable[str]) -> dict[str, str]:
    """Return the matching keys that are written as KEYWORD=VALUE, with commas between them; raise ValueError, the end
    of a sentence, for anything else. The sentence has none of the values, since they may be a patient's."""
    found = {}
    known = list(keywords)
    for part in text.split(","):
        keyword, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or not value:
            raise ValueError("is not of the form KEYWORD=VALUE")
        if keyword not in known:
            raise ValueError(f"has a keyword other than {', '.join(known)}")
        if keyword in found:
            raise ValueError(f"has {keyword} twice")
        if not (value.isascii() and value.isprintable()) or "\\" in value or len(value) > 64:
            raise ValueError(f"has for {keyword} what is not up to 64 printable ASCII characters without a backslash")
        if keyword == "StudyInstanceUID" and not (UID.fullmatch(value)):
            raise ValueError(f"has for {keyword} what is no UID")
        found[keyword] = value
    return found


def study_identifier(key: Mapping[str, str]) -> bytes:
    """Ask for studies (PS3.4 C.6.2.1.2). Without a key, for the one of the test objects, which costs a PACS little."""
    return encode_data_set(
        {"StudyInstanceUID": "", **(key or {"StudyInstanceUID": TEST_STUDY}), "QueryRetrieveLevel": "STUDY"}
    )


def worklist_identifier(key: Mapping[str, str]) -> bytes:
    """Ask for scheduled procedure steps (PS3.4 K.6.1.2). Without a key, for those of the test patient."""
    own = key or {"PatientID": TEST_PATIENT}
    step = {keyword: own.get(keyword, "") for keyword in constants.STEP_KEYS}
    others = {keyword: value for keyword, value in own.items() if keyword not in step}
    return encode_data_set({"RequestedProcedureID": "", **others, "ScheduledProcedureStepSequence": step})


def object_identifier(uid: str) -> bytes:
    """Ask for the test object of this SOP instance UID (PS3.4 C.6.2.1.4)."""
    return encode_data_set(
        {
            "QueryRetrieveLevel": "IMAGE",
            "StudyInstanceUID": TEST_STUDY,
            "SeriesInstanceUID": TEST_SERIES,
            "SOPInstanceUID": uid,
        }
    )


def test_object(uid: str) -> bytes:
    """Encode a Secondary Capture Image (PS3.3 A.8.1) with this SOP instance UID: a small grey square of nobody."""
    return encode_data_set(
        {
            "SOPClassUID": constants.SECONDARY_CAPTURE,
            "SOPInstanceUID": uid,
            **dict.fromkeys(("StudyDate", "StudyTime", "AccessionNumber", "ReferringPhysicianName"), ""),
            "Modality": "OT",
            "ConversionType": "SYN",
            "StudyDescription": "Test of the load balancers",
            "PatientName": "TEST^PACSLB",
            "PatientID": TEST_PATIENT,
            "PatientBirthDate": "",
            "PatientSex": "",
            "StudyInstanceUID": TEST_STUDY,
            "SeriesInstanceUID": TEST_SERIES,
            "StudyID": "PACSLB",
            "SeriesNumber": "1",
            "InstanceNumber": "1",
            "SamplesPerPixel": 1,
            "PhotometricInterpretation": "MONOCHROME2",
            "Rows": TEST_SIDE,
            "Columns": TEST_SIDE,
            "BitsAllocated": 8,
            "BitsStored": 8,
            "HighBit": 7,
            "PixelRepresentation": 0,
            "PixelData": b"\x80" * TEST_SIDE**2,
        }
    )
