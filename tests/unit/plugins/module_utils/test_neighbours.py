# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The codec of address_owner, byte for byte. Asking needs root and a link: that the lab's scenarios do."""

from __future__ import annotations

import ipaddress
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.pacs.loadbalancer.plugins.module_utils import _neighbours as neighbours

MAC = bytes.fromhex("5a0c63c2f8b1")
OTHER = bytes.fromhex("22112c3558e9")
IPV4 = ipaddress.ip_address("198.51.100.10").packed
IPV6 = ipaddress.ip_address("2001:db8::12:3456").packed

ips = st.ip_addresses
macs = st.binary(min_size=6, max_size=6)


def test_arp_probe():
    assert neighbours.arp_probe(MAC, IPV4).hex(" ", 2) == (
        "ffff ffff ffff 5a0c 63c2 f8b1 0806 0001 0800 0604 0001 5a0c 63c2 f8b1 0000 0000 0000 0000 0000 c633 640a"
    )


def reply(operation=2, sender=OTHER, address=IPV4):
    return MAC + OTHER + struct.pack("!HHHBBH", 0x0806, 1, 0x0800, 6, 4, operation) + sender + address + MAC + bytes(4)


@pytest.mark.parametrize("operation", [1, 2])
def test_who_sends_arp_with_an_address_owns_it(operation):
    assert neighbours.arp_sender(reply(operation)) == ("198.51.100.10", "22:11:2c:35:58:e9")


def test_the_padding_of_a_short_frame_does_not_matter():
    assert neighbours.arp_sender(reply() + bytes(18)) == ("198.51.100.10", "22:11:2c:35:58:e9")


def test_a_probe_claims_nothing():
    assert neighbours.arp_sender(neighbours.arp_probe(OTHER, IPV4)) is None


def test_other_frames_claim_nothing():
    ipv4_packet = reply()[:12] + b"\x08\x00" + reply()[14:]
    assert neighbours.arp_sender(ipv4_packet) is None
    assert neighbours.arp_sender(reply()[:41]) is None


def test_solicitation():
    assert neighbours.solicitation(MAC, IPV6).hex(" ", 4) == (
        "87000000 00000000 20010db8 00000000 00000000 00123456 01015a0c 63c2f8b1"
    )


def test_solicited_node():
    assert ipaddress.ip_address(neighbours.solicited_node(IPV6)) == ipaddress.ip_address("ff02::1:ff12:3456")


def advertisement(options=b"\x02\x01" + OTHER):
    return b"\x88\x00\x12\x34\x60\x00\x00\x00" + IPV6 + options


def test_advertisement():
    assert neighbours.advertised(advertisement()) == ("2001:db8::12:3456", "22:11:2c:35:58:e9")


def test_an_option_before_it_is_skipped():
    nonce = b"\x0e\x02" + bytes(14)
    assert neighbours.advertised(advertisement(nonce + b"\x02\x01" + OTHER)) == (
        "2001:db8::12:3456",
        "22:11:2c:35:58:e9",
    )


@pytest.mark.parametrize("options", [b"", b"\x02\x00" + OTHER, b"\x02\x01" + OTHER[:5], b"\x01\x01" + OTHER])
def test_an_advertisement_without_a_mac_claims_nothing(options):
    assert neighbours.advertised(advertisement(options)) is None


def test_a_solicitation_claims_nothing():
    assert neighbours.advertised(neighbours.solicitation(OTHER, IPV6)) is None


def test_the_kernel_is_asked_to_pass_advertisements_alone():
    bits = int.from_bytes(
        b"".join(struct.pack(">I", word) for word in reversed(struct.unpack("=8I", neighbours.ONLY_ADVERTISEMENTS))),
        "big",
    )
    assert [kind for kind in range(256) if not bits >> kind & 1] == [136]


@given(st.binary(max_size=200))
def test_no_bytes_break_the_codec(data):
    neighbours.arp_sender(data)
    neighbours.advertised(data)
    neighbours.arp_sender(reply()[:20] + data)
    neighbours.advertised(advertisement(data))


@given(macs, ips(v=4).filter(int))
def test_any_arp_reply(mac, address):
    assert neighbours.arp_sender(reply(2, mac, address.packed)) == (str(address), mac.hex(":"))


def test_an_address_that_is_none():
    with pytest.raises(neighbours.CannotAsk, match="'pacs1' does not appear to be an IPv4 or IPv6 address"):
        neighbours.owners("lo", ["pacs1"], 1)
