# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The numbers, UIDs and terms of the DICOM standard that are used here, each beside its section."""

from __future__ import annotations

# UIDs (PS3.6 table A-1).
APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"
VERIFICATION = "1.2.840.10008.1.1"
STUDY_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
WORKLIST_FIND = "1.2.840.10008.5.1.4.31"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
CT_IMAGE_STORAGE = "1.2.840.10008.5.1.4.1.1.2"  # of the studies that the tests store
IMPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2"
EXPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"  # the same

SOP_CLASSES = {
    VERIFICATION: "Verification",
    STUDY_ROOT_FIND: "Study Root Query/Retrieve - FIND",
    WORKLIST_FIND: "Modality Worklist - FIND",
    SECONDARY_CAPTURE: "Secondary Capture Image Storage",
}

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
PRIORITY = 0x0700
COMMAND_DATA_SET_TYPE = 0x0800
STATUS = 0x0900
AFFECTED_SOP_INSTANCE_UID = 0x1000

# Values of the command field, of the priority, and of the data set type where there is none and where there is one
# (PS3.7 9.3.1, 9.3.2, 9.3.5 and annex E.1).
C_STORE_RQ = 0x0001
C_STORE_RSP = 0x8001
C_FIND_RQ = 0x0020
C_FIND_RSP = 0x8020
C_CANCEL_RQ = 0x0FFF
C_ECHO_RQ = 0x0030
C_ECHO_RSP = 0x8030
MEDIUM = 0x0000
NO_DATA_SET = 0x0101
DATA_SET = 0x0001

# Status of a response (PS3.7 annex C, PS3.4 B.2.3, C.4.1.1.4 and K.4.1.1.4).
SUCCESS = 0x0000
PENDING = (0xFF00, 0xFF01)
CANCELED = 0xFE00
STORED_WITH_WARNING = (0x0107, 0x0116, 0xB000, 0xB006, 0xB007)
STATUSES = {
    0x0000: "success",
    0x0107: "attribute list error",
    0x0110: "processing failure",
    0x0111: "duplicate SOP instance",
    0x0116: "attribute value out of range",
    0x0117: "invalid object instance",
    0x0122: "SOP class not supported",
    0x0124: "not authorized",
    0x0210: "duplicate invocation",
    0x0211: "unrecognized operation",
    0x0212: "mistyped argument",
    0xB000: "coercion of data elements",
    0xB006: "elements discarded",
    0xB007: "data set does not match SOP class",
    0xFE00: "matching terminated due to cancel request",
    0xFF00: "pending",
    0xFF01: "pending, with optional keys that are not supported",
}
# Where only the first digit, or the first two, say what it means.
STATUS_RANGES = {
    0xA7: "refused: out of resources",
    0xA9: "error: data set does not match SOP class",
    **dict.fromkeys(range(0xC0, 0xD0), "failed: unable to process"),
}

# Tags and value representations of the attributes that are sent (PS3.6 chapter 6).
ATTRIBUTES = {
    "SOPClassUID": (0x00080016, "UI"),
    "SOPInstanceUID": (0x00080018, "UI"),
    "StudyDate": (0x00080020, "DA"),
    "StudyTime": (0x00080030, "TM"),
    "AccessionNumber": (0x00080050, "SH"),
    "QueryRetrieveLevel": (0x00080052, "CS"),
    "Modality": (0x00080060, "CS"),
    "ModalitiesInStudy": (0x00080061, "CS"),
    "ConversionType": (0x00080064, "CS"),
    "ReferringPhysicianName": (0x00080090, "PN"),
    "StudyDescription": (0x00081030, "LO"),
    "PatientName": (0x00100010, "PN"),
    "PatientID": (0x00100020, "LO"),
    "PatientBirthDate": (0x00100030, "DA"),
    "PatientSex": (0x00100040, "CS"),
    "StudyInstanceUID": (0x0020000D, "UI"),
    "SeriesInstanceUID": (0x0020000E, "UI"),
    "StudyID": (0x00200010, "SH"),
    "SeriesNumber": (0x00200011, "IS"),
    "InstanceNumber": (0x00200013, "IS"),
    "SamplesPerPixel": (0x00280002, "US"),
    "PhotometricInterpretation": (0x00280004, "CS"),
    "Rows": (0x00280010, "US"),
    "Columns": (0x00280011, "US"),
    "BitsAllocated": (0x00280100, "US"),
    "BitsStored": (0x00280101, "US"),
    "HighBit": (0x00280102, "US"),
    "PixelRepresentation": (0x00280103, "US"),
    "ScheduledStationAETitle": (0x00400001, "AE"),
    "ScheduledProcedureStepStartDate": (0x00400002, "DA"),
    "ScheduledProcedureStepSequence": (0x00400100, "SQ"),
    "RequestedProcedureID": (0x00401001, "SH"),
    "PixelData": (0x7FE00010, "OW"),
}
ITEM = 0xFFFEE000  # of a sequence (PS3.5 7.5)

# By which attributes one may ask (PS3.4 tables C.6-1 and K.6-1); those of a step are in its sequence.
STUDY_KEYS = (
    "PatientID",
    "PatientName",
    "AccessionNumber",
    "StudyInstanceUID",
    "StudyID",
    "StudyDate",
    "ModalitiesInStudy",
)
STEP_KEYS = ("ScheduledStationAETitle", "ScheduledProcedureStepStartDate", "Modality")
WORKLIST_KEYS = (*STEP_KEYS, "PatientID", "PatientName", "AccessionNumber", "RequestedProcedureID")
