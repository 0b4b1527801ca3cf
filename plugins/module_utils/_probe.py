# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ask a virtual IP every few milliseconds, whatever becomes of the requests before."""

from __future__ import annotations

import asyncio
import math
import os
import re
import time
from dataclasses import dataclass, replace

from ._check import Check
from ._conversation import Conversation
from ._deadline import LATE
from ._endpoint import ask, socket_limit
from ._failure import Failure
from ._resolver import resolve
from ._timeline import Sample, summarise

# Characters that are kept of a node's name, which is whatever the peer sends.
_NODE_NAME = 64


@dataclass(frozen=True)
class Plan:
    """What to ask, how often and for how long; raises ValueError, one sentence, for a value that cannot be.

    interval, duration, timeout (of each request): seconds. hold: keep one association open, and send a C-ECHO on it
    every interval, or when the one before is answered if that is later. node_header: the HTTP header that names the
    node. stop_file: end early when a file of that name exists. node_cookie: the cookie that names the node, in place of
    the header. keep_samples: return each request too.
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
    node_cookie: str = ""
    keep_samples: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.port <= 65535:
            raise ValueError(f"port is {self.port}: it must be from 1 to 65535")
        for name in ("interval", "duration", "timeout"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} is {getattr(self, name):g} s: it must be above 0")
        wanted = 1 if self.hold else math.ceil(self.timeout / self.interval) + 1
        allowed = socket_limit(wanted)
        if allowed < wanted:
            raise ValueError(
                f"an interval of {self.interval * 1000:g} ms and a timeout of {self.timeout:g} s"
                f" can keep {wanted} requests open at a time, and a process on this host may have"
                f" {allowed}: use a longer interval or a shorter timeout"
            )


class Pace:
    """When requests are due, and how well this process keeps to that.

    A request that is missed is not made up for. lag: the longest delay, in seconds; stalls: the delays (begin, end)
    that are long enough to be mistaken for a silence of the peer; length: duration of the probe, in seconds.
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
        """Return the seconds since the probe began."""
        return asyncio.get_running_loop().time() - self._zero

    async def wait(self, not_before: float = 0.0) -> bool:
        """Wait until the next request is due, and not_before at the earliest; return False when the probe is over."""
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
        result["probe_lag_ms"] = round(self.lag * 1000, 1)
        if self._plan.keep_samples:
            result["samples"] = [
                [round(s.sent, 4), round(s.ended, 4), s.node, s.failure.kind if s.failure else ""]
                for s in sorted(samples, key=lambda sample: sample.sent)
            ]
        return result


def _node(plan: Plan, headers: dict[str, str]) -> str:
    """Return which node answered, as far as its answer says so."""
    if not plan.node_cookie:
        return headers.get(plan.node_header.lower(), "")
    found = re.search(rf"(?:^|[\s,]){re.escape(plan.node_cookie)}=([^;,\s]*)", headers.get("set-cookie", ""))
    return found.group(1) if found else ""


async def _open_loop(plan: Plan) -> dict:
    """Send each request when it is due, whether those before it are answered or not."""
    pace = Pace(plan)
    samples: list[Sample] = []
    running: set[asyncio.Task] = set()
    errors: list[BaseException] = []

    async def request() -> None:
        sent = pace.now()
        answer = await ask(plan.address, plan.port, plan.check, plan.timeout)
        node = _node(plan, answer.head.headers) if answer.head else ""
        samples.append(Sample(sent, sent + answer.total, answer.failure, node[:_NODE_NAME]))

    def finished(task: asyncio.Task) -> None:
        running.discard(task)
        error = task.exception()
        if error:
            errors.append(error)

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
    """Send C-ECHOs over one association; the probe begins when it is open, and ends when it breaks."""
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
    return {
        **result,
        "broken": failure is not None,
        "cause": failure and failure.text,
        "source": conversation.source and dict(zip(("address", "port"), conversation.source)),
    }


async def _run(plan: Plan) -> dict:
    # Once: a name server that hangs is no outage of the virtual IP.
    ((_family, sockaddr), *_others) = await resolve(plan.address, plan.port)
    plan = replace(plan, address=sockaddr[0])
    return await (_held_association(plan) if plan.hold else _open_loop(plan))


def run(plan: Plan) -> dict:
    """Carry out a plan and return what the module vip_probe returns; raise Failure of kind name_not_found."""
    return asyncio.run(_run(plan))
