# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A time limit for asyncio code that does not count the time in which this process did not run."""

from __future__ import annotations

import asyncio
from typing import cast

#: A timer that fires later than this (s) shows that this process did not run meanwhile.
LATE = 0.01


class Deadline:
    """End the block of an `async with` after some seconds with asyncio.TimeoutError.

    A timer that fires late extends the block by that delay: this process did not run, so what the peer has sent
    meanwhile is still to be read.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._expired = False

    async def __aenter__(self) -> Deadline:
        self._loop = asyncio.get_running_loop()
        self._task = cast("asyncio.Task[None]", asyncio.current_task())  # None only outside of coroutines
        self._arm(self._loop.time() + self._seconds)
        return self

    async def __aexit__(self, kind: type | None, *_error: object) -> None:
        self._timer.cancel()
        if self._expired and kind is asyncio.CancelledError:
            raise asyncio.TimeoutError

    def _arm(self, due: float) -> None:
        self._due = due
        self._timer = self._loop.call_at(due, self._expire)

    def _expire(self) -> None:
        late = self._loop.time() - self._due
        if late > LATE:
            self._arm(self._loop.time() + late)
        else:
            self._expired = True
            self._task.cancel()
