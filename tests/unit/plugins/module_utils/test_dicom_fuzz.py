# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PDUs that were damaged on purpose, against the decoder: it raises its own error or none, holds no more than a PDU,
and ends. PACS_FUZZ says how many there are: a million, with `make test-all`.
"""

from __future__ import annotations

import os
import random
import time

from ansible_collections.pacs.loadbalancer.plugins.module_utils._dicom import stream
from ansible_collections.pacs.loadbalancer.plugins.module_utils._dicom.association import Requestor
from ansible_collections.pacs.loadbalancer.plugins.module_utils._dicom.commands import EchoRQ
from ansible_collections.pacs.loadbalancer.plugins.module_utils._dicom.dimse import EchoRSP, FindRSP, StoreRSP
from ansible_collections.pacs.loadbalancer.plugins.module_utils._dicom.errors import DicomError
from ansible_collections.pacs.loadbalancer.plugins.module_utils._dicom.items import (
    MAX_LENGTH,
    ContextResult,
    PresentationContext,
)
from ansible_collections.pacs.loadbalancer.plugins.module_utils._dicom.pdu import (
    PDV,
    Abort,
    AssociateAC,
    AssociateRJ,
    AssociateRQ,
    PData,
    ReleaseRP,
    ReleaseRQ,
)

NUMBER = int(os.environ.get("PACS_FUZZ", "100000"))
ACCEPTED = AssociateAC("INFINITT", "CT1", (ContextResult(1, 0, "1.2.840.10008.1.2"),))
ECHOED = PData((PDV(1, EchoRSP(1, 0).encode()),))
ASKED = (
    lambda requestor: requestor.echo(),
    lambda requestor: requestor.find(b"", 1),
    lambda requestor: requestor.find(b"", 1, b"2.25.1"),
    lambda requestor: requestor.store("2.25.1", b""),
)
WHOLE = [
    *map(
        stream.encode,
        [
            AssociateRQ("INFINITT", "CT1", (PresentationContext(),)),
            ACCEPTED,
            AssociateRJ(1, 1, 3),
            PData((PDV(1, EchoRQ(1).encode()), PDV(1, b"\0" * 40, False, True))),
            ECHOED,
            PData((PDV(1, FindRSP(1, 0xFF00, True).encode()), PDV(1, b"\0" * 40, False, True))),
            PData((PDV(1, FindRSP(1, 0).encode()),)),
            PData((PDV(1, StoreRSP(1, 0).encode()),)),
            ReleaseRQ(),
            ReleaseRP(),
            Abort(2, 1),
        ],
    )
]


def damaged(draw: random.Random) -> bytes:
    """A PDU of which bytes were changed, taken out, doubled or cut off; the length that it announces may be another."""
    pdu = bytearray(draw.choice(WHOLE))
    for _damage in range(draw.randint(1, 4)):
        at = draw.randrange(len(pdu)) if pdu else 0
        damage = draw.choice(("change", "change", "take out", "double", "cut off", "announce"))
        if damage == "take out":
            del pdu[at : at + draw.randint(1, 8)]
        elif damage == "double":
            pdu[at:at] = pdu[at : at + draw.randint(1, 40)]
        elif damage == "cut off":
            del pdu[at:]
        elif damage == "announce" and len(pdu) > 6:
            pdu[2:6] = max(len(pdu) - 6 + draw.randint(-3, 3), 0).to_bytes(4, "big")
        elif pdu:
            pdu[at] = draw.choice((0, 1, 0x7F, 0x80, 0xFF, draw.randrange(256)))
    return bytes(pdu)


def test_damaged_pdus_raise_nothing_but_the_codecs_error_and_cost_little():
    draw, outcomes, slowest = random.Random(14), {"read": 0, "refused": 0, "unfinished": 0}, 0.0
    for _pdu in range(NUMBER):
        # A requestor that has sent its request, and ones that wait for the answer to their C-ECHO, C-FIND or C-STORE.
        requestor = Requestor()
        requestor.associate()
        if draw.random() < 0.5:
            requestor.receive(stream.encode(ACCEPTED))
            draw.choice(ASKED)(requestor)
        data, began = damaged(draw), time.perf_counter()
        cut = draw.randrange(len(data) + 1)
        try:
            for part in (data[:cut], data[cut:]):
                answer = requestor.receive(part)
            outcomes["read" if answer else "unfinished"] += 1
        except DicomError:
            outcomes["refused"] += 1
        slowest = max(slowest, time.perf_counter() - began)
        assert requestor.pending <= len(data) <= MAX_LENGTH
    assert min(outcomes.values()) > NUMBER / 200, outcomes
    assert slowest < 5, "and the machine may have been busy"
