# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keeps what others than the peers announce from Keepalived, and strangers from the ports on which the load balancers
talk to each other; counts both.

Keepalived ignores such an advertisement, and yet begins to wait anew for the moment of its own next one (seen with
2.2.7). Where they come faster than its own, it never announces itself, and the peer takes the VIP as well.
"""

from __future__ import annotations

import ipaddress
import json
import time
from collections.abc import Iterable, Mapping, Sequence

from . import advert, process, system

LOOK = 5.0  # seconds between two looks at the table
AGAIN = 1.0  # and after one in which it could not be loaded
STRANGERS = 20  # senders that are remembered

TABLE = "inet keepalived_guard"
# Each is forgotten a day after the last one.
SET = "set {name} {{ typeof {key}; size 64; flags dynamic,timeout; timeout 1d; counter; }}"
TTL = {"ip": "ip ttl", "ip6": "ip6 hoplimit"}
# Who announces itself, by sender and TTL.
STRANGE = {"strangers4": f"ip saddr . {TTL['ip']}", "strangers6": f"ip6 saddr . {TTL['ip6']}"}
# Who wants to talk to our daemons, by sender and port.
CALLERS = {f"callers{version}": f"{ip} saddr . meta l4proto . th dport" for version, ip in ((4, "ip"), (6, "ip6"))}
WITHOUT = f"table {TABLE}\ndelete table {TABLE}\n"
RULES = """\
table {table} {{
    {sets}
    chain input {{
        type filter hook input priority filter - 5; policy accept;
        # A load balancer that is alone sends to itself.
        iif lo accept
        meta l4proto {protocol} goto vrrp
        {doors}
    }}
    chain vrrp {{
        # Other routers use the groups, which Keepalived does not hear.
        ip daddr 224.0.0.0/4 accept
        ip6 daddr ff00::/8 accept
        {announcers}
        {strangers}
        counter drop
    }}
    chain peers_only {{
        {peers}
        {callers}
        counter drop
    }}
}}
"""


def rules(announcers: Iterable[str], peers: Iterable[str], own: str, ports: Mapping[str, Iterable[int]]) -> str:
    """Return what nft is given: from the first addresses VRRP passes, if it comes from this link, and from the peers
    what they send to our own address and these ports, by protocol. All else is the site's to decide.
    """
    doors = {protocol: ", ".join(map(str, sorted(numbers))) for protocol, numbers in ports.items() if own and numbers}
    return WITHOUT + RULES.format(
        table=TABLE,
        protocol=advert.PROTOCOL,
        sets=_lines(SET.format(name=name, key=key) for name, key in {**STRANGE, **CALLERS}.items()),
        doors=_lines(
            f"{_ip(own)} daddr {own} {protocol} dport {{ {numbers} }} goto peers_only"
            for protocol, numbers in doors.items()
        ),
        announcers=_lines(f"{_ip(one)} saddr {one} {TTL[_ip(one)]} {advert.TTL} accept" for one in sorted(announcers)),
        peers=_lines(f"{_ip(one)} saddr {one} accept" for one in sorted(peers)),
        strangers=_lines(f"update @{name} {{ {key} }}" for name, key in STRANGE.items()),
        callers=_lines(f"update @{name} {{ {key} }}" for name, key in CALLERS.items()),
    )


def _ip(host: str) -> str:
    return "ip" if ipaddress.ip_address(host).version == 4 else "ip6"


def _lines(rows: Iterable[str]) -> str:
    return "\n        ".join(rows)


def parse(listed: str) -> dict[tuple[str, int], int]:
    """Return by sender and TTL how many advertisements were dropped, from `nft --json list table`."""
    found = {}
    for item in json.loads(listed)["nftables"]:
        its = item.get("set", {})
        for element in its.get("elem", []) if its.get("name") in STRANGE else []:
            sender, ttl = element["elem"]["val"]["concat"]
            found[sender, ttl] = element["elem"]["counter"]["packets"]
    return found


class Firewall:
    """Our table in the kernel."""

    def __init__(self) -> None:
        self.wanted: set[str] = set()
        self.own = ""
        self.ports: Mapping[str, Sequence[int]] | None = {}
        self.former: set[str] = set()  # peers that were in the file before, or that run
        self.loaded: set[str] | None = None
        self.counts: dict[tuple[str, int], int] = {}
        self.looked = 0.0
        self.is_outdated = True
        self.failures = 0

    def allow(self, peers: Iterable[str], own: str, ports: Mapping[str, Sequence[int]] | None) -> None:
        """From now on these are the peers, by the file, which Keepalived may not have read yet; and our own address
        with the ports that are for the peers alone, by protocol. None: nobody is kept out of anything.
        """
        self.wanted, self.is_outdated, self.looked = set(peers), True, 0.0
        self.own, self.ports = own, ports

    def tend(self) -> dict[tuple[str, int], int]:
        """See now and then that the table is there; return what it has dropped since the last time."""
        if not self.wanted or time.monotonic() - self.looked < LOOK:
            return {}
        self.looked = time.monotonic()
        is_there = self.loaded is not None and self.ports is not None
        listed = system.run("nft", "--json", "list", "table", *TABLE.split()) if is_there else None
        now = parse(listed) if listed else {}
        new = {key: count - self.counts.get(key, 0) for key, count in now.items()}
        self.counts = now
        if self.is_outdated or (listed is None and self.ports is not None):
            self.load()
        return {key: count for key, count in new.items() if count > 0}

    def load(self) -> None:
        heard = process.peers()
        if heard is None and self.loaded is None:
            return  # it runs, and does not say with which peers
        # The former ones as well: it may not have read the file yet, and they may announce themselves still.
        peers = self.wanted | (heard or set()) | (self.loaded or set())
        self.former = peers - self.wanted
        text = WITHOUT if self.ports is None else rules(peers, self.wanted, self.own, self.ports)
        is_loaded = system.run("nft", "--file", "-", stdin=text) is not None
        self.counts, self.loaded, self.is_outdated = {}, peers if is_loaded else None, not is_loaded
        self.failures = 0 if is_loaded else self.failures + 1
        if not is_loaded:
            self.looked -= LOOK - AGAIN
        if self.failures == 2:  # once it may have been busy
            system.say("nft refuses to keep strangers from Keepalived and from the ports of the load balancers.")


class Strangers:
    """Who has announced itself in vain: by sender how often, the moment and the TTL of the last time."""

    def __init__(self, known: dict[str, dict]) -> None:
        self.known = known

    def note(self, source: str, ttl: int, number: int = 1) -> None:
        its = self.known.setdefault(source, {"count": 0})
        its.update(count=its["count"] + number, last=time.time(), ttl=ttl)
        while len(self.known) > STRANGERS:
            del self.known[min(self.known, key=lambda sender: self.known[sender]["last"])]
