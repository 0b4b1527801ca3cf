# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The service: its loop, the file that keeps Keepalived in FAULT, and what it reports."""

from __future__ import annotations

import json
import os
import pathlib
import select
import socket
import time

from . import _addresses, _neighbours, _questions, advert, conf, judge, link, moves, process, settings, system
from ._sd_notify import notify
from .advert import Advert, Announced, Packet
from .events import Events
from .firewall import Firewall, Strangers
from .handover import Handover
from .system import say

CONFIGURATION = pathlib.Path("/etc/keepalived/keepalived.conf")
STATE = pathlib.Path(
    os.environ.get("RUNTIME_DIRECTORY", "/run/keepalived-guard"), "state.json"
)  # for playbooks/status.yml

TICK = 0.5  # seconds; an advertisement is heard at once
ASK = 1.5  # seconds between two questions to the neighbours: two answers are to be there within 5 s
ANSWERS = 0.6  # seconds that these have
LISTEN = 1.2  # seconds that it listens at its start, unless a peer is heard before


class Guard:
    """One load balancer's guard."""

    def __init__(self) -> None:
        self.settings = settings.load()
        self.judge, self.events, self.pipe = judge.Judge(), Events(), process.Pipe(self.settings.pipe)
        self.links: dict[socket.AddressFamily, link.Link] = {}
        self.instance: conf.Instance | None = None
        self.read: tuple = ()
        self.runs: Announced | None = None
        self.runs_asked = self.neighbours_asked = self.reported = 0.0
        self.held, self.owners, self.answers = "", "", ""
        self.answering: dict[str, int] = {}  # how many machines answer for each VIP that is here, this host among them
        self.state, self.state_since = "", time.time()
        self.split_since = 0.0
        known = self.remember()
        self.firewall, self.strangers = Firewall(), Strangers(known.get("ignored", {}))
        self.handover, self.moves = Handover(known.get("handed_over", {})), moves.Moves(known.get("moves", {}))
        self.hold("")

    def remember(self) -> dict:
        """Know what the former process knew, so that nothing is told twice; return all of it."""
        try:
            known = json.loads(STATE.read_text())
            self.state, self.state_since = known["state"], known["since"]
            return known
        except (OSError, ValueError, KeyError, TypeError):
            return {}

    # --- what is known ---

    def configure(self) -> None:
        """Read the files anew where they have changed. One that is being written is not read."""
        read = system.identity(CONFIGURATION) + system.identity(settings.FILE)
        if read == self.read:
            return
        try:
            wanted = settings.load()
            instance = conf.parse(CONFIGURATION.read_text())
        except (OSError, TypeError, ValueError):
            return
        if instance is None:
            return
        self.settings, self.instance, self.read = wanted, instance, read
        self.firewall.allow(instance.peers, instance.address, wanted.peers_only)
        self.handover.configure(wanted.haproxy_socket, wanted.peers_port, instance)
        self.listen()

    def listen(self) -> None:
        """Have a socket for each family of the peers."""
        instance = self.instance
        if instance is None:
            return
        wanted = {_questions.family(peer) for peer in instance.peers}
        for family, known in list(self.links.items()):
            if family not in wanted or known.interface != instance.interface:
                known.socket.close()
                del self.links[family]
        for family in wanted - set(self.links):
            try:
                self.links[family] = link.Link(family, instance.interface)
            except OSError as error:
                self.read = ()  # try again
                say(f"VRRP cannot be heard on {instance.interface}: {error.strerror or error}.")

    def vips(self) -> dict[str, str]:
        return {**self.instance.vips, **self.instance.excluded} if self.instance else {}

    def own(self) -> set[Announced]:
        """What this host would announce: what is written, and while that is another thing, what runs."""
        if self.instance is None:
            return set()
        written, now = self.instance.announced, time.monotonic()
        if self.runs != written and now - self.runs_asked >= 2 * TICK:
            self.runs_asked, self.runs = now, process.runs()
        return {written, self.runs} if self.runs else {written}

    def hear(self, addresses: set[str]) -> bool:
        """Take in what has come; return whether a peer was heard. ``addresses``: this host's own."""
        heard, now = False, time.monotonic()
        for family, known in self.links.items():
            for packet in known.packets():
                said = advert.parse(packet.payload, link.ADDRESS_LENGTH[family])
                if said is None:
                    continue
                if packet.source in self.firewall.wanted | self.firewall.former and packet.ttl == advert.TTL:
                    self.judge.hear(packet.source, said, now)
                    heard = True
                elif packet.source not in addresses and self.concerns(packet, said):
                    self.strangers.note(packet.source, packet.ttl)
        return heard

    def concerns(self, packet: Packet, said: Advert) -> bool:
        """Other routers use the group. One that uses our router id as well is wrongly set up."""
        return not packet.to_group or bool(self.instance and said.announced.router_id == self.instance.router_id)

    def ask_neighbours(self, here: set[str]) -> None:
        """See whether anybody else answers for the VIPs that are here."""
        if time.monotonic() - self.neighbours_asked < ASK:
            return
        self.neighbours_asked = time.monotonic()
        found: dict[str, list[str]] = {}
        devices = self.vips()
        for device in sorted({devices[vip] for vip in here}):
            asked = [vip for vip in here if devices[vip] == device]
            try:
                found.update(_neighbours.owners(device, asked, ANSWERS))
            except _neighbours.CannotAsk:
                pass  # it has no neighbours, or is down
        self.answers = self.judge.two_answers(found)
        self.answering = {vip: 1 + len(macs) for vip, macs in found.items()}

    # --- what follows ---

    def hold(self, reason: str) -> None:
        """Keep Keepalived from the VIP for that reason, or for none any longer."""
        file = pathlib.Path(self.settings.hold_file)
        if bool(reason) != bool(self.held) or not file.exists():
            file.write_text("1\n" if reason else "0\n")
        if bool(reason) != bool(self.held):
            say(f"This host does not take the VIP: {reason}." if reason else "This host may take the VIP again.")
            self.reported = 0.0
        self.held = reason

    def turn(self) -> bool:
        """Hear, see, decide, and tell; return whether a peer was heard."""
        self.configure()
        for (source, ttl), number in self.firewall.tend().items():
            self.strangers.note(source, ttl, number)
        since = _addresses.held_since()
        heard = self.hear(set(since))
        here = set(self.vips()) & set(since)
        age = time.time() - min(since[vip] for vip in here) if here else None
        now, address = time.monotonic(), self.instance.address if self.instance else ""
        self.pipe.open()
        for state in self.pipe.states():
            self.tell_state(state)
        difference = self.judge.difference(self.own(), self.firewall.former, now)
        gives_way = bool(self.held) or self.judge.gives_way(address, age, now)
        self.handover.turn(bool(here), self.judge.last_heard())
        self.hold(self.handover.reason or (difference if gives_way else ""))
        self.owners = self.judge.two_owners(bool(here), time.monotonic())
        if here:
            self.ask_neighbours(here)
        else:
            self.answers, self.answering = "", {}
        self.tell_split(self.owners or self.answers)
        self.events.tend()
        self.report()
        return heard

    def tell_state(self, state: str) -> None:
        if state == self.state:
            return
        self.events.tell(self.settings.on_event, "state", self.state, state, self.held if state == "FAULT" else "")
        gave_up = self.judge.gave_up(time.monotonic())
        reason = moves.why(state, gave_up, bool(self.handover.reason), bool(self.held))
        self.moves.note(self.state, state, reason)
        self.state, self.state_since, self.reported = state, time.time(), 0.0

    def tell_split(self, reason: str) -> None:
        if bool(reason) == bool(self.split_since):
            return
        say(f"Split brain: {reason}." if reason else "The split brain has ended.")
        self.events.tell(self.settings.on_event, "split_brain", *(("no", "yes") if reason else ("yes", "no")), reason)
        self.split_since, self.reported = time.time() if reason else 0.0, 0.0

    def report(self) -> None:
        if time.monotonic() - self.reported < 5:
            return
        self.reported = time.monotonic()
        known = {
            "state": self.state,
            "since": self.state_since,
            "held": self.held,
            "split_brain": self.owners or self.answers,
            "split_brain_since": self.split_since,
            "ignored": self.strangers.known,
            "handed_over": self.handover.handed_over,
            "answering": self.answering,
            "moves": self.moves.counts,
        }
        new = STATE.with_suffix(".new")
        new.write_text(json.dumps(known))
        new.replace(STATE)

    def wait(self) -> None:
        """Wait for an advertisement, a state or a question, or for the time to look around."""
        descriptors = [known.socket.fileno() for known in self.links.values()]
        descriptors += [self.handover.socket.fileno()] if self.handover.socket else []
        select.select([one for one in (*descriptors, self.pipe.descriptor) if one >= 0], [], [], TICK)


def serve() -> None:
    guard, ready, listening_until = Guard(), False, time.monotonic() + LISTEN
    while True:
        heard = guard.turn()
        if not ready and (heard or not guard.links or time.monotonic() > listening_until):
            ready = True
            notify("READY=1")
        notify("WATCHDOG=1")
        guard.wait()
