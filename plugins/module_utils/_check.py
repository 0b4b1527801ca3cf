# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an endpoint is asked, and what it is to answer."""

from __future__ import annotations

from dataclasses import dataclass

from . import _http_head as http_head
from ._dicom import constants, dataset
from ._dicom.items import CALLED_AE, CALLING_AE, check_ae_title
from ._trust import Trust

# By what C-FIND may ask for: the SOP class, and the keywords of its keys.
FINDS = {
    "study": (constants.STUDY_ROOT_FIND, constants.STUDY_KEYS),
    "worklist": (constants.WORKLIST_FIND, constants.WORKLIST_KEYS),
    "object": (constants.STUDY_ROOT_FIND, ()),
}


@dataclass(frozen=True)
class Check:
    """How an endpoint is asked; raises ValueError, one sentence, for a value that cannot be.

    kind: tcp, http, associate, echo, find or store. host: the HTTP Host header; empty: the endpoint's address. tls:
    what its certificate must be; None: no TLS is spoken. find: what C-FIND asks for; key: by which attributes; limit:
    how many matches are taken. object_uid: the SOP instance UID of the test object that is stored, or was.
    """

    kind: str = "tcp"
    path: str = http_head.CHECK_PATH
    host: str = ""
    status: str = http_head.CHECK_STATUS
    called_ae: str = CALLED_AE
    calling_ae: str = CALLING_AE
    tls: Trust | None = None
    find: str = "study"
    key: str = ""
    limit: int = 10
    object_uid: str = ""

    def __post_init__(self) -> None:
        http_head.check_path(self.path)
        if self.host:
            http_head.check_host(self.host)
        http_head.parse_statuses(self.status)
        check_ae_title("called_ae", self.called_ae)
        check_ae_title("calling_ae", self.calling_ae)
        if self.limit < 1:
            raise ValueError(f"limit is {self.limit}: it must be 1 or more")
        if (self.kind == "store" or self.kind == "find" and self.find == "object") and not dataset.UID.fullmatch(
            self.object_uid
        ):
            raise ValueError(f"object_uid is {self.object_uid!r}, which is no UID")
        self._keys()

    @property
    def sop_class(self) -> str:
        """What is asked of an association besides Verification."""
        if self.kind == "store":
            return constants.SECONDARY_CAPTURE
        return FINDS[self.find][0] if self.kind == "find" else constants.VERIFICATION

    @property
    def identifier(self) -> bytes:
        """The identifier of C-FIND."""
        if self.find == "object":
            return dataset.object_identifier(self.object_uid)
        encode = dataset.worklist_identifier if self.find == "worklist" else dataset.study_identifier
        return encode(self._keys())

    def _keys(self) -> dict[str, str]:
        try:
            return dataset.parse_key(self.key, FINDS[self.find][1]) if self.key else {}
        except ValueError as error:
            raise ValueError(f"key {error}") from error
