# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""VRRP advertisements, byte for byte."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from keepalived_guard import advert
from keepalived_guard.advert import Advert, Announced

# As Keepalived 2.2.7 sends them: id 51, priority 254, every 0.25 s.
V4 = bytes.fromhex("31 33 fe 01 0019 8f53 c633640a".replace(" ", ""))
V6 = bytes.fromhex("31 33 fe 01 0019 8f53 20010db8000000000000000000000010".replace(" ", ""))
V2 = bytes.fromhex("21 33 64 01 00 01 ba52 c633640a".replace(" ", ""))


def packet(payload=V4, ttl=255, protocol=112, destination="c633640c", options=b""):
    head = bytes([0x45 + len(options) // 4]) + bytes(7) + bytes([ttl, protocol]) + bytes(2)
    return head + bytes.fromhex("c633640b" + destination) + options + payload


@pytest.mark.parametrize(
    "payload, length, expected",
    [
        (V4, 4, Advert(Announced(51, "198.51.100.10", 0.25), 254)),
        (V4 + bytes([198, 51, 100, 9]), 4, Advert(Announced(51, "198.51.100.10", 0.25), 254)),
        (V6, 16, Advert(Announced(51, "2001:db8::10", 0.25), 254)),
        (V2, 4, Advert(Announced(51, "198.51.100.10", 1), 100)),
        (V4[:2] + b"\0" + V4[3:], 4, Advert(Announced(51, "198.51.100.10", 0.25), 0)),
    ],
)
def test_an_advertisement(payload, length, expected):
    assert advert.parse(payload, length) == expected


@pytest.mark.parametrize("payload", [b"", V4[:11], b"\x32" + V4[1:], b"\x41" + V4[1:], V4[:3] + b"\0" + V4[4:]])
def test_what_is_no_advertisement(payload):
    assert advert.parse(payload, 4) is None


def test_the_reserved_bits_are_no_part_of_the_interval():
    assert advert.parse(V4[:4] + b"\xf0" + V4[5:], 4).interval == 0.25


def test_a_packet_says_who_sent_it_and_how_far_it_can_have_come():
    found = advert.parse_ipv4(packet(ttl=64))
    assert (found.source, found.ttl, found.to_group, found.payload) == ("198.51.100.11", 64, False, V4)


def test_a_packet_to_the_group():
    assert advert.parse_ipv4(packet(destination="e0000012")).to_group


def test_options_of_the_header_are_no_part_of_the_advertisement():
    assert advert.parse_ipv4(packet(options=bytes(8))).payload == V4


@pytest.mark.parametrize("other", [b"", b"\x45", packet()[:19], packet(protocol=6), b"\x65" + packet()[1:]])
def test_what_is_no_packet_of_vrrp(other):
    assert advert.parse_ipv4(other) is None


@given(st.binary(max_size=80))
def test_no_bytes_break_it(data):
    advert.parse_ipv4(data)
    advert.parse_ipv4(packet()[:20] + data)
    for length in (4, 16):
        advert.parse(b"\x31" + data, length)


@given(st.integers(1, 255), st.integers(0, 255), st.integers(1, 4095), st.ip_addresses())
def test_any_advertisement(router_id, priority, hundredths, vip):
    payload = bytes([0x31, router_id, priority, 1, hundredths >> 8, hundredths & 255, 0, 0]) + vip.packed
    found = advert.parse(payload, len(vip.packed))
    assert found == Advert(Announced(router_id, str(ipaddress.ip_address(str(vip))), hundredths / 100), priority)
