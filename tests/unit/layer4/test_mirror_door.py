# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who reaches the mirror's port (UDP 3780), over IPv4 and IPv6: as the rendered rules say, in a kernel."""

from __future__ import annotations

import subprocess
import sys

import namespaces
import pytest
import rendering
from factories import build, hosts
from namespaces import Host, Switch, until
from test_render import V6

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.output import as_dict

if namespaces.missing(("ip", "nft", "nsenter", "unshare")):
    pytest.skip(namespaces.missing(("ip", "nft", "nsenter", "unshare")), allow_module_level=True)

NETWORKS = {4: "198.51.100.", 6: "2001:db8::"}
OF_FAMILY = {
    4: (hosts(), {}),
    6: (V6, {"infinitt_vip": "2001:db8::10/64", "infinitt_nodes": [{"name": "pacs1", "address": "2001:db8::21"}]}),
}
# Writes the sender of each datagram that comes to the port into /run/door, a line each. With a second argument to any
# address and to this group too, as conntrackd does.
DOOR = """
import socket, sys
door = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
for group in sys.argv[2:]:
    door.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, b"".join(map(socket.inet_aton, (group, sys.argv[1]))))
door.bind(("" if sys.argv[2:] else sys.argv[1], 3780))
print("open", flush=True)
while True:
    sender = door.recvfrom(99)[1][0]
    with open("/run/door", "a") as file:
        file.write(f"{sender}\\n")
"""
KNOCK = """
import socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
door = socket.socket(family, socket.SOCK_DGRAM)
for own in sys.argv[2:]:
    door.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(own))
door.sendto(b"?", (sys.argv[1], 3780))
"""


@pytest.fixture(scope="module")
def rules():
    """layer4.nft of lb1, by the addresses' family and whether only the peer is let in."""
    sites = {}
    for family, (pair, more) in OF_FAMILY.items():
        for peers_only in (True, False):
            written = {"infinitt_layer": 4, "infinitt_peers_only": peers_only, **more}
            site = build(pair, **written)
            assert site.problems == []
            sites[family, peers_only] = (written, as_dict(site))
    return {key: texts["lb1"]["layer4"] for key, texts in rendering.render(sites).items()}


@pytest.mark.parametrize("family", NETWORKS)
def test_the_mirror_hears_its_other_end_and_no_stranger(family, rules):
    added = [Switch()]
    try:
        here, peer, stranger = (Host(added[0], f"{NETWORKS[family]}{number}") for number in (11, 12, 50))
        added += [here, peer, stranger]
        here.start(sys.executable, "-c", DOOR, here.address, stdout=subprocess.PIPE).stdout.readline()

        def heard():
            return here("cat", "/run/door", check=False).splitlines()

        here("nft", "--file", "-", stdin=rules[family, True])
        for sender in (stranger, peer):
            sender(sys.executable, "-c", KNOCK, here.address)
        assert until(heard) == [peer.address]
        assert "counter packets 1" in here("nft", "list", "chain", "inet", "layer4", "mirror")
        here("nft", "--file", "-", stdin=rules[family, False])
        stranger(sys.executable, "-c", KNOCK, here.address)
        assert until(lambda: len(heard()) == 2) and heard()[1] == stranger.address, "infinitt_peers_only: false"
    finally:
        for host in reversed(added):
            host.power_off()


def test_of_three_each_hears_the_group_from_the_two_others_and_from_no_stranger(mirrored_trio):
    group, added = "224.0.0.254", [Switch()]
    try:
        here, second, third, stranger = (Host(added[0], f"198.51.100.{number}") for number in (11, 12, 13, 50))
        added += [here, second, third, stranger]
        command = (sys.executable, "-c", DOOR, here.address, group)
        here.start(*command, stdout=subprocess.PIPE).stdout.readline()
        here("nft", "--file", "-", stdin=mirrored_trio["lb1"]["layer4"])
        for sender in (stranger, second, third):
            sender(sys.executable, "-c", KNOCK, group, sender.address)
        # One that is not told of the third yet still sends to the second alone.
        for sender in (stranger, second):
            sender(sys.executable, "-c", KNOCK, here.address)
        expected = [second.address, third.address, second.address]
        assert until(lambda: here("cat", "/run/door", check=False).splitlines() == expected)
        assert "counter packets 2" in here("nft", "list", "chain", "inet", "layer4", "mirror")
    finally:
        for host in reversed(added):
            host.power_off()
