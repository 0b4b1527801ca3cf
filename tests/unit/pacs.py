# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A PACS of two nodes with worklists, and a modality, by pynetdicom and on the addresses of the tests. The VIP is
pacs1's.

`python pacs.py deaf=pacs1`: that node answers no C-FIND on 105. `python pacs.py other=ct1`: the modality knows others.
"""

from __future__ import annotations

import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom.sop_class import (
    ModalityWorklistInformationFind,
    SecondaryCaptureImageStorage,
    StudyRootQueryRetrieveInformationModelFind,
    Verification,
)

ADDRESSES = {"198.51.100.10": "pacs1", "198.51.100.21": "pacs1", "198.51.100.22": "pacs2", "198.51.100.50": "ct1"}
CANARY = "CANARY^PATIENT"
MANY = 40  # steps of CT1's worklist


class Web(BaseHTTPRequestHandler):
    def do_HEAD(self):
        self.send_response(200)
        self.end_headers()


def node(address, port, name, stored, deaf):
    def find(event):
        asked = event.identifier
        if deaf and port == 105:
            threading.Event().wait(60)
        found = Dataset()
        found.PatientName = CANARY
        if asked.get("QueryRetrieveLevel") == "IMAGE" and asked.SOPInstanceUID in stored:
            yield 0xFF00, asked
        elif asked.get("PatientID") == "PHANTOM1":
            found.StudyInstanceUID = "2.25.1"
            yield 0xFF00, found
        elif any(step.ScheduledStationAETitle == "CT1" for step in asked.get("ScheduledProcedureStepSequence", ())):
            yield from ((0xFF00, found) for _step in range(MANY))

    def store(event):
        stored.add(event.request.AffectedSOPInstanceUID)
        return 0x0000

    ae = AE("INFINITT")
    for context in (
        Verification,
        StudyRootQueryRetrieveInformationModelFind,
        ModalityWorklistInformationFind,
        SecondaryCaptureImageStorage,
    ):
        ae.add_supported_context(context)
    handlers = [(evt.EVT_C_FIND, find), (evt.EVT_C_STORE, store)]
    ae.start_server((address, port), block=False, evt_handlers=handlers)


def main(*faults):
    stored = {name: set() for name in ADDRESSES.values()}
    for address, name in ADDRESSES.items():
        if name == "ct1":
            ae = AE("CT1")
            ae.add_supported_context(Verification)
            ae.require_calling_aet = ["OTHER" if "other=ct1" in faults else "PACSLB"]
            ae.start_server((address, 104), block=False)
            continue
        for port in (104, 105, 204):
            node(address, port, name, stored[name], f"deaf={name}" in faults)
        threading.Thread(target=HTTPServer((address, 80), Web).serve_forever, daemon=True).start()
    print("up", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
