# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ask an endpoint over TCP, under one deadline: by connecting, by HTTP HEAD or by DICOM."""

from __future__ import annotations

import asyncio
import resource
from dataclasses import dataclass, field

from ._check import Check
from ._conversation import Conversation
from ._failure import Failure
from ._http_head import Head
from ._x509 import Certificate


@dataclass
class Answer:
    """What came of asking an endpoint.

    total, latency: seconds, in all and of each phase; note: what is worth saying although it is no failure; head: of an
    HTTP answer; source: address and port from which the connection was made, if one was; certificate: the peer's;
    matches: of C-FIND, which may have more than were taken.
    """

    total: float
    latency: dict[str, float] = field(default_factory=dict)
    failure: Failure | None = None
    note: str | None = None
    head: Head | None = None
    source: tuple[str, int] | None = None
    certificate: Certificate | None = None
    matches: int | None = None
    more: bool = False


async def ask(address: str, port: int, check: Check, timeout: float) -> Answer:
    """Ask an endpoint once, for timeout seconds at most."""
    conversation = Conversation(address, port, check)
    started = asyncio.get_running_loop().time()
    try:
        await conversation.within(timeout, conversation.ask())
    except Failure as error:
        # After the answer only the release can fail, which says nothing of the service.
        if conversation.answered_at is None:
            conversation.failure = error
    finally:
        ended = conversation.answered_at or asyncio.get_running_loop().time()
        conversation.close()
    latency = {k: v for k, v in conversation.latency.items() if k not in ("cancel", "release")}
    return Answer(
        ended - started,
        latency,
        conversation.failure,
        conversation.note,
        conversation.head,
        conversation.source,
        conversation.certificate,
        conversation.matches,
        conversation.more,
    )


def socket_limit(wanted: int) -> int:
    """Return how many sockets, up to wanted, this process may open; raise its limit of open files for them."""
    reserve = 64  # files that Python and Ansible have open
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted + reserve:
        soft = wanted + reserve if hard == resource.RLIM_INFINITY else min(wanted + reserve, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        return max(1, soft - reserve)
    return wanted
