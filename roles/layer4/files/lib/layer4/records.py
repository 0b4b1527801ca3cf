# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A line in the journal for each forwarded connection that has ended, on one load balancer alone.

That is the one whose kernel has forwarded the last packet: of a copy it is a program, conntrackd, that says that it has
ended. What ends without a packet, since nobody sent for days or the node is dead, is recorded by the holder of the VIP.
"""

from __future__ import annotations

import dataclasses
import datetime
import itertools
import json
import signal
import socket
import time

from . import config, ctnetlink, system, table
from ._test_clients import TEST_CLIENT
from .ctnetlink import Entry

JOURNAL = "/run/systemd/journal/socket"
IDENTIFIER = "pacs-session"  # as of HAProxy's records: `journalctl -t` shows both
KEPT = 600  # seconds; the kernel deletes what has ended within 2 min, or a little more
FRESH = 1.0  # seconds for which this host's addresses are believed
RENEWED = 1.0  # seconds within which conntrackd has put back what it renews
HOW = {ctnetlink.LAST_ACK: "closed", ctnetlink.TIME_WAIT: "closed", ctnetlink.CLOSE: "reset"}


def node_of(entry: Entry, service: dict) -> dict:
    """Return the node to which it goes; nothing where the configuration has that one no more."""
    end = (entry.node, entry.node_port)
    return next((node for node in service["nodes"] if (node["address"], node["port"]) == end), {})


def record(entry: Entry, balancer: str, service: dict, ended: str, now: float) -> dict:
    """Describe a connection by the keys that layer 7 has, too. ``now``: in seconds, where the kernel does not say when
    it has ended.
    """
    began = now if entry.began is None else entry.began / 1e9
    start = datetime.datetime.fromtimestamp(began, datetime.timezone.utc).replace(tzinfo=None)
    return {
        "time": f"{start.isoformat(timespec='milliseconds')}Z",
        "load_balancer": balancer,
        "layer": 4,
        "service": service["name"],
        "vip": entry.address,
        "client": entry.client,
        "client_port": entry.client_port,
        "node": node_of(entry, service).get("name"),
        "calling_ae": None,
        "called_ae": None,
        "received_bytes": entry.received,
        "sent_bytes": entry.sent,
        "seconds": round((now if entry.ended is None else entry.ended / 1e9) - began, 3),
        "ended": ended,
        "taken_over": entry.adopted,
    }


class Journal:
    """The journal's own protocol (https://systemd.io/JOURNAL_NATIVE_PROTOCOL). It drops nothing: its clients wait."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)

    def write(self, line: dict) -> None:
        text = json.dumps(line, separators=(",", ":"))
        self.socket.sendto(f"SYSLOG_IDENTIFIER={IDENTIFIER}\nPRIORITY=6\nMESSAGE={text}\n".encode(), JOURNAL)


class Recorder:
    """Which connections have been recorded, here or on the other load balancer."""

    def __init__(self, connections: table.Table, journal: Journal) -> None:
        self.table, self.journal = connections, journal
        self.config = config.load()
        self.services = {(service["address"], service["port"]): service for service in self.config.services}
        self.done: dict[int, tuple[float, bool | None]] = {}  # by key, the oldest first: when, and whether as a copy
        self.gone: dict[tuple[bytes, bytes], Entry] = {}  # had been deleted before its bytes could be asked for
        self.doubtful: list[tuple[float, Entry]] = []  # deleted by a program while it was being closed: when
        self.addresses: set[str] = set()
        self.asked = float("-inf")

    def catch_up(self) -> None:
        """Record what has ended since this program was stopped, and nothing that it had recorded by then."""
        former = [entry for entry in self.table.dump() if entry.state in ctnetlink.ENDED]
        self.work(catching_up=True)
        self.done.update((entry.key, (time.monotonic(), entry.adopted)) for entry in former)

    def work(self, catching_up: bool = False) -> None:
        """Record what has happened so far."""
        lost = False
        while (events := self.table.read()) != [] or lost:
            if events is None:
                system.log("The kernel had more to say than there was room for: records may be missing.")
                lost = True
                continue
            if not events:  # until all is read that it had said, it says nothing more (NETLINK_S_CONGESTED)
                events, lost = [] if catching_up else self.missed(), False
                self.gone.clear()
            for event in events:
                if not self.concerns(event):
                    continue
                if event.deleted:
                    self.forget(event)
                elif event.state in ctnetlink.ENDED:  # what was said before the filter was there may be anything
                    self.close(event)
        self.resolve_doubts()
        since = time.monotonic() - KEPT
        for key in [*itertools.takewhile(lambda key: self.done[key][0] < since, self.done)]:
            del self.done[key]

    def missed(self) -> list[Entry]:
        """Return what the table still has of what was not said, as if the kernel had."""
        ended = [entry for entry in self.table.dump() if entry.state in ctnetlink.ENDED and self.holds(entry.address)]
        # A copy that has no bytes has ended on the other load balancer.
        return [dataclasses.replace(entry, sender=0) for entry in ended if entry.received or entry.sent]

    def concerns(self, entry: Entry) -> bool:
        """Has a client been connected to a node?"""
        return (
            entry.established
            and entry.translated
            and (entry.address, entry.port) in self.services
            and entry.client not in TEST_CLIENT.values()
        )

    def close(self, event: Entry) -> None:
        """Both sides have closed it, or one has reset it. Where the table has it no more, its bytes are told with its
        deletion: conntrackd puts the copy of a new holder in its place.
        """
        entry = self.table.find(event)
        if entry:
            if self.is_first(entry) and not event.sender:
                self.write(entry)
        elif not event.sender:
            self.gone[event.client_side, event.id] = event

    def forget(self, event: Entry) -> None:
        """The table has it no more. What had ended is recorded."""
        closed = self.gone.pop((event.client_side, event.id), None)
        if closed:
            self.write_first(dataclasses.replace(event, state=closed.state))
        elif event.state in ctnetlink.ENDED or not self.holds(event.address):
            return
        elif not event.sender or self.is_dead(event):
            self.write_first(event)
        elif event.state in ctnetlink.CLOSING:
            self.doubtful.append((time.monotonic(), event))

    def resolve_doubts(self) -> None:
        """conntrackd renews its copies by deleting them, and deletes what the other load balancer has forgotten: of an
        end half of which each of them has seen, that may be the connection itself.
        """
        due = time.monotonic() - RENEWED
        while self.doubtful and self.doubtful[0][0] < due:
            _when, event = self.doubtful.pop(0)
            if not self.table.has(event) and self.holds(event.address):
                self.write_first(event)

    def write_first(self, entry: Entry) -> None:
        if self.is_first(entry):
            self.write(entry)

    def is_first(self, entry: Entry) -> bool:
        """Was it not heard of yet? The kernel repeats a deletion that conntrackd had no room for.

        A client that comes again from the same port gets the entry that it had, if that is a copy: it is none any more.
        What is deleted does not say what it was.
        """
        if entry.key in self.done:
            if entry.adopted in (self.done[entry.key][1], None):
                return False
            del self.done[entry.key]  # it comes back as the newest
        self.done[entry.key] = time.monotonic(), entry.adopted
        return True

    def holds(self, vip: str) -> bool:
        """Has this host the address?"""
        if time.monotonic() - self.asked > FRESH:
            self.addresses, self.asked = system.addresses(), time.monotonic()
        return vip in self.addresses

    def is_dead(self, entry: Entry) -> bool:
        """Does the daemon end the connections to its node?"""
        known = json.loads(config.STATE.read_text())["services"] if config.STATE.exists() else {}
        service = self.services[entry.address, entry.port]
        return known.get(service["name"], {}).get(node_of(entry, service).get("name"), {}).get("dead", False)

    def write(self, entry: Entry) -> None:
        service = self.services[entry.address, entry.port]
        ended = HOW.get(entry.state or 0, "timeout")
        if ended != "closed" and self.is_dead(entry):
            ended = "cut" if node_of(entry, service).get("cut") else "node_down"
        self.journal.write(record(entry, self.config.name, service, ended, time.time()))


def serve() -> None:
    """Run until SIGTERM, and until it is sure of all that it has read; a record that was begun is written."""
    stopped = []
    signal.signal(signal.SIGTERM, lambda *_about: stopped.append(True))
    recorder = Recorder(table.Table(), Journal())
    recorder.catch_up()
    while not stopped or recorder.doubtful:
        system.wait(RENEWED, [recorder.table.events])
        recorder.work()
