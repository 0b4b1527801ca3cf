# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes a study of CT images (PS3.10, explicit VR little endian) of 1 KiB for each row; noise, and nobody's.

usage: study.py DIRECTORY UID IMAGES ROWS; the UIDs of its images are UID.1, UID.2 and so on, the files' names 1, 2 and so on
"""

from __future__ import annotations

import os
import pathlib
import struct
import sys

CT_IMAGE_STORAGE = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
IMPLEMENTATION_UID = "2.25.82632109328200040980768772828032082702"
COLUMNS = 512  # of 16 bits


def element(group: int, number: int, vr: str, value: bytes | str | int) -> bytes:
    if isinstance(value, int):
        value = struct.pack("<I" if vr == "UL" else "<H", value)
    elif isinstance(value, str):
        value = value.encode()
    value += (b"\0" if vr in ("UI", "OB") else b" ") * (len(value) % 2)
    length = struct.pack("<xxI", len(value)) if vr in ("OB", "OW") else struct.pack("<H", len(value))
    return struct.pack("<HH2s", group, number, vr.encode()) + length + value


def image(study: str, number: int, rows: int, pixels: bytes) -> bytes:
    uid = f"{study}.{number}"
    meta = (
        element(0x0002, 0x0001, "OB", b"\0\1")
        + element(0x0002, 0x0002, "UI", CT_IMAGE_STORAGE)
        + element(0x0002, 0x0003, "UI", uid)
        + element(0x0002, 0x0010, "UI", EXPLICIT_VR_LITTLE_ENDIAN)
        + element(0x0002, 0x0012, "UI", IMPLEMENTATION_UID)
    )
    return (
        bytes(128)
        + b"DICM"
        + element(0x0002, 0x0000, "UL", len(meta))
        + meta
        + element(0x0008, 0x0016, "UI", CT_IMAGE_STORAGE)
        + element(0x0008, 0x0018, "UI", uid)
        + element(0x0008, 0x0020, "DA", "20260105")
        + element(0x0008, 0x0030, "TM", "013000")
        + element(0x0008, 0x0060, "CS", "CT")
        + element(0x0010, 0x0010, "PN", "Lab^Anna")
        + element(0x0010, 0x0020, "LO", "LAB001")
        + element(0x0020, 0x000D, "UI", study)
        + element(0x0020, 0x000E, "UI", f"{study}.0")
        + element(0x0020, 0x0013, "IS", str(number))
        + element(0x0028, 0x0002, "US", 1)
        + element(0x0028, 0x0004, "CS", "MONOCHROME2")
        + element(0x0028, 0x0010, "US", rows)
        + element(0x0028, 0x0011, "US", COLUMNS)
        + element(0x0028, 0x0100, "US", 16)
        + element(0x0028, 0x0101, "US", 16)
        + element(0x0028, 0x0102, "US", 15)
        + element(0x0028, 0x0103, "US", 0)
        + element(0x7FE0, 0x0010, "OW", pixels)
    )


def main() -> None:
    directory, study, images, rows = pathlib.Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    directory.mkdir(parents=True, exist_ok=True)
    pixels = os.urandom(2 * rows * COLUMNS)
    for number in range(1, images + 1):
        (directory / str(number)).write_bytes(image(study, number, rows, pixels))


if __name__ == "__main__":
    main()
