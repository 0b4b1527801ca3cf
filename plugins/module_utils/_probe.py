# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A virtual address is asked every few milliseconds, whatever becomes of the requests before."""

from __future__ import annotations

import asyncio
import math
import os
import time
from dataclasses import dataclass, replace

from ._check import Check
from ._conversation import Conversation
from ._deadline import LATE
from ._endpoint import ask, socket_limit
from ._failure import Failure
from ._resolver import resolve
from ._timeline import Sample, summarise

# Of the name of a node, a peer's own text, no more is kept of each answer.
_NODE_NAME = 64


@dataclass(frozen=True)
class Plan:
    """What is asked how often; interval, duration and timeout (of each request) in seconds.

    hold: one association is kept open, and a C-ECHO sent on it every interval, or when the
    one before is answered if that is later. node_header: the HTTP header that names the node.
    stop_file: the probe ends before its time when a file of that name appears.
    ValueError in one sentence for a value that cannot be.
    """

    address: str
    port: int
    check: Check
    hold: bool
    interval: float
    duration: float
    timeout: float
    node_header: str
    stop_file: str = ""

    def __post_init__(self) -> None:
        if not 1 <= self.port <= 65535:
            raise ValueError(f"port is {self.port}: it is from 1 to 65535")
        for name in ("interval", "duration", "timeout"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} is {getattr(self, name):g} s: it must be above 0")
        wanted = 1 if self.hold else math.ceil(self.timeout / self.interval) + 1
        allowed = socket_limit(wanted)
        if allowed < wanted:
            raise ValueError(
                f"an interval of {self.interval * 1000:g} ms and a timeout of {self.timeout:g} s"
                f" can make {wanted} requests at a time, and a process on this host may have"
                f" {allowed}: a longer interval or a shorter timeout is needed"
            )


class Pace:
    """The moments at which a request is due, and how well this process keeps them.

    A moment that was slept through is not made up for. lag is the longest delay (s); stalls
    are the delays (begin, end) that are long enough to be taken for a silence of the peer.
    length is how long the probe lasts (s).
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._slot = 0
        self._zero = asyncio.get_running_loop().time()
        self.began = time.time()
        self.length = plan.duration
        self.lag = 0.0
        self.stalls: list[tuple[float, float]] = []

    def now(self) -> float:
        """Seconds since the probe began."""
        return asyncio.get_running_loop().time() - self._zero

    async def wait(self, not_before: float = 0.0) -> bool:
        """Wait until the next request is due; False when the probe is over."""
        if self._plan.stop_file and os.path.exists(self._plan.stop_file):
            self.length = self.now()
            return False
        due = max(self._slot * self._plan.interval, not_before)
        if due >= self._plan.duration:
            return False
        await asyncio.sleep(due - self.now())
        now = self.now()
        self.lag = max(self.lag, now - due)
        if now - due > LATE:
            self.stalls.append((due, now))
        self._slot = max(self._slot, math.floor(now / self._plan.interval)) + 1
        return True

    def summarise(self, samples: list[Sample], duration: float) -> dict:
        result = summarise(samples, duration, self.began, self.stalls)
        return {**result, "probe_lag_ms": round(self.lag * 1000, 1)}


async def _open_loop(plan: Plan) -> dict:
    pace = Pace(plan)
    samples: list[Sample] = []
    running: set[asyncio.Task] = set()
    errors: list[BaseException] = []

    async def request() -> None:
        sent = pace.now()
        answer = await ask(plan.address, plan.port, plan.check, plan.timeout)
        node = answer.head.headers.get(plan.node_header.lower(), "") if answer.head else ""
        samples.append(Sample(sent, sent + answer.total, answer.failure, node[:_NODE_NAME]))

    def finished(task: asyncio.Task) -> None:
        running.discard(task)
        if task.exception():
            errors.append(task.exception())

    while await pace.wait():
        task = asyncio.ensure_future(request())
        running.add(task)
        task.add_done_callback(finished)
    while running:
        await asyncio.wait(running)
    if errors:
        raise errors[0]
    return pace.summarise(samples, pace.length)


async def _held_association(plan: Plan) -> dict:
    """The probe begins when the association is open, and ends at the latest when it breaks."""
    conversation = Conversation(plan.address, plan.port, plan.check)
    pace = Pace(plan)
    samples: list[Sample] = []
    sent = answered = 0.0
    failure = None

    async def associate() -> None:
        await conversation.connect()
        await conversation.associate()

    try:
        await conversation.within(plan.timeout, associate())
        pace = Pace(plan)
        while await pace.wait(not_before=answered):
            sent = pace.now()
            await conversation.within(plan.timeout, conversation.echo())
            answered = pace.now()
            samples.append(Sample(sent, answered))
        duration = pace.length
    except Failure as error:
        failure = error
        duration = pace.now()
        samples.append(Sample(sent, duration, failure))
    result = pace.summarise(samples, duration)
    if failure is None:
        await conversation.release_within(plan.timeout)
    conversation.close()
    return {**result, "broken": failure is not None, "cause": failure and failure.text}


async def _run(plan: Plan) -> dict:
    # Once: a name server that hangs is no outage of the virtual address.
    ((_family, sockaddr), *_others) = await resolve(plan.address, plan.port)
    plan = replace(plan, address=sockaddr[0])
    return await (_held_association(plan) if plan.hold else _open_loop(plan))


def run(plan: Plan) -> dict:
    """Carry out a plan; what the module returns. Failure of kind name_not_found."""
    return asyncio.run(_run(plan))
