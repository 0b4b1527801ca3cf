#!/usr/bin/python3 -IS
# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keeps the kernel's map of healthy nodes true, for connections that the kernel forwards.

The rules of this file:

* HAProxy decides which node is healthy; this program asks it five times a second and never asks a node.
* What HAProxy does not say changes nothing: a node that a new worker has not checked yet, or a HAProxy that is silent, keeps the former map.
* Everything goes into the kernel in one transaction, and expires within 5 s when this program dies: new connections then reach HAProxy's listener.
* An established connection outlives its node's failure by `dead_after`. Then its client is told by a TCP reset, never by silence.
* The upper half is pure: data in, data out. The lower half talks to HAProxy, the kernel and systemd.

usage: layer4 run              the service itself; SIGHUP reads the configuration anew
       layer4 check FILE       is this a configuration?
       layer4 status           what runs, which flows there are, and how the mirror is (JSON)
       layer4 flows CLIENT     the forwarded connections of a client (JSON)
       layer4 joined           after conntrackd's start: let the peer's connections come, for 3 s at most
       layer4 master           after this host has become master: let the mirror have all connections
       layer4 beacon           put an entry into the connection table that is no connection, and print its number
       layer4 heard NUMBER...  wait for these beacons, for 1 s at most, and print the numbers of those that are here
       layer4 try-mirror FILE  does this conntrackd.conf mirror? Tried between two network namespaces of its own
       layer4 undo             take back what was set in the kernel, and the table
"""

from __future__ import annotations

import csv
import functools
import hashlib
import ipaddress
import json
import math
import os
import pathlib
import random
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import time
from typing import Iterator

TABLE = "inet layer4"
RULES = pathlib.Path("/etc/layer4/layer4.nft")
CONFIGURATION = pathlib.Path("/etc/layer4/layer4.json")
STATE = pathlib.Path("/run/layer4/state.json")  # what this program knows, for people and for status.yml
CONNTRACKD = ("conntrackd", "-C", "/etc/layer4/conntrackd.conf")
FORMER = pathlib.Path("/var/lib/layer4/former.json")  # the kernel's settings as the site had them

SLOTS = 256  # as in the rules: the client's address chooses one of them
TICK, REFRESH, EXPIRY = 0.2, 1.0, 5  # seconds: HAProxy is asked, the map is written anew, and is gone without that
RULES_WAITED_FOR = 20  # seconds after the start, by this host's VIP and by the units that come after
MARK = 0x4C34  # of our own packets to a client, which have no connection of their own
KEYS = {
    "services",
    "mirrored",
    "interfaces",
    "dead_after",
    "connections",
    "haproxy_socket",
    "haproxy_peers",
    "haproxy_peers_port",
    "state_file",
}

# With the first, a host that gets a VIP back takes packets for which its own record of a connection is too old. The second lets a
# client's packet bring an unknown connection back. The next two count what a connection carried and how long it lasted. The last two
# are for a connection whose last packet was not answered yet, or was sent again, as at every loss: it would be forgotten after 5 min.
SETTINGS = {
    "net/netfilter/nf_conntrack_tcp_be_liberal": "1",
    "net/netfilter/nf_conntrack_tcp_loose": "1",
    "net/netfilter/nf_conntrack_acct": "1",
    "net/netfilter/nf_conntrack_timestamp": "1",
    "net/netfilter/nf_conntrack_tcp_timeout_unacknowledged": "432000",
    "net/netfilter/nf_conntrack_tcp_timeout_max_retrans": "432000",
}
ESTABLISHED_TIMEOUT = 432000  # seconds, the kernel's own default


# --- which node -------------------------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=None)
def rank(slot: int, name: str, weight: float) -> float:
    """A node's score in a slot: the highest wins. Rendezvous hashing with weights, so that a node moves only its own slots."""
    digest = hashlib.sha256(f"{slot} {name}".encode()).digest()
    return -weight / math.log((int.from_bytes(digest[:8], "big") + 1) / (2**64 + 1))


def place(nodes: list[dict], weights: dict[str, int]) -> list[dict | None]:
    """The node of each slot. `weights`: of the nodes that take new connections, by name; backups serve when no other does."""
    takes = [node for node in nodes if weights.get(node["name"])]
    takes = [node for node in takes if not node["backup"]] or takes
    return [
        max(takes, key=lambda node: rank(slot, node["name"], weights[node["name"]]), default=None)
        for slot in range(SLOTS)
    ]


def read_state(row: dict[str, str], former: str | None) -> str | None:
    """up, down, drain (no new connections) or None (not known), from a server's line of `show stat` (HAProxy Management Guide, 9.1)."""
    status = row["status"]
    if status.startswith(("UP", "no check")):
        # A new worker calls every node up until its first check has ended.
        return former if row["check_status"].lstrip("* ") == "INI" else "up"
    return "drain" if status.startswith(("DRAIN", "NOLB", "MAINT")) else "down"


# --- what the kernel is told ------------------------------------------------------------------------------------------


def family(address: str) -> int:
    return ipaddress.ip_address(address).version


def map_name(service: dict) -> str:
    """The name of a service's map, as in the rules."""
    return f"to_{re.sub('[.:]', '_', service['address'])}_{service['port']}"


def transaction(maps: dict[str, list[dict | None]], dead: set[tuple[str, int]], closed: dict[int, list[str]]) -> str:
    """nft's commands that make maps and sets say just this.

    `maps`: each slot's node, by the map's name. `dead`: ends (address, port) to which nothing goes any more.
    `closed`: by family, interfaces on which only our flows are forwarded.
    """
    lines = []
    for name, slots in maps.items():
        lines.append(f"flush map {TABLE} {name}")
        elements = [
            f"{slot} timeout {EXPIRY}s : {node['address']} . {node['port']}" for slot, node in enumerate(slots) if node
        ]
        if elements:
            lines.append(f"add element {TABLE} {name} {{ {', '.join(elements)} }}")
    for version in (4, 6):
        lines += [f"flush set {TABLE} dead{version}", f"flush set {TABLE} closed{version}"]
        ends = sorted(f"{address} . {port}" for address, port in dead if family(address) == version)
        if ends:
            lines.append(f"add element {TABLE} dead{version} {{ {', '.join(ends)} }}")
        if closed[version]:
            names = ", ".join(f'"{interface}"' for interface in closed[version])
            lines.append(f"add element {TABLE} closed{version} {{ {names} }}")
    return "\n".join(lines) + "\n"


def parse_map(listing: dict) -> set[tuple[str, int]]:
    """The ends (address, port) that a map names, from `nft --json list map`."""
    found = set()
    for item in listing["nftables"]:
        for _key, value in item.get("map", {}).get("elem", []):
            found.add(tuple(value["concat"]))
    return found


def parse_flows(text: str) -> list[dict]:
    """Lines of `conntrack --dump`: client, client_port, address, port (of the VIP), node, node_port, and whether it has ended."""
    flows = []
    for line in text.splitlines():
        pairs = re.findall(r"(src|dst|sport|dport)=(\S+)", line)
        if len(pairs) == 8:
            there, back = dict(pairs[:4]), dict(pairs[4:])
            flows.append(
                {
                    "client": there["src"],
                    "client_port": int(there["sport"]),
                    "address": there["dst"],
                    "port": int(there["dport"]),
                    "node": back["src"],
                    "node_port": int(back["sport"]),
                    "ended": bool(re.search("TIME_WAIT|CLOSE ", line)),
                }
            )
    return flows


def parse_sockets(text: str, services: set[tuple[str, int]]) -> list[tuple[str, int, str, int]]:
    """Connections (client, its port, address, port) that HAProxy has to the services, from `ss -Htn`."""
    found = []
    for line in text.splitlines():
        ends = [re.fullmatch(r"\[?(?:::ffff:)?([0-9a-fA-F.:]+)\]?:(\d+)", field) for field in line.split()[-2:]]
        if len(ends) == 2 and all(ends):
            (address, port), (client, client_port) = ((end[1], int(end[2])) for end in ends if end)
            if (address, port) in services:
                found.append((client, client_port, address, port))
    return found


def checksum(data: bytes) -> int:
    """RFC 1071: the ones' complement of the ones' complement sum of 16-bit words."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def provocation(flow: dict, sequence: int) -> bytes:
    """An IP packet from a service to its client that is out of its window: a TCP that lives answers with an ACK (RFC 9293, 3.10.7.4).

    That ACK meets the rule for dead nodes, and so even a client that only waits gets its reset.
    """
    source, target = ipaddress.ip_address(flow["address"]), ipaddress.ip_address(flow["client"])
    tcp = struct.pack("!HHIIBBHHH", flow["port"], flow["client_port"], sequence, 0, 5 << 4, 0x10, 0, 0, 0)
    if source.version == 4:
        pseudo = source.packed + target.packed + struct.pack("!BBH", 0, socket.IPPROTO_TCP, len(tcp))
        # The kernel fills in length, id and checksum of the IPv4 header.
        header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 0, 0, 0, 64, socket.IPPROTO_TCP, 0, source.packed, target.packed)
    else:
        pseudo = source.packed + target.packed + struct.pack("!IHBB", len(tcp), 0, 0, socket.IPPROTO_TCP)
        header = struct.pack("!IHBB16s16s", 6 << 28, len(tcp), socket.IPPROTO_TCP, 64, source.packed, target.packed)
    return header + tcp[:16] + struct.pack("!H", checksum(pseudo + tcp)) + tcp[18:]


def fingerprint() -> str:
    """Of the rules and the configuration as they are written: does the one that runs know just these?"""
    return hashlib.sha256((RULES.read_text() + CONFIGURATION.read_text()).encode()).hexdigest()[:16]


# --- talking ----------------------------------------------------------------------------------------------------------


def say(message: str) -> None:
    print(message, flush=True)


def run(*command: str, given: str = "") -> tuple[int, str]:
    """Exit code and output of a program; its errors where it failed."""
    done = subprocess.run(
        command, input=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True, check=False
    )
    return done.returncode, done.stdout if done.returncode == 0 else done.stderr


def wait(seconds: float) -> None:
    select.select([], [], [], max(seconds, 0))


def notify(message: str) -> None:
    """sd_notify(3)."""
    path = os.environ.get("NOTIFY_SOCKET")
    if path:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
            systemd.sendto(message.encode(), path.replace("@", "\0", 1) if path.startswith("@") else path)


def dump(end: str, address: str, *which: str) -> list[dict]:
    """TCP connections that this host knows, by conntrack's options: `end` is --src or --dst, and this its address."""
    _code, answer = run(
        "conntrack", "--dump", "--family", f"ipv{family(address)}", "--proto", "tcp", end, address, *which
    )
    return parse_flows(answer)


def enter(client: str, client_port: int, address: str, port: int, timeout: int, *more: str) -> tuple[int, str]:
    """Put an established connection into the connection table. One that is there already is refused."""
    return run(
        *(
            "conntrack",
            "--create",
            "--proto",
            "tcp",
            "--src",
            client,
            "--sport",
            str(client_port),
            "--dst",
            address,
            "--dport",
            str(port),
        ),
        *("--state", "ESTABLISHED", "--status", "SEEN_REPLY,ASSURED", "--timeout", str(timeout), *more),
    )


class HAProxy:
    """The HAProxy of this host, by its stats socket."""

    TIMEOUT = 0.8  # seconds; one that takes longer twice in a row hangs

    def __init__(self, path: str) -> None:
        self.path = path
        self.idle: socket.socket | None = None
        self.misses = 0

    def ask(self) -> list[dict[str, str]] | None:
        """The servers' lines of `show stat`, or None where there is no answer."""
        try:
            with socket.socket(socket.AF_UNIX) as admin:
                admin.settimeout(self.TIMEOUT)
                admin.connect(self.path)
                admin.sendall(b"show stat -1 4 -1\n")
                admin.shutdown(socket.SHUT_WR)
                answer = b"".join(iter(lambda: admin.recv(65536), b""))
        except socket.timeout:
            self.misses += 1
            return None
        except OSError:
            self.misses += 2
            return None
        self.misses = 0
        if not self.idle:
            self._watch()
        return list(csv.DictReader(answer.decode("utf-8", "replace").lstrip("# ").splitlines()))

    @property
    def answers(self) -> bool:
        return self.misses < 2

    def _watch(self) -> None:
        """A connection on which nothing is said: its end is the end of a worker, and is heard at once."""
        idle = socket.socket(socket.AF_UNIX)
        idle.settimeout(self.TIMEOUT)
        try:
            idle.connect(self.path)
            self.idle = idle
        except OSError:
            idle.close()

    def wait(self, seconds: float) -> None:
        """Until then, or until a worker has ended."""
        if self.idle and select.select([self.idle], [], [], max(seconds, 0))[0]:
            self.idle.close()
            self.idle = None
        elif not self.idle:
            wait(seconds)


def peer_answers(address: str, port: int) -> bool:
    """Does another host's HAProxy live? To a greeting that it does not understand its peers' port answers 502 (peers protocol, status)."""
    try:
        with socket.create_connection((address, port), 0.3) as peer:
            peer.sendall(b"HAProxyS 0.0\n")
            return peer.recv(16).startswith(b"50")
    except OSError:
        return False


# --- the kernel's settings --------------------------------------------------------------------------------------------


class Kernel:
    """Settings of ours under /proc/sys, and what stood there before."""

    ROOT = pathlib.Path("/proc/sys")

    def __init__(self) -> None:
        self.former: dict[str, str] = json.loads(FORMER.read_text()) if FORMER.exists() else {}

    def get(self, key: str) -> str | None:
        try:
            return (self.ROOT / key).read_text().strip()
        except OSError:
            return None  # no such interface any more

    def put(self, key: str, value: str) -> bool:
        """False where the kernel does not let it be changed, as in a container."""
        now = self.get(key)
        if now is None or now == value:
            return now is not None
        # Before the change, lest it is forgotten; and the first value, for a later one may be ours.
        former = {key: now, **self.former}
        FORMER.parent.mkdir(mode=0o755, exist_ok=True)
        FORMER.write_text(json.dumps(former, indent=1))
        try:
            (self.ROOT / key).write_text(value)
        except OSError:
            FORMER.write_text(json.dumps(self.former, indent=1))
            return False
        self.former = former
        return True

    def restore(self) -> None:
        # The general ones first: they overwrite those of each interface.
        for key, value in sorted(self.former.items(), key=lambda item: "/all/" not in item[0]):
            if self.get(key) is not None:
                (self.ROOT / key).write_text(value)
        if FORMER.exists():
            FORMER.unlink()

    def interfaces(self) -> list[str]:
        return sorted(
            path.name for path in (self.ROOT / "net/ipv4/conf").iterdir() if path.name not in ("all", "default", "lo")
        )

    def forward(self, interfaces: list[str], versions: set[int]) -> dict[int, list[str]]:
        """Let packets in on these interfaces be forwarded. Returns, by family, those on which nobody but us wanted that."""
        closed: dict[int, list[str]] = {4: [], 6: []}
        if 4 in versions:
            for interface in interfaces:
                self.put(f"net/ipv4/conf/{interface}/forwarding", "1")
            if self.get("net/ipv4/ip_forward") == "0":
                closed[4] = interfaces
        if 6 in versions:
            # IPv6 has one switch for all, which turns every interface into a router's. The others are turned back, and so are new
            # ones: as long as `default` says 0, nobody but us has thrown it.
            if self.get("net/ipv6/conf/all/forwarding") == "0":
                before = {
                    name: self.get(f"net/ipv6/conf/{name}/forwarding") or "0"
                    for name in [*self.interfaces(), "default"]
                }
                for interface in self.interfaces():
                    # A router takes no advertisements from others, unless it is told to: the host's own route comes from them.
                    if self.get(f"net/ipv6/conf/{interface}/accept_ra") == "1":
                        self.put(f"net/ipv6/conf/{interface}/accept_ra", "2")
                self.put("net/ipv6/conf/all/forwarding", "1")
                for name, value in before.items():
                    if name not in interfaces:
                        (self.ROOT / f"net/ipv6/conf/{name}/forwarding").write_text(value)
            if self.get("net/ipv6/conf/default/forwarding") == "0":
                for interface in interfaces:
                    self.put(f"net/ipv6/conf/{interface}/forwarding", "1")
                closed[6] = interfaces
        return closed

    def room(self, connections: int) -> None:
        """Make the connection table large enough, never smaller."""
        here = int(self.get("net/netfilter/nf_conntrack_max") or 0)
        wanted = int(self.get("net/netfilter/nf_conntrack_count") or 0) + 2 * connections
        if wanted > here:
            buckets = int(self.get("net/netfilter/nf_conntrack_buckets") or 0)
            if wanted > buckets:
                self.put("net/netfilter/nf_conntrack_buckets", str(wanted))
            self.put("net/netfilter/nf_conntrack_max", str(wanted))


def device_of(address: str) -> str | None:
    """The interface by which this host reaches an address."""
    code, answer = run("ip", "-json", "route", "get", address)
    return json.loads(answer)[0].get("dev") if code == 0 else None


def is_here(address: str) -> bool:
    """Is this one of the host's addresses now?"""
    with socket.socket(socket.AF_INET if family(address) == 4 else socket.AF_INET6, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True


# --- the service ------------------------------------------------------------------------------------------------------


class Layer4:
    """One configuration at work."""

    def __init__(self) -> None:
        self.kernel = Kernel()
        self.states: dict[tuple[str, str], str | None] = {}  # by service and node
        self.down_since: dict[tuple[str, str], float] = {}
        self.rounds: dict[tuple[str, int], int] = {}  # how often the clients of a dead node were told
        self.maps: dict[str, list[dict | None]] = {}
        self.dead: set[tuple[str, int]] = set()
        self.started = time.monotonic()
        self.fault = "the rules are not loaded yet"
        self.must_not: bool | None = None
        self.peer_asked, self.peer_alive = 0.0, False
        self.read()

    def read(self) -> None:
        """Read the configuration; what was known of its nodes stays known."""
        self.fingerprint = fingerprint()
        self.told, self.rules = json.loads(CONFIGURATION.read_text()), RULES.read_text()
        self.services = {service["name"]: service for service in self.told["services"]}
        self.ends = {(service["address"], service["port"]) for service in self.services.values()}
        self.versions = {family(service["address"]) for service in self.services.values()}
        self.haproxy = HAProxy(self.told["haproxy_socket"])
        known = {(name, node["name"]) for name, service in self.services.items() for node in service["nodes"]}
        self.states = {key: state for key, state in self.states.items() if key in known}
        self.weights: dict[tuple[str, str], int] = {}
        self.ways: dict[str, str | None] = {node["address"]: None for _name, node in self.nodes()}
        self.loaded = False

    @property
    def devices(self) -> list[str]:
        """The interfaces of the VIPs, and those that lead to the nodes. At boot there may be no route yet."""
        self.ways = {address: device or device_of(address) for address, device in self.ways.items()}
        return sorted({*self.told["interfaces"], *filter(None, self.ways.values())})

    def nodes(self) -> Iterator[tuple[str, dict]]:
        for name, service in self.services.items():
            for node in service["nodes"]:
                yield name, node

    def is_up(self, service: str, node: dict) -> bool:
        return self.states.get((service, node["name"])) == "up"

    def remember(self) -> None:
        """After a restart of this program: what is in the map was healthy a moment ago."""
        for name, service in self.services.items():
            code, answer = run("nft", "--json", "list", "map", *TABLE.split(), map_name(service))
            ends = parse_map(json.loads(answer)) if code == 0 else set()
            for node in service["nodes"]:
                if (node["address"], node["port"]) in ends:
                    self.states.setdefault((name, node["name"]), "up")
                    self.weights.setdefault((name, node["name"]), 1 if node["weight"] is None else node["weight"])

    def look(self) -> None:
        """Ask HAProxy."""
        rows = self.haproxy.ask()
        now = time.monotonic()
        for row in rows or []:
            key = (row["pxname"], row["svname"])
            if row["pxname"] not in self.services:
                continue
            state = read_state(row, self.states.get(key))
            if state != self.states.get(key):
                say(f"{row['svname']} is {state} for {row['pxname']}, says HAProxy.")
            self.states[key] = state
            self.weights[key] = int(row["weight"] or 0)
            if state != "down":
                self.down_since.pop(key, None)
            else:
                self.down_since.setdefault(key, now)

    def decide(self) -> tuple[dict[str, list[dict | None]], set[tuple[str, int]]]:
        """The maps and the dead ends that follow from what is known."""
        maps, dead = {}, set()
        now = time.monotonic()
        for name, service in self.services.items():
            up = {
                node["name"]: self.weights.get((name, node["name"]), 0)
                for node in service["nodes"]
                if self.is_up(name, node)
            }
            maps[name] = place(service["nodes"], up)
            for node in service["nodes"]:
                since = self.down_since.get((name, node["name"]))
                if since is not None and now - since >= self.told["dead_after"]:
                    dead.add((node["address"], node["port"]))
        # Two services may have the same end, and different checks: one that serves is not dead.
        return maps, dead - {(node["address"], node["port"]) for name, node in self.nodes() if self.is_up(name, node)}

    def write(self, maps: dict[str, list[dict | None]], dead: set[tuple[str, int]]) -> None:
        """Put everything into the kernel, the rules too where they are not there."""
        closed = self.kernel.forward(self.devices, self.versions)
        elements = transaction({map_name(self.services[name]): slots for name, slots in maps.items()}, dead, closed)
        code, answer = run("nft", "--file", "-", given=elements) if self.loaded else (1, "")
        if code != 0:
            self.prepare()
            code, answer = run("nft", "--file", "-", given=self.rules + elements)
            if self.loaded:  # somebody flushed the ruleset
                say("The table was gone and is there again." if code == 0 else "The table is gone.")
        fault = "" if code == 0 else f"nft refuses the rules: {' '.join(answer.split())[:300]}"
        if fault and fault != self.fault:
            say(fault)
        self.fault, self.loaded = fault, code == 0
        self.maps, self.dead = maps, dead

    def prepare(self) -> None:
        """Before the rules: HAProxy's connections to these services get entries, or their next packets would be sent to a node."""
        run(
            "nft",
            "--file",
            "-",
            given=f"table {TABLE} {{ chain prerouting {{ type nat hook prerouting priority dstnat; }}; }}",
        )
        for key, value in SETTINGS.items():
            self.kernel.put(key, value)
        self.kernel.room(self.told["connections"])
        _code, answer = run("ss", "-Htn", "state", "connected")
        for client, client_port, address, port in parse_sockets(answer, self.ends):
            enter(client, client_port, address, port, ESTABLISHED_TIMEOUT)

    def release_newcomers(self) -> None:
        """Who still waits for a node that is down to accept is let go: the client's next SYN, a second later, goes to another node."""
        for name, node in self.nodes():
            if self.states.get((name, node["name"])) == "down":
                which = ("--reply-src", node["address"], "--reply-port-src", str(node["port"]))
                run(
                    "conntrack",
                    "--delete",
                    "--proto",
                    "tcp",
                    "--state",
                    "SYN_SENT",
                    "--dst",
                    self.services[name]["address"],
                    *which,
                )

    def end_connections(self) -> None:
        """Tell the clients of dead nodes; when they have been told three times, their connections are forgotten."""
        self.rounds = {end: number for end, number in self.rounds.items() if end in self.dead}
        for end in self.dead:
            told = self.rounds.get(end, 0)
            if told > 3:
                continue
            self.rounds[end] = told + 1
            for address in {
                service["address"] for service in self.services.values() if family(service["address"]) == family(end[0])
            }:
                which = ("--dst", address, "--reply-src", end[0], "--reply-port-src", str(end[1]))
                if told == 3:
                    run("conntrack", "--delete", "--proto", "tcp", *which)
                elif is_here(address):
                    flows = dump(*which)
                    if flows and told == 0:
                        say(
                            f"{end[0]} port {end[1]} is down for {self.told['dead_after']} s: {len(flows)} connections to it are ended."
                        )
                    for flow in flows:
                        self.provoke(flow)

    def provoke(self, flow: dict) -> None:
        version = socket.AF_INET if family(flow["address"]) == 4 else socket.AF_INET6
        with socket.socket(version, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, MARK)
            try:
                raw.sendto(provocation(flow, random.getrandbits(32)), (flow["client"], 0))
            except OSError as error:
                say(f"{flow['client']} cannot be told that its node is down: {error}.")

    def judge(self) -> None:
        """Must this host not hold the VIP? Only where another one is better: the kernel forwards without HAProxy too."""
        now = time.monotonic()
        if self.haproxy.answers and not self.fault:
            must_not = False
        elif self.haproxy.answers:
            must_not = (
                now - self.started < RULES_WAITED_FOR
            )  # no rules: a VIP here would end what the other host's connections are
        else:
            if now - self.peer_asked >= 0.5:
                self.peer_alive = any(
                    peer_answers(peer, self.told["haproxy_peers_port"]) for peer in self.told["haproxy_peers"]
                )
                self.peer_asked = time.monotonic()
            must_not = self.peer_alive
        if must_not != self.must_not:
            self.must_not = must_not
            pathlib.Path(self.told["state_file"]).write_text(f"{int(must_not)}\n")
            say("This host must not hold the VIP." if must_not else "This host may hold the VIP.")

    def report(self) -> None:
        """Leave a note of what is known."""
        state = {
            "fingerprint": self.fingerprint,
            "refreshed": time.time(),
            "fault": self.fault,
            "haproxy_answers": self.haproxy.answers,
            "must_not_hold": self.must_not,
            "interfaces": self.devices,
            "services": {
                name: {
                    node["name"]: {
                        "state": self.states.get((name, node["name"])),
                        "slots": sum(taken is node for taken in self.maps[name]),
                        "dead": (node["address"], node["port"]) in self.dead,
                    }
                    for node in service["nodes"]
                }
                for name, service in self.services.items()
            },
        }
        new = STATE.with_suffix(".new")
        new.write_text(json.dumps(state))
        new.replace(STATE)

    def ready(self) -> bool:
        """Is the map complete? Until then the units that come after this one wait, 5 s for HAProxy."""
        waited = time.monotonic() - self.started
        complete = all(self.states.get((name, node["name"])) for name, node in self.nodes())
        return waited > RULES_WAITED_FOR or not self.fault and (complete or waited > 5)


def serve() -> None:
    wants_reading = [False]

    def read_anew(_signum, _frame):
        wants_reading[0] = True

    signal.signal(signal.SIGHUP, read_anew)
    STATE.parent.mkdir(mode=0o755, exist_ok=True)
    layer4 = Layer4()
    layer4.remember()
    notified = False
    written = 0.0
    while True:
        if wants_reading[0]:
            wants_reading[0] = False
            layer4.read()
        layer4.look()
        now = time.monotonic()
        due = now - written >= REFRESH or not layer4.loaded
        decided = layer4.decide()
        if due or decided != (layer4.maps, layer4.dead):
            layer4.write(*decided)
            layer4.report()
            written = now
        if due:
            layer4.release_newcomers()
            layer4.end_connections()
        layer4.judge()
        if not notified and layer4.ready():
            notified = True
            notify("READY=1")
        notify("WATCHDOG=1")
        layer4.haproxy.wait(now + TICK - time.monotonic())


# --- the mirror -------------------------------------------------------------------------------------------------------

BEACON = {4: "192.0.2.1", 6: "100::1"}  # a client that cannot be: RFC 5737, RFC 6666


def number(name: str, text: str) -> int:
    """`12 Bytes recv` or `current active connections: 3` in a report of conntrackd."""
    found = re.search(rf"(\d+) {name}|{name}:\s+(\d+)", text)
    return int(found[1] or found[2]) if found else 0


def master() -> None:
    # What the peer once put into this kernel is not in conntrackd's own list. Without it a peer that returns would not get it.
    for option in ("-R", "-B"):
        code, answer = run(*CONNTRACKD, option)
        if code != 0:
            sys.exit(f"conntrackd {option}: {answer.strip()}")


def joined() -> None:
    told = json.loads(CONFIGURATION.read_text())
    if any(is_here(service["address"]) for service in told["services"]):
        master()
        return
    deadline = time.monotonic() + 3
    run(*CONNTRACKD, "-n")
    before, quiet = (0, 0), 0
    while time.monotonic() < deadline and quiet < 2:
        wait(0.25)
        _code, report = run(*CONNTRACKD, "-s")
        now = (number("Bytes recv", report), number("connections created", report.partition("external inject")[2]))
        if not now[0]:
            run(*CONNTRACKD, "-n")  # the two had not met yet
        quiet = quiet + 1 if now[0] and now[1] == before[1] else 0
        before = now
    if not before[0]:
        say("The peer is silent: this host goes on without its connections.")


def first_end() -> tuple[dict, dict]:
    """A service and one of its nodes, for a beacon."""
    told = json.loads(CONFIGURATION.read_text())
    return told["services"][0], told["services"][0]["nodes"][0]


def beacon() -> None:
    service, node = first_end()
    port = random.randint(1024, 65535)
    code, answer = enter(
        BEACON[family(service["address"])], port, service["address"], service["port"], 20, "--dst-nat", node["address"]
    )
    if code != 0:
        sys.exit(f"conntrack: {answer.strip()}")
    print(port)


def heard(*wanted: str) -> None:
    service, _node = first_end()
    deadline = time.monotonic() + 1
    while True:
        here = [str(flow["client_port"]) for flow in dump("--src", BEACON[family(service["address"])])]
        if set(wanted) <= set(here) or time.monotonic() > deadline:
            break
        wait(0.05)
    print(json.dumps(here))


def flows_of(client: str) -> list[dict]:
    """A client's connections that go to a node."""
    nodes = {
        (node["address"], node["port"])
        for service in json.loads(CONFIGURATION.read_text())["services"]
        for node in service["nodes"]
    }
    return [flow for flow in dump("--src", client) if (flow["node"], flow["node_port"]) in nodes]


TRY = """
set -e
# Two hosts with nothing but a cable between them, and each with directories of its own for locks and sockets.
mount -t tmpfs none /run && mkdir -p /run/lock
mkfifo /run/there /run/done
unshare --net sh -ec 'echo $$ > /run/there; read -r end < /run/done' &
read -r far < /run/there
ip link add "$INTERFACE" type veth peer name far netns "$far"
ip link set "$INTERFACE" up
ip address add "$HERE" dev "$INTERFACE" $NODAD
nsenter --target "$far" --net sh -ec 'ip link set far name "$INTERFACE" up; ip address add "$THERE" dev "$INTERFACE" $NODAD'
trap 'kill $first $second; echo > /run/done' EXIT
sed 's|conntrackd|far|g' "$FAR" > /run/far.conf
conntrackd -C "$NEAR" > /run/near.log 2>&1 & first=$!
nsenter --target "$far" --net conntrackd -C /run/far.conf > /run/far.log 2>&1 & second=$!
for attempt in $(seq 50); do
    conntrack --create --proto tcp --src 192.0.2.1 --sport "$((attempt + 1024))" --dst 192.0.2.2 --dport 104 --dst-nat 192.0.2.3 \
        --state ESTABLISHED --status SEEN_REPLY,ASSURED --timeout 20 > /run/said 2>&1 || cat /run/said
    sleep 0.1
    if nsenter --target "$far" --net conntrack --dump --proto tcp --src 192.0.2.1 2> /dev/null | grep -q 192.0.2.3; then exit 0; fi
done
echo "What one host has in its connection table does not appear in the other's."
cat /run/near.log
exit 1
"""


def try_mirror(path: str) -> None:
    """Exit code 0 if two conntrackds, one with this file and one with its addresses exchanged, mirror an entry."""
    text = pathlib.Path(path).read_text()
    named = dict(
        re.findall(
            r"^\s*(IPv[46]_address|IPv[46]_Destination_Address|Interface) (\S+)$",
            text.partition("General")[0],
            re.MULTILINE,
        )
    )
    version = "6" if "IPv6_address" in named else "4"
    here, there = named[f"IPv{version}_address"], named[f"IPv{version}_Destination_Address"]
    far = path + ".far"
    exchanged = re.sub(
        r"\S+$", lambda match: {here: there, there: here}.get(match[0], match[0]), text, flags=re.MULTILINE
    )
    pathlib.Path(far).write_text(re.sub("Systemd on", "Systemd off", exchanged))
    near = path + ".near"
    pathlib.Path(near).write_text(re.sub("Systemd on", "Systemd off", text))
    bits, nodad = ("64", "nodad") if version == "6" else ("24", "")
    try:
        code, answer = run(
            *(
                "env",
                f"NEAR={near}",
                f"FAR={far}",
                f"INTERFACE={named['Interface']}",
                f"HERE={here}/{bits}",
                f"THERE={there}/{bits}",
                f"NODAD={nodad}",
            ),
            *("unshare", "--mount", "--net", "sh", "-c", TRY),
        )
    finally:
        os.unlink(far)
        os.unlink(near)
    if code != 0:
        sys.exit(f"conntrackd does not mirror with {path}: {answer.strip()}")


# --- what a person asks -----------------------------------------------------------------------------------------------


def obstacles(ruleset: dict, versions: set[int]) -> list[dict[str, str]]:
    """Chains of the site's that may drop what we forward, and the rule that each of them lacks, from `nft --json list ruleset`.

    To accept a packet in one chain does not keep another one from dropping it.
    """
    items = [next(iter(item.items())) for item in ruleset["nftables"]]
    chains = [value for kind, value in items if kind == "chain"]
    rules = [value for kind, value in items if kind == "rule"]
    found = []
    for chain in chains:
        families = {"ip": {4}, "ip6": {6}}.get(chain["family"], {4, 6})
        if chain.get("hook") != "forward" or not families & versions or f"{chain['family']} {chain['table']}" == TABLE:
            continue
        place = (chain["family"], chain["table"], chain["name"])
        own = [rule["expr"] for rule in rules if (rule["family"], rule["table"], rule["chain"]) == place]
        if any("dnat" in json.dumps(expr) and any("accept" in part for part in expr) for expr in own):
            continue
        last = {key for part in (own[-1] if own else []) for key in part} - {"counter", "log"}
        if chain.get("policy") != "drop" and (not last or last - {"drop", "reject"}):
            continue
        names = {other["name"] for other in chains if (other["family"], other["table"]) == place[:2]}
        iptables = "ip6tables" if chain["family"] == "ip6" else "iptables"
        if place[1:] == ("filter", "FORWARD"):
            into = next(
                (name for name in ("DOCKER-USER", "ufw-before-forward", "ufw6-before-forward") if name in names),
                "FORWARD",
            )
            rule = f"{iptables} -I {into} -m conntrack --ctstate DNAT -j ACCEPT"
        else:
            rule = f"nft insert rule {' '.join(place)} ct status dnat accept"
        found.append({"table": " ".join(place[:2]), "chain": chain["name"], "rule": rule})
    return found


def units(names: list[str]) -> dict[str, dict[str, bool]]:
    """Of each unit: does it run, does it start at boot, and is one of its files newer than its process?"""
    files = {
        "layer4.service": ("/usr/local/sbin/layer4", "/etc/systemd/system/layer4.service"),
        "conntrackd.service": ("/etc/layer4/conntrackd.conf", "/etc/systemd/system/conntrackd.service.d/layer4.conf"),
    }
    flows = ("/etc/systemd/system/layer4-flows@.service",)
    properties = "Id,ActiveState,UnitFileState,ExecMainStartTimestamp"
    _code, answer = run("systemctl", "show", "--timestamp=unix", f"--property={properties}", *names)
    found = {}
    for block in answer.strip().split("\n\n"):
        unit = dict(line.split("=", 1) for line in block.splitlines())
        started = int(unit["ExecMainStartTimestamp"].lstrip("@") or 0)
        newer = [
            path
            for path in files.get(unit["Id"], flows)
            if os.path.exists(path) and int(os.stat(path).st_mtime) > started
        ]
        active = unit["ActiveState"] in ("active", "reloading")
        found[unit["Id"]] = {
            "active": active,
            "enabled": unit["UnitFileState"] == "enabled",
            "outdated": active and bool(newer),
        }
    return found


def status() -> dict:
    """What runs, by whom it is asked for: people, verify and playbooks/status.yml."""
    told = json.loads(CONFIGURATION.read_text())
    state = (
        json.loads(STATE.read_text())
        if STATE.exists()
        else {"refreshed": 0, "fingerprint": "", "fault": "", "services": {}}
    )
    kernel = Kernel()
    flows: dict[str, dict[str, int]] = {}
    for service in told["services"]:
        found = dump("--dst", service["address"], "--dport", str(service["port"]))
        ends = [(flow["node"], flow["node_port"]) for flow in found if not flow["ended"]]
        flows[service["name"]] = {
            node["name"]: ends.count((node["address"], node["port"])) for node in service["nodes"]
        }
    code, report = run(*CONNTRACKD, "-s") if told["mirrored"] else (1, "")
    _code, queue = run(*CONNTRACKD, "-s", "queue") if told["mirrored"] else (1, "")
    taken = report.partition("external inject")[2]
    ruleset_code, ruleset = run("nft", "--json", "list", "ruleset")
    logs = [
        f"layer4-flows@{address}.service"
        for address in dict.fromkeys(service["address"] for service in told["services"])
    ]
    return {
        **state,
        "current": state["fingerprint"] == fingerprint(),
        "running": time.time() - state["refreshed"] < 3 * REFRESH,
        "units": units(["layer4.service", *(["conntrackd.service"] if told["mirrored"] else []), *logs]),
        "obstacles": obstacles(json.loads(ruleset), {family(service["address"]) for service in told["services"]})
        if ruleset_code == 0
        else [],
        "flows": flows,
        "table": {
            "used": int(kernel.get("net/netfilter/nf_conntrack_count") or 0),
            "room": int(kernel.get("net/netfilter/nf_conntrack_max") or 0),
            "established_timeout": int(
                kernel.get("net/netfilter/nf_conntrack_tcp_timeout_established") or ESTABLISHED_TIMEOUT
            ),
        },
        "mirror": {
            "wanted": told["mirrored"],
            "running": code == 0,
            "ours": number("current active connections", report),
            "taken": number("connections created", taken) + number("connections updated", taken),
            "waiting": number("current elements", queue.partition("rsqueue")[2]),
            "sent": number("Bytes sent", report),
            "received": number("Bytes recv", report),
        },
    }


def check(path: str) -> None:
    told = json.loads(pathlib.Path(path).read_text())
    if set(told) != KEYS:
        sys.exit(f"{path}: the keys are {', '.join(sorted(told))}, and should be {', '.join(sorted(KEYS))}.")


def undo() -> None:
    run("nft", "delete", "table", *TABLE.split())
    Kernel().restore()


def main() -> None:
    commands = {
        "run": serve,
        "check": check,
        "status": lambda: print(json.dumps(status())),
        "flows": lambda client: print(json.dumps(flows_of(client))),
        "joined": joined,
        "master": master,
        "beacon": beacon,
        "heard": heard,
        "try-mirror": try_mirror,
        "undo": undo,
    }
    command, *words = sys.argv[1:] or [""]
    if command not in commands or len(words) != {"check": 1, "flows": 1, "try-mirror": 1, "heard": len(words)}.get(
        command, 0
    ):
        sys.exit(__doc__)
    commands[command](*words)


if __name__ == "__main__":
    main()
