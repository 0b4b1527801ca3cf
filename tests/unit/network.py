# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The hosts of the fixture `segment` at work: rules and a map in the kernel, and nodes that fail."""

from __future__ import annotations

import json

from layer4 import hashing, nft
from tcp_clients import CALLS, call_from, serve_on

NODES = ("pacs1", "pacs2", "pacs3")
FAULTS = {
    "refuses": None,
    "silent": "tcp dport {104, 204} drop",
    "forbids": "tcp dport {104, 204} reject with icmpx admin-prohibited",
    "off": None,
    "unreachable": None,
}


class Network:
    """A load balancer, its nodes and a client; HAProxy's listener is a server of its name."""

    def __init__(self, hosts, rendered):
        self.hosts, self.balancer = hosts, hosts["balancer"]
        self.rules, self.services = rendered["layer4"], json.loads(rendered["configuration"])["services"]
        self.servers = {}
        # A missing neighbour is noticed at once, before the client sends its SYN again.
        settings = ["net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"]
        for version in ("ipv4", "ipv6"):
            settings += [f"net.{version}.neigh.eth0.{one}" for one in ("mcast_solicit=1", "retrans_time_ms=100")]
        self.balancer("sysctl", "--quiet", "--write", *settings)

    def start(self):
        for name in {*NODES, "balancer"} - set(self.servers):
            self.servers[name] = serve_on(self.hosts[name], name, 104, 204)

    def load(self, change=lambda text: text, names=NODES):
        """Load the rules, and a map of these nodes."""
        maps = {
            nft.map_name(service, choice): hashing.place(service["nodes"], dict.fromkeys(names, 1), number)
            for service in self.services
            for number, choice in enumerate(("to", "second"))
        }
        elements = nft.transaction(maps, set(), {4: [], 6: []}).replace(f"timeout {nft.EXPIRY}s", "timeout 60s")
        self.balancer("nft", "--file", "-", stdin=change(self.rules) + elements)

    def stop(self, *names):
        for name in names:
            self.hosts[name].stop(self.servers.pop(name))

    def fail(self, name, fault):
        if fault == "off":
            self.hosts["switch"]("ip", "link", "set", f"p2{name[-1]}", "down")
            for version in ("-4", "-6"):
                self.balancer("ip", version, "neighbour", "flush", "dev", "eth0")
        elif fault == "unreachable":
            self.route("add", name)
        elif FAULTS[fault]:
            chain = f"chain input {{ type filter hook input priority 0; {FAULTS[fault]}; }}"
            self.hosts[name]("nft", "--file", "-", stdin=f"table inet fault {{ {chain}; }}")
        else:
            self.stop(name)

    def route(self, what, name):
        for prefix in ("198.51.100.2", "2001:db8::2"):
            self.balancer("ip", "route", what, "unreachable", prefix + name[-1])

    def repair(self, name, fault):
        if fault == "off":
            self.hosts["switch"]("ip", "link", "set", f"p2{name[-1]}", "up")
        elif fault == "unreachable":
            self.route("delete", name)
        elif FAULTS[fault]:
            self.hosts[name]("nft", "flush", "ruleset")

    def call(self, kind="call"):
        return call_from(self.hosts["client"], CALLS, kind)

    def counted(self):
        """What the rules have counted: packets by counter, and bytes by set and endpoint."""
        return nft.parse_counters(json.loads(self.balancer("nft", "--json", "list", "ruleset")))

    def newcomers(self):
        """How many the kernel still counts among them."""
        sets = [f"{name}{version}" for name in ("tried", "retried") for version in (4, 6)]
        listed = [self.balancer("nft", "list", "set", *nft.TABLE.split(), name) for name in sets]
        return "".join(listed).count("expires")
