# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The numbers, UIDs and terms of the DICOM standard that are used here, each beside its section."""

from __future__ import annotations

# UIDs (PS3.6 table A-1).
APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"
VERIFICATION = "1.2.840.10008.1.1"
CT_IMAGE_STORAGE = "1.2.840.10008.5.1.4.1.1.2"  # of the studies that the tests store
IMPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2"
EXPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"  # the same

# Types of PDUs (PS3.8 9.3.1).
A_ASSOCIATE_RQ = 0x01
A_ASSOCIATE_AC = 0x02
A_ASSOCIATE_RJ = 0x03
P_DATA_TF = 0x04
A_RELEASE_RQ = 0x05
A_RELEASE_RP = 0x06
A_ABORT = 0x07

# Types of items and sub-items (PS3.8 9.3.2 and 9.3.3, PS3.7 D.3.3.2).
APPLICATION_CONTEXT_ITEM = 0x10
PRESENTATION_CONTEXT_ITEM = 0x20
CONTEXT_RESULT_ITEM = 0x21
ABSTRACT_SYNTAX_ITEM = 0x30
TRANSFER_SYNTAX_ITEM = 0x40
USER_INFORMATION_ITEM = 0x50
MAX_LENGTH_ITEM = 0x51
IMPLEMENTATION_UID_ITEM = 0x52
IMPLEMENTATION_VERSION_ITEM = 0x55

# Answer to a presentation context (PS3.8 table 9-18).
ACCEPTANCE = 0
CONTEXT_RESULTS = {
    0: "acceptance",
    1: "user-rejection",
    2: "no-reason (provider rejection)",
    3: "abstract-syntax-not-supported (provider rejection)",
    4: "transfer-syntaxes-not-supported (provider rejection)",
}

# Fields of A-ASSOCIATE-RJ (PS3.8 table 9-21); a reason is keyed by its source, too.
REJECTED_TRANSIENT = 2
PRESENTATION_RELATED = 3
REJECTION_RESULTS = {1: "rejected-permanent", 2: "rejected-transient"}
REJECTION_SOURCES = {
    1: "DICOM UL service-user",
    2: "DICOM UL service-provider (ACSE related function)",
    3: "DICOM UL service-provider (Presentation related function)",
}
REJECTION_REASONS = {
    (1, 1): "no-reason-given",
    (1, 2): "application-context-name-not-supported",
    (1, 3): "calling-AE-title-not-recognized",
    (1, 7): "called-AE-title-not-recognized",
    (2, 1): "no-reason-given",
    (2, 2): "protocol-version-not-supported",
    (3, 1): "temporary-congestion",
    (3, 2): "local-limit-exceeded",
}

# Fields of A-ABORT (PS3.8 table 9-26).
SERVICE_USER = 0
ABORT_SOURCES = {0: "DICOM UL service-user", 2: "DICOM UL service-provider"}
ABORT_REASONS = {
    0: "reason-not-specified",
    1: "unrecognized-PDU",
    2: "unexpected-PDU",
    4: "unrecognized-PDU parameter",
    5: "unexpected-PDU parameter",
    6: "invalid-PDU-parameter value",
}

# Elements of a command set, all of group 0000 (PS3.7 annex E.1).
COMMAND_GROUP_LENGTH = 0x0000
AFFECTED_SOP_CLASS_UID = 0x0002
COMMAND_FIELD = 0x0100
MESSAGE_ID = 0x0110
MESSAGE_ID_BEING_RESPONDED_TO = 0x0120
COMMAND_DATA_SET_TYPE = 0x0800
STATUS = 0x0900

# Values of the command field, and of the data set type where there is no data set (PS3.7 9.3.5).
C_ECHO_RQ = 0x0030
C_ECHO_RSP = 0x8030
NO_DATA_SET = 0x0101

# Status of a response (PS3.7 annex C).
SUCCESS = 0x0000
STATUSES = {
    0x0000: "success",
    0x0110: "processing failure",
    0x0122: "SOP class not supported",
    0x0124: "not authorized",
    0x0210: "duplicate invocation",
    0x0211: "unrecognized operation",
    0x0212: "mistyped argument",
}
