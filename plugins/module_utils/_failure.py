# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What can go wrong when an endpoint is asked: one error, one list of kinds."""

from __future__ import annotations

#: Every kind of failure, with what it means. Each text that goes with one is a
#: predicate: it continues a sentence that begins with the endpoint.
KINDS = {
    "refused": "connection refused",
    "timeout": "timed out",
    "no_route": "no route to host",
    "name_not_found": "name not found",
    "reset": "connection reset",
    "closed": "connection closed too early",
    "http_status": "HTTP status that is not accepted",
    "rejected": "association rejected",
    "aborted": "association aborted",
    "not_accepted": "association accepted, Verification not",
    "echo_status": "C-ECHO answered with a status other than success",
    "wrong_pdu": "DICOM, but not what was due",
    "malformed": "an answer in another protocol, or a malformed one",
    "local": "the asking host itself could not ask",
}


class Failure(Exception):
    """An endpoint did not answer as it should.

    kind: one of KINDS; text: a predicate such as "refused the connection".
    """

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind
        self.text = text
