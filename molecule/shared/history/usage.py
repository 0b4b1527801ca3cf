# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the daemons of the load balancers use: memory and file descriptors, again and again, and whether that grows."""

from __future__ import annotations

import statistics
import threading
from collections.abc import Callable, Iterable, Mapping

INTERVAL = 10  # seconds
# A line for each service that runs: its name, its first process, KiB in memory that are its own or its share, and
# descriptors, of all its processes.
USED = r"""
systemctl list-units --type service --state running --plain --no-legend | while read -r unit _; do
    memory=0 descriptors=0
    # Of both versions of cgroups, whatever this container sees of their file systems.
    for process in $(grep -l "/$unit\$" /proc/[0-9]*/cgroup 2>/dev/null | cut -d / -f 3); do
        used=$(awk '$1 == "Pss:" {print $2}' /proc/"$process"/smaps_rollup 2>/dev/null) || continue
        memory=$((memory + ${used:-0}))
        descriptors=$((descriptors + $(ls /proc/"$process"/fd 2>/dev/null | wc -l)))
    done
    echo "${unit%.service} $(systemctl show --property MainPID --value "$unit") $memory $descriptors"
done
"""
OURS = ("haproxy", "keepalived", "layer4", "conntrackd", "loadbalancer", "rsyslog", "prometheus-node-exporter")
# A daemon may grow by so much from the first to the last third of its life, beside what its work at the moment needs.
MEMORY_AT_MOST = (1.2, 4096)  # times, and KiB
DESCRIPTORS_AT_MOST = 8


class Usage:
    """Asks each load balancer every few seconds, and notes a `used` event for each of its daemons."""

    def __init__(self, execute: Callable[[str, str], str], hosts: Iterable[str], note: Callable[..., None]) -> None:
        self._execute, self._hosts, self._note = execute, list(hosts), note
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Usage:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._end.wait(INTERVAL):
            for host in self._hosts:
                for unit, process, memory, descriptors in read(self._execute(host, USED)):
                    self._note("used", host=host, unit=unit, process=process, memory=memory, descriptors=descriptors)


def read(printed: str) -> Iterable[tuple[str, int, int, int]]:
    """Yield unit, first process, KiB and descriptors of each daemon of ours in what USED has printed."""
    for line in printed.splitlines():
        match line.split():
            case [unit, process, memory, descriptors] if unit.startswith(OURS) and process.isdigit():
                yield unit, int(process), int(memory), int(descriptors)


def growing(events: Iterable[Mapping], least: float) -> list[str]:
    """Name what grows: of each daemon that lived for so many seconds at least, the last third against the first one."""
    lives: dict[tuple, list[Mapping]] = {}
    for event in events:
        lives.setdefault((event["host"], event["unit"], event["process"]), []).append(event)
    found = []
    for (host, unit, process), life in lives.items():
        if not any(one["memory"] and one["descriptors"] for one in life):
            found.append(f"nothing is known of {unit} on {host}, process {process}")
        if life[-1]["t"] - life[0]["t"] < least:
            continue
        third = len(life) // 3
        before, after = life[:third], life[-third:]
        memory, memory_after = (statistics.median(one["memory"] for one in part) for part in (before, after))
        if memory_after > memory * MEMORY_AT_MOST[0] + MEMORY_AT_MOST[1]:
            found.append(f"{unit} on {host} grows from {memory / 1024:.1f} to {memory_after / 1024:.1f} MiB")
        open_, open_after = (statistics.median(one["descriptors"] for one in part) for part in (before, after))
        if open_after > open_ + DESCRIPTORS_AT_MOST:
            found.append(f"{unit} on {host} has {open_:.0f} descriptors, and {open_after:.0f} at the end")
    return found
