# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""HAProxy's DICOM health check: the bytes that its tcp-check sends and the answers that it accepts."""

from __future__ import annotations

from ansible_collections.pacs.loadbalancer.plugins.module_utils._dicom import constants
from ansible_collections.pacs.loadbalancer.plugins.module_utils._dicom.association import Requestor
from ansible_collections.pacs.loadbalancer.plugins.module_utils._dicom.dataset import encode_element, encode_us
from ansible_collections.pacs.loadbalancer.plugins.module_utils._dicom.items import (
    CALLED_AE,
    CALLING_AE,
    check_ae_title,
)
from ansible_collections.pacs.loadbalancer.plugins.module_utils._dicom.pdu import AssociateRJ
from ansible_collections.pacs.loadbalancer.plugins.module_utils._dicom.stream import encode


def steps(service: dict) -> list[dict]:
    """Return the steps of a service's check, each with name, send and expect; ValueError in one sentence.

    HAProxy matches expect with the upper case hexadecimal digits of the answer, from its first byte, the PDU type (its
    manual, "tcp-check expect"). Once an answer has min-recv bytes, a mismatch is final. C-ECHO-RSP has no min-recv,
    since DCMTK sends it in two parts.
    """
    kind = service.get("check")
    if kind not in ("associate", "echo"):
        raise ValueError(f"check is {kind!r}: it must be associate or echo")
    requestor = Requestor(
        check_ae_title("called_ae", service.get("called_ae") or CALLED_AE),
        check_ae_title("calling_ae", service.get("calling_ae") or CALLING_AE),
    )
    accepted = f"{constants.A_ASSOCIATE_AC:02X}"
    busy = encode(AssociateRJ(constants.REJECTED_TRANSIENT, constants.PRESENTATION_RELATED, 0))
    if kind == "associate":
        # All but the last byte, the reason: see AssociateRJ.busy.
        accepted = f"({accepted}|{busy[:-1].hex().upper()})"
    check = [_step("associate", requestor.associate(), f"min-recv {len(busy)} rbinary ^{accepted}")]
    if kind == "echo":
        # The last element of C-ECHO-RSP, whatever message ID and padding precede it.
        success = encode_element(constants.STATUS, encode_us(constants.SUCCESS)).hex().upper()
        check.append(_step("echo", requestor.echo(), f"rbinary ^{constants.P_DATA_TF:02X}.*{success}"))
    return [*check, _step("release", requestor.release(), None)]


def _step(name: str, send: bytes, expect: str | None) -> dict:
    return {"name": name, "send": send.hex().upper(), "expect": expect}
