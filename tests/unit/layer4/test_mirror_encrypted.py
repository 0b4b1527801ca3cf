# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The encrypted mirror between two network namespaces, with wireguard-go in the place of the kernel's WireGuard."""

from __future__ import annotations

import base64
import re
import runpy
import secrets
import signal
import socket
import subprocess
import sys

import namespaces
import pytest
import rendering
from factories import build, hosts
from namespaces import Host, Pair, until

from ansible_collections.pacs.loadbalancer.plugins.module_utils import _mirror_key
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.output import as_dict

MISSING = namespaces.missing((*namespaces.PROGRAMS, "wg", "wireguard-go"))
pytestmark = pytest.mark.skipif(bool(MISSING), reason=MISSING)
TUNNEL = "layer4-mirror"
DATAGRAMS = runpy.run_path(str(rendering.REPOSITORY / "molecule/shared/files/datagrams.py"))
LB1, LB2, INVENTED = "198.51.100.11", "198.51.100.12", "198.51.100.99"
# Prints what goes from one host to another by UDP, a line each: the port, and the payload.
SNIFF = """
import socket, sys
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
wire.bind(("eth0", 0))
ends = b"".join(map(socket.inet_aton, sys.argv[1:]))
print("listening", flush=True)
while True:
    frame = wire.recv(65536)
    if frame[12:14] == b"\\x08\\x00" and frame[23] == 17 and frame[26:34] == ends:
        length = int.from_bytes(frame[16:18], "big")
        print(int.from_bytes(frame[36:38], "big"), frame[42 : 14 + length].hex(), flush=True)
"""
# Sends the payloads on standard input to a port, from any address.
SEND = """
import socket, struct, sys
wire = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
source, destination = map(socket.inet_aton, sys.argv[1:3])
for payload in map(bytes.fromhex, sys.stdin):
    udp = struct.pack("!HHHH", int(sys.argv[3]), int(sys.argv[3]), 8 + len(payload), 0) + payload
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, source, destination)
    wire.sendto(head + udp, (sys.argv[2], 0))
"""


@pytest.fixture(scope="module")
def keys():
    """A private key for each load balancer."""
    return {name: secrets.token_bytes(32) for name in ("lb1", "lb2")}


@pytest.fixture(scope="module")
def rendered(keys):
    """By whether it is encrypted, what each load balancer gets."""
    sites = {}
    for encrypted in (False, True):
        written = {"infinitt_layer": 4, "infinitt_mirror_encrypted": encrypted}
        site = build(hosts(), **written)
        assert site.problems == []
        # Both hosts have the same key there.
        sites[encrypted] = ({**written, "__infinitt_mirror_key": {"public_key": "PUBLIC"}}, as_dict(site))
    texts = rendering.render(sites)
    for name, other in (("lb1", "lb2"), ("lb2", "lb1")):
        public = base64.b64encode(_mirror_key.public_key(keys[other])).decode()
        texts[True][name]["mirror"] = texts[True][name]["mirror"].replace("PUBLIC", public)
    return texts


def run(balancer: namespaces.LoadBalancer, unit: str, word: str) -> None:
    """Run the commands of a unit, and wireguard-go where the kernel is asked for WireGuard."""
    for line in re.findall(rf"^{word}=(.*)$", unit.replace("\\\n", " "), re.MULTILINE):
        if line.endswith(f"link add dev {TUNNEL} type wireguard"):
            balancer.start("wireguard-go", "--foreground", TUNNEL, stderr=subprocess.DEVNULL)
            assert until(lambda: balancer("ip", "link", "show", TUNNEL, check=False))
        else:
            balancer(*line.split())


def begin(balancer, texts: dict[str, str], key: bytes) -> None:
    """Do what the role does: other rules, a tunnel or none, and conntrackd anew."""
    if "mirror" in texts:
        balancer.write("/etc/layer4/mirror.key", base64.b64encode(key).decode() + "\n")
        run(balancer, texts["mirror"], "ExecStart")
    balancer.write("/etc/layer4/layer4.nft", texts["layer4"])
    balancer.daemon.send_signal(signal.SIGHUP)
    assert until(
        lambda: ("169.254" in balancer("nft", "list", "chain", "inet", "layer4", "mirror")) == ("mirror" in texts)
    )
    balancer.restart_conntrackd(texts["conntrackd"])


@pytest.fixture
def pair(rendered, tmp_path):
    """A pair whose mirror is not encrypted."""
    pair = Pair(rendered[False], tmp_path)
    yield pair
    pair.end()
    print(*(balancer.log.read_text() for balancer in (pair.lb1, pair.lb2)), sep="\n")


def same(pair, number: int):
    """What both kernels forward, once it is so many connections and the same on both."""
    return until(lambda: len(found := pair.lb1.forwarded()) == number and pair.lb2.forwarded() == found and found)


def test_a_mirror_is_encrypted_and_no_longer_under_traffic_and_breaks_nothing(pair, rendered, keys):
    opened = [pair.connect(5)]
    assert same(pair, 5)
    for number, encrypted in enumerate((True, False, True), 2):
        for balancer, name in ((pair.lb2, "lb2"), (pair.lb1, "lb1")):  # the standby first
            if not encrypted:
                run(balancer, rendered[True][name]["mirror"], "ExecStop")
            begin(balancer, rendered[encrypted][name], keys[name])
            assert len(pair.lb2.forwarded()) >= 5 * (number - 1), "the standby has lost its copies"
        opened.append(pair.connect(5))
        assert same(pair, 5 * number), (encrypted, pair.lb1("wg"), pair.lb2("wg"))
    for connections in opened:
        connections.ask(2)
    pair.lb1.power_off()
    pair.move(pair.lb2)
    assert [connections.answers() for connections in opened] == [["answered"] * 5] * 4


def test_who_is_on_the_segment_reads_nothing_of_an_encrypted_mirror_and_puts_nothing_in(pair, rendered, keys):
    spy, wire = Host(pair.switch, "198.51.100.66"), pair.lb2.log.with_name("wire")
    vip = socket.inet_aton(namespaces.VIP)

    def heard() -> dict[str, list[str]]:
        """By port, what lb1 sent to lb2."""
        found: dict[str, list[str]] = {}
        for port, payload in (line.split() for line in wire.read_text().splitlines()[1:]):
            found.setdefault(port, []).append(payload)
        return found

    def send(payloads: list[str], source: str, to: str, port: str) -> None:
        spy(sys.executable, "-c", SEND, source, to, port, stdin="\n".join(payloads))

    def dropped() -> int:
        chain = pair.lb2("nft", "list", "chain", "inet", "layer4", "mirror")
        return int(re.search(r"counter packets (\d+)", chain)[1])

    def invented() -> str:
        return pair.lb2("conntrack", "--dump", "--src", INVENTED, check=False)

    try:
        pair.lb2.start(sys.executable, "-c", SNIFF, LB1, LB2, stdout=wire.open("w"))  # as a switch could
        assert until(wire.read_text)
        pair.connect(5)
        assert same(pair, 5)
        plain = heard()["3780"]
        forged = [DATAGRAMS["forge"](bytes.fromhex(one), vip, socket.inet_aton(INVENTED)).hex() for one in plain]
        assert any(vip.hex() in payload for payload in plain)
        send(forged, LB1, LB2, "3780")
        assert until(invented), "without encryption the sender's address is all that counts"
        pair.lb2("conntrack", "--delete", "--src", INVENTED)

        for balancer, name in ((pair.lb2, "lb2"), (pair.lb1, "lb1")):
            begin(balancer, rendered[True][name], keys[name])
        before = len(heard()["3780"])
        pair.connect(5)
        assert same(pair, 10)
        encrypted = heard()
        assert len(encrypted["3781"]) > 2 and len(encrypted["3780"]) == before
        assert not any(vip.hex() in payload for payload in encrypted["3781"])
        # To a host that takes packets for any of its addresses from any of its interfaces, as Linux does.
        pair.lb2("sysctl", "-w", "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.eth0.rp_filter=0")
        spy("ip", "route", "add", "169.254.37.81", "via", LB2)
        before_forged = dropped()
        for port, payloads in (("3780", forged), ("3781", forged), ("3781", encrypted["3781"])):
            send(payloads, LB1, LB2, port)
            send(payloads, "169.254.37.80", "169.254.37.81", port)
        pair.connect(1)
        assert same(pair, 11) and not invented()
        assert dropped() == before_forged + 2 * len(forged)
    finally:
        spy.power_off()
