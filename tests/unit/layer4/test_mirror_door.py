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
# Writes the sender of each datagram that comes to the port into /run/door, a line each.
DOOR = """
import socket, sys
door = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
door.bind((sys.argv[1], 3780))
print("open", flush=True)
while True:
    sender = door.recvfrom(99)[1][0]
    with open("/run/door", "a") as file:
        file.write(f"{sender}\\n")
"""
KNOCK = """
import socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
socket.socket(family, socket.SOCK_DGRAM).sendto(b"?", (sys.argv[1], 3780))
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
