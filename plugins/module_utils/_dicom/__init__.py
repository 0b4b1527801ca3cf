# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""DICOM upper layer protocol, C-ECHO, C-FIND and C-STORE: bytes to dataclasses and back, without a socket.

It has what an SCU of Verification, of C-FIND and of one test object needs (PS3.4 annexes A, B, C and K): errors <
items < pdu < stream, dataset < commands < dimse < association, and one table, constants. The sections in the
docstrings are those of the DICOM standard: PS3.8 for PDUs, which are big endian, and PS3.7 for command sets, which
are little endian with implicit VR, as are the data sets.

Everything that a peer can send ends in a dataclass or in DicomError.
"""
