# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Samples who has the VIP, ten times a second, from outside the load balancers: in the files of their processes'
network namespace (proc(5)), so that a host that is frozen, full or without SSH is seen like any other.
"""

from __future__ import annotations

import pathlib
import re
import subprocess
import threading
import time
from collections.abc import Callable

INTERVAL = 0.1  # seconds
RULES_INTERVAL = 0.5  # seconds: it takes a process
TABLE = "table inet layer4\n"


class Sampler:
    """Notes a sample whenever it differs from the last one, and once a second."""

    def __init__(self, pid_files: dict[str, str], vips: list[str], note: Callable[..., None]) -> None:
        self._pid_files, self._note = pid_files, note
        self._here = re.compile(rf"\|-- ({'|'.join(map(re.escape, vips))})\n\s+/32 host LOCAL")
        self._rules: dict[str, tuple[float, bool]] = {}  # when they were looked for, and whether they were there
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        last: tuple[list[str], list[str]] = ([], [])
        noted = 0.0
        while not self._end.wait(INTERVAL):
            now = time.time()
            vip = [host for host in self._pid_files if self._has_vip(host)]
            rules = [host for host in vip if self._has_rules(host)]
            if (vip, rules) != last or now - noted >= 1:
                self._note("sample", t=now, vip=vip, rules=rules)
                last, noted = (vip, rules), now

    def _pid(self, host: str) -> str:
        return pathlib.Path(self._pid_files[host]).read_text().strip()

    def _has_vip(self, host: str) -> bool:
        try:
            trie = pathlib.Path(f"/proc/{self._pid(host)}/net/fib_trie").read_text()
        except OSError:
            self._rules.pop(host, None)  # its kernel is new when it comes back
            return False  # it is off
        return bool(self._here.search(trie))

    def _has_rules(self, host: str) -> bool:
        when, there = self._rules.get(host, (0.0, False))
        if time.time() - when < RULES_INTERVAL:
            return there
        listed = subprocess.run(
            ["nsenter", "--target", self._pid(host), "--net", "nft", "list", "tables"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            check=False,
        )
        self._rules[host] = (time.time(), TABLE in listed.stdout)
        return TABLE in listed.stdout
