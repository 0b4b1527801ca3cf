# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The service: its loop, and all that it writes into the kernel."""

from __future__ import annotations

import json
import pathlib
import signal
import time

from . import _sd_notify, config, conntrack, endings, guard, health, holding, nft, peers, sync, sysctl, system
from .haproxy import HAProxy

TICK, REFRESH = 0.2, 1.0  # seconds: how often HAProxy is polled, and the map refreshed
RESYNC = 30  # seconds: how often copies are completed, unless there are too many for that
RATE = 200  # copies a second, on average
STARTING = 20  # seconds for which, after the start, the VIP and the units that come after this one wait for the rules


class Daemon:
    """One configuration at work."""

    def __init__(self) -> None:
        self.sysctl = sysctl.Sysctl()
        self.guard, self.watch = guard.Guard(), guard.Watch()
        self.health = health.Health()
        self.haproxy = HAProxy()
        self.responder = peers.Responder()
        self.endings = endings.Endings()
        self.maps: dict[str, list[dict | None]] = {}
        self.dead: set[tuple[str, int]] = set()
        self.started = time.monotonic()
        self.holding = holding.Holding()
        self.resync_at = self.started + RESYNC
        self.fault = "the rules are not loaded yet"
        self.must_not: bool | None = None
        self.peers_asked, self.peer_ready = 0.0, False
        self.configure()

    def configure(self) -> None:
        """Read the configuration; what was known of its nodes stays known."""
        self.fingerprint = config.fingerprint()
        self.config, self.rules = config.load(), config.RULES.read_text()
        self.haproxy.path = self.config.haproxy_socket
        self.responder.configure(self.config.address, self.config.peers_port, self.config.peers)
        self.health.configure(self.config.services)
        self.paths: dict[str, str | None] = {node["address"]: None for _name, node in self.health.nodes()}
        self.loaded = False

    @property
    def devices(self) -> list[str]:
        """The interfaces of the VIPs, and those that lead to the nodes. At boot there may be no route yet."""
        self.paths = {node: device or system.device_of(node) for node, device in self.paths.items()}
        return sorted({*self.config.interfaces, *filter(None, self.paths.values())})

    def remember(self) -> None:
        """After a restart of the daemon: take what is in the map for healthy."""
        for name, service in self.health.services.items():
            code, answer = system.run("nft", "--json", "list", "map", *nft.TABLE.split(), nft.map_name(service))
            self.health.remember(name, nft.parse_map(json.loads(answer)) if code == 0 else set())

    def stand_guard(self) -> None:
        """Be ready for a flush of the ruleset."""
        self.watch.listen()
        obstacle = self.guard.hold()
        if obstacle:
            system.log(f"Without a guard, a flush of the ruleset resets what is forwarded: {obstacle}")

    def poll(self) -> None:
        """Ask HAProxy."""
        for change in self.health.observe(self.haproxy.ask() or [], time.monotonic()):
            system.log(change)

    def decide(self) -> tuple[dict[str, list[dict | None]], set[tuple[str, int]]]:
        """Return the maps and the dead endpoints that follow from what is known."""
        return self.health.decide(time.monotonic(), self.config.dead_after, self.holding.ends_since)

    def observe_vips(self) -> None:
        """See which VIPs this host has: only their holder ends a connection, and only while anybody answers it."""
        if self.holding.observe(self.config, self.health.any_up()):
            self.resync_at = time.monotonic()  # conntrackd's list is no longer the one that counts

    def end_connections(self) -> None:
        """End those to the dead endpoints."""
        self.endings.continue_with(self.dead, self.holding.since, lambda: holding.keep_to_itself(self.config))

    def resync(self) -> None:
        """Complete the copies: whatever was lost comes back, and what lasts for days is not forgotten."""
        now = time.monotonic()
        if not self.config.mirrored or now < self.resync_at:
            return
        self.resync_at = now + max(RESYNC, self.sysctl.number("net/netfilter/nf_conntrack_count") / RATE)
        if self.holding.since:
            sync.complete()
        else:
            sync.stand_by(self.config.vips)

    def write(self, maps: dict[str, list[dict | None]], dead: set[tuple[str, int]]) -> None:
        """Put everything into the kernel, the rules too where they are not there."""
        closed = self.sysctl.forward(self.devices, self.config.versions)
        by_map = {nft.map_name(self.health.services[name]): slots for name, slots in maps.items()}
        for name, slots in self.health.second_choices().items():
            by_map[nft.map_name(self.health.services[name], "second")] = slots
        elements = nft.transaction(by_map, dead, closed)
        there = self.loaded and not self.watch.gone
        self.watch.gone = False
        code, answer = system.run("nft", "--file", "-", stdin=elements) if there else (1, "")
        if code != 0:
            self.prepare()
            code, answer = system.run("nft", "--file", "-", stdin=self.rules + elements)
            if self.loaded:  # somebody flushed the ruleset
                system.log(
                    "The table had been deleted, and was loaded again." if code == 0 else "The table has been deleted."
                )
        fault = "" if code == 0 else f"nft refuses the rules: {' '.join(answer.split())[:300]}"
        if fault and fault != self.fault:
            system.log(fault)
        self.fault, self.loaded = fault, code == 0
        self.maps, self.dead = maps, dead
        self.watch.read()  # our own changes among the rest

    def prepare(self) -> None:
        """Before the rules: HAProxy's connections to these services get entries, or their next packets would be sent to
        a node.
        """
        if not self.guard.held:  # it has the kernel follow connections
            hook = f"table {nft.TABLE} {{ chain prerouting {{ type nat hook prerouting priority dstnat; }}; }}"
            system.run("nft", "--file", "-", stdin=hook)
        self.sysctl.apply(self.config.connections)
        _code, answer = system.run("ss", "-Htn", "state", "connected")
        services = {(service["address"], service["port"]) for service in self.config.services}
        for client, client_port, host, port in conntrack.parse_sockets(answer, services):
            conntrack.create(client, client_port, host, port, sysctl.ESTABLISHED_TIMEOUT)

    def judge(self) -> None:
        """Must this host not hold the VIP? Only where another one is ready: the kernel forwards without HAProxy too."""
        now = time.monotonic()
        if self.haproxy.answers and not self.fault:
            must_not = False
        elif self.haproxy.answers:
            # Without the rules a VIP here would end what the other host's connections are.
            must_not = now - self.started < STARTING
        else:
            if now - self.peers_asked >= 0.5:
                self.peer_ready = peers.any_ready(self.config.address, self.config.peers, self.config.peers_port)
                self.peers_asked = time.monotonic()
            must_not = self.peer_ready
        if must_not != self.must_not:
            self.must_not = must_not
            pathlib.Path(self.config.state_file).write_text(f"{int(must_not)}\n")
            system.log("This host must not hold the VIP." if must_not else "This host may hold the VIP.")

    def pause(self, seconds: float) -> None:
        """Wait that long, or until a worker of HAProxy has ended or our table is gone; answer the peers meanwhile."""
        deadline = time.monotonic() + seconds
        while True:
            sockets = [one for one in (self.haproxy.idle, self.responder.socket, self.watch.socket) if one]
            readable = system.wait(deadline - time.monotonic(), sockets)
            if self.responder.socket in readable:
                self.responder.respond(lambda: {"haproxy": self.haproxy.answers, "fault": self.fault})
            if self.haproxy.idle in readable:
                self.haproxy.worker_ended()
                return
            self.watch.read()
            if self.watch.gone or time.monotonic() >= deadline:
                return

    def report(self) -> None:
        """Write down what is known."""
        state = {
            "version": config.VERSION,
            "fingerprint": self.fingerprint,
            "refreshed": time.time(),
            "fault": self.fault,
            "guard": self.guard.held,
            "haproxy_answers": self.haproxy.answers,
            "must_not_hold": self.must_not,
            "interfaces": self.devices,
            "services": {
                name: {
                    node["name"]: {
                        "state": self.health.states.get((name, node["name"])),
                        "slots": sum(taken is node for taken in self.maps[name]),
                        "dead": (node["address"], node["port"]) in self.dead,
                    }
                    for node in service["nodes"]
                }
                for name, service in self.health.services.items()
            },
        }
        new = config.STATE.with_suffix(".new")
        new.write_text(json.dumps(state))
        new.replace(config.STATE)

    def ready(self) -> bool:
        """Is the map complete? Until then the units that come after this one wait, 5 s for HAProxy."""
        waited = time.monotonic() - self.started
        return waited > STARTING or not self.fault and (self.health.complete() or waited > 5)


def serve() -> None:
    """Run until a signal ends it; on SIGHUP read the configuration again."""
    reload = [False]

    def wants_reload(_signum, _frame):
        reload[0] = True

    signal.signal(signal.SIGHUP, wants_reload)
    config.STATE.parent.mkdir(mode=0o755, exist_ok=True)
    daemon = Daemon()
    daemon.remember()
    daemon.stand_guard()
    notified, written = False, 0.0
    while True:
        if reload[0]:
            reload[0] = False
            daemon.configure()
        daemon.poll()
        now = time.monotonic()
        due = now - written >= REFRESH or not daemon.loaded or daemon.watch.gone
        if due:
            daemon.observe_vips()
        decided = daemon.decide()
        if due or decided != (daemon.maps, daemon.dead):
            daemon.write(*decided)
            daemon.report()
            written = now
        if due:
            daemon.end_connections()
            daemon.resync()
        daemon.judge()
        if not notified and daemon.ready():
            notified = True
            _sd_notify.notify("READY=1")
        _sd_notify.notify("WATCHDOG=1")
        daemon.pause(now + TICK - time.monotonic())


def undo() -> None:
    """Take the table out of the kernel, and give it back the site's settings."""
    system.run("nft", "delete", "table", *nft.TABLE.split())
    sysctl.Sysctl().restore()
