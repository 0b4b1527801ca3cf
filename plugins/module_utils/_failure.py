# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What can go wrong when an endpoint is asked: one exception, one table of its kinds."""

from __future__ import annotations

#: Every kind of failure, with its meaning.
KINDS = {
    "refused": "connection refused",
    "timeout": "timed out",
    "no_route": "no route to host",
    "name_not_found": "name not found",
    "reset": "connection reset",
    "closed": "connection closed too early",
    "tls": "no TLS, or none that is accepted",
    "certificate": "a certificate that is not accepted",
    "http_status": "HTTP status that is not accepted",
    "rejected": "association rejected",
    "aborted": "association aborted",
    "not_accepted": "association accepted, what was to be asked not",
    "echo_status": "C-ECHO answered with a status other than success",
    "find_status": "C-FIND answered with a status other than success",
    "store_status": "C-STORE answered with a status other than success",
    "not_found": "C-FIND answered without what was stored",
    "wrong_pdu": "DICOM, but not the expected PDU",
    "malformed": "an answer that is malformed, or in another protocol",
    "local": "the host that asks could not",
}


class Failure(Exception):
    """An endpoint did not answer as it should.

    kind: one of KINDS; text: continues a sentence that begins with the endpoint, such as "refused the connection".
    """

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind
        self.text = text
