# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The segment that asks a client whether it is alive."""

from __future__ import annotations

import ipaddress
import socket
import struct

from hypothesis import given
from hypothesis import strategies as st
from layer4 import packet

ports = st.integers(1, 65535)


@st.composite
def flows(draw):
    addresses = draw(st.sampled_from([st.ip_addresses(v=4), st.ip_addresses(v=6)]))
    return {
        "client": str(draw(addresses)),
        "client_port": draw(ports),
        "address": str(draw(addresses)),
        "port": draw(ports),
    }


@given(flows(), st.integers(0, 2**32 - 1))
def test_a_keepalive_is_an_ack_from_the_service_that_every_tcp_takes_for_whole(flow, sequence):
    segment = packet.keepalive(flow, sequence)
    source, target = (ipaddress.ip_address(flow[key]) for key in ("address", "client"))
    if source.version == 4:
        header, tcp = segment[:20], segment[20:]
        assert header[0] == 0x45 and header[8] > 0 and header[9] == socket.IPPROTO_TCP
        assert header[12:20] == source.packed + target.packed
    else:
        header, tcp = segment[:40], segment[40:]
        assert header[0] >> 4 == 6 and header[6] == socket.IPPROTO_TCP and header[7] > 0
        assert int.from_bytes(header[4:6], "big") == len(tcp) and header[8:] == source.packed + target.packed
    port, client_port, number, acknowledged, offset, flags, window, _checksum, urgent = struct.unpack("!HHIIBBHHH", tcp)
    assert (port, client_port, number) == (flow["port"], flow["client_port"], sequence)
    assert (offset, flags, acknowledged, window, urgent) == (0x50, 0x10, 0, 0, 0)
    # In the ones' complement a sum is a remainder: over the pseudo header (RFC 9293, 3.1; RFC 8200, 8.1) and the
    # segment it is none.
    pseudo = source.packed + target.packed + len(tcp).to_bytes(4, "big") + bytes([0, 0, 0, socket.IPPROTO_TCP])
    assert int.from_bytes(pseudo + tcp, "big") % 0xFFFF == 0


@given(st.binary(max_size=64))
def test_a_checksum_makes_any_bytes_whole(data):
    padded = data + b"\0" * (len(data) % 2)
    assert int.from_bytes(padded + packet.checksum(data).to_bytes(2, "big"), "big") % 0xFFFF == 0
