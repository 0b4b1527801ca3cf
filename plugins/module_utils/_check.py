# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an endpoint is asked, and what it is to answer."""

from __future__ import annotations

from dataclasses import dataclass

from . import _http_head as http_head
from ._dicom.items import CALLED_AE, CALLING_AE, check_ae_title
from ._trust import Trust


@dataclass(frozen=True)
class Check:
    """How an endpoint is asked; raises ValueError, one sentence, for a value that cannot be.

    kind: tcp, http, associate or echo. host: the HTTP Host header; empty: the endpoint's address. tls: what its
    certificate must be; None: no TLS is spoken.
    """

    kind: str = "tcp"
    path: str = http_head.CHECK_PATH
    host: str = ""
    status: str = http_head.CHECK_STATUS
    called_ae: str = CALLED_AE
    calling_ae: str = CALLING_AE
    tls: Trust | None = None

    def __post_init__(self) -> None:
        http_head.check_path(self.path)
        if self.host:
            http_head.check_host(self.host)
        http_head.parse_statuses(self.status)
        check_ae_title("called_ae", self.called_ae)
        check_ae_title("calling_ae", self.calling_ae)
