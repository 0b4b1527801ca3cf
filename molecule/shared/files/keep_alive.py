# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Viewers that keep their connection: each asks again after a pause, and opens a new one only where it was told to.

usage: keep_alive.py ADDRESS PORT SECONDS VIEWERS
Prints JSON: requests, connections, failed (what each failed request met) and longest, the longest request in seconds.

A viewer sends no request twice. As browsers do, it looks first whether the other end has closed the connection.
"""

from __future__ import annotations

import http.client
import json
import random
import select
import sys
import threading
import time

TIMEOUT = 5  # seconds


class Viewer(threading.Thread):
    def __init__(self, address: str, port: int, end: float, number: int) -> None:
        super().__init__(daemon=True)
        self.connection = http.client.HTTPConnection(address, port, timeout=TIMEOUT)
        self.end = end
        self.pauses = random.Random(number)
        # From one who never rests to one who looks at a picture for seconds.
        self.rest = 0.01 * 1.5**number
        self.requests = self.connections = 0
        self.longest = 0.0
        self.failed: list[str] = []

    def ask(self) -> None:
        if self.connection.sock and select.select([self.connection.sock], [], [], 0)[0]:
            self.connection.close()
        self.connections += self.connection.sock is None
        began = time.monotonic()
        try:
            self.connection.request("GET", "/")
            self.connection.getresponse().read()
        except (OSError, http.client.HTTPException) as error:
            self.failed.append(f"{time.time():.3f} {error!r}")
            self.connection.close()
        self.requests += 1
        self.longest = max(self.longest, time.monotonic() - began)

    def run(self) -> None:
        while time.monotonic() < self.end:
            self.ask()
            threading.Event().wait(min(self.rest * self.pauses.random() * 2, max(self.end - time.monotonic(), 0)))


def main() -> None:
    address, port, seconds, viewers = sys.argv[1], *map(int, sys.argv[2:])
    end = time.monotonic() + seconds
    threads = [Viewer(address, port, end, number) for number in range(viewers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(
        json.dumps(
            {
                "requests": sum(thread.requests for thread in threads),
                "connections": sum(thread.connections for thread in threads),
                "failed": [failure for thread in threads for failure in thread.failed],
                "longest": round(max(thread.longest for thread in threads), 3),
            }
        )
    )


if __name__ == "__main__":
    main()
