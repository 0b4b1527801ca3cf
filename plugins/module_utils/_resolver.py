# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Name resolution that keeps nothing else waiting."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading

from ._failure import Failure


async def resolve(address: str, port: int) -> list[tuple[int, tuple]]:
    """Return the address's pairs of family and socket address; raise Failure of kind name_not_found."""

    def look_up(flags: int) -> list[tuple[int, tuple]]:
        found = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM, flags=flags)
        return [(family, sockaddr) for family, _type, _proto, _name, sockaddr in found]

    # ValueError: no name can be so, such as a label of 64 characters.
    try:
        return look_up(socket.AI_NUMERICHOST)
    except (OSError, ValueError):
        loop = asyncio.get_running_loop()
        found = loop.create_future()

    def deliver(error: Exception | None, result: list[tuple[int, tuple]]) -> None:
        if found.cancelled():
            return
        if error is None:
            found.set_result(result)
        else:
            reason = getattr(error, "strerror", None) or error
            found.set_exception(Failure("name_not_found", f"has a name that cannot be resolved ({reason})"))

    def run() -> None:
        outcome: tuple[Exception | None, list[tuple[int, tuple]]]
        try:
            outcome = None, look_up(0)
        except (OSError, ValueError) as error:
            outcome = error, []
        # The loop is closed where the deadline has passed long ago: nobody waits.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(deliver, *outcome)

    # A daemon thread of its own: a slow name server must delay neither another name nor the end of the process, as it
    # would in the loop's thread pool.
    threading.Thread(target=run, daemon=True).start()
    return await found
