# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Studies of CT images: noise, and of nobody (PS3.10, explicit VR little endian)."""

from __future__ import annotations

import os
import pathlib
import struct

from ansible_collections.pacs.loadbalancer.plugins.module_utils._dicom.constants import (
    CT_IMAGE_STORAGE,
    EXPLICIT_VR_LITTLE_ENDIAN,
)
from ansible_collections.pacs.loadbalancer.plugins.module_utils._dicom.items import IMPLEMENTATION_UID

PATIENT = "LAB001"
COLUMNS = 512  # of 16 bits


def _element(group: int, number: int, vr: str, value: bytes | str | int) -> bytes:
    if isinstance(value, int):
        value = struct.pack("<I" if vr == "UL" else "<H", value)
    elif isinstance(value, str):
        value = value.encode()
    value += (b"\0" if vr in ("UI", "OB") else b" ") * (len(value) % 2)
    length = struct.pack("<xxI", len(value)) if vr in ("OB", "OW") else struct.pack("<H", len(value))
    return struct.pack("<HH2s", group, number, vr.encode()) + length + value


def _image(study: str, number: int, rows: int, pixels: bytes) -> bytes:
    uid = f"{study}.{number}"
    meta = (
        _element(0x0002, 0x0001, "OB", b"\0\1")
        + _element(0x0002, 0x0002, "UI", CT_IMAGE_STORAGE)
        + _element(0x0002, 0x0003, "UI", uid)
        + _element(0x0002, 0x0010, "UI", EXPLICIT_VR_LITTLE_ENDIAN)
        + _element(0x0002, 0x0012, "UI", IMPLEMENTATION_UID)
    )
    return (
        bytes(128)
        + b"DICM"
        + _element(0x0002, 0x0000, "UL", len(meta))
        + meta
        + _element(0x0008, 0x0016, "UI", CT_IMAGE_STORAGE)
        + _element(0x0008, 0x0018, "UI", uid)
        + _element(0x0008, 0x0020, "DA", "20260105")
        + _element(0x0008, 0x0030, "TM", "013000")
        + _element(0x0008, 0x0060, "CS", "CT")
        + _element(0x0010, 0x0010, "PN", "Lab^Anna")
        + _element(0x0010, 0x0020, "LO", PATIENT)
        + _element(0x0020, 0x000D, "UI", study)
        + _element(0x0020, 0x000E, "UI", f"{study}.0")
        + _element(0x0020, 0x0013, "IS", str(number))
        + _element(0x0028, 0x0002, "US", 1)
        + _element(0x0028, 0x0004, "CS", "MONOCHROME2")
        + _element(0x0028, 0x0010, "US", rows)
        + _element(0x0028, 0x0011, "US", COLUMNS)
        + _element(0x0028, 0x0100, "US", 16)
        + _element(0x0028, 0x0101, "US", 16)
        + _element(0x0028, 0x0102, "US", 15)
        + _element(0x0028, 0x0103, "US", 0)
        + _element(0x7FE0, 0x0010, "OW", pixels)
    )


def write(directory: pathlib.Path, study: str, images: int, rows: int) -> None:
    """Write images of 1 KiB for each row: the files 1, 2..., whose UIDs are that of the study with .1, .2..."""
    directory.mkdir(parents=True, exist_ok=True)
    pixels = os.urandom(2 * rows * COLUMNS)
    for number in range(1, images + 1):
        (directory / str(number)).write_bytes(_image(study, number, rows, pixels))
