# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table's names, and the transaction that fills its maps and sets."""

from __future__ import annotations

from forwarded import THREE
from layer4 import nft


def test_a_maps_name_is_one_that_nft_takes():
    assert nft.map_name({"address": "198.51.100.10", "port": 104}) == "to_198_51_100_10_104"
    assert nft.map_name({"address": "2001:db8::10", "port": 11112}) == "to_2001_db8__10_11112"


def test_a_transaction_says_everything_anew():
    slots = [THREE[0], None, THREE[0]]
    lines = nft.transaction(
        {"to_a_104": slots, "to_b_105": [None]}, {("2001:db8::21", 104)}, {4: ["eth0", "eth1.5"], 6: []}
    ).splitlines()
    assert lines == [
        "flush map inet layer4 to_a_104",
        "add element inet layer4 to_a_104 { 0 timeout 5s : 198.51.100.25 . 104, 2 timeout 5s : 198.51.100.25 . 104 }",
        "flush map inet layer4 to_b_105",
        "flush set inet layer4 dead4",
        "flush set inet layer4 closed4",
        'add element inet layer4 closed4 { "eth0", "eth1.5" }',
        "flush set inet layer4 dead6",
        "flush set inet layer4 closed6",
        "add element inet layer4 dead6 { 2001:db8::21 . 104 }",
    ]


def test_the_ends_that_a_map_names():
    def listing(**elements):
        header = {"metainfo": {"version": "1.0.6", "release_name": "Lester Gooch #5", "json_schema_version": 1}}
        of = {
            "family": "inet",
            "name": "to_198_51_100_10_104",
            "table": "layer4",
            "type": "integer",
            "handle": 1,
            "flags": ["timeout"],
        }
        return {"nftables": [header, {"map": {**of, "map": "ipv4_addr . inet_service", **elements}}]}

    elements = [
        [{"elem": {"val": slot, "timeout": 5, "expires": 4}}, {"concat": [f"198.51.100.{end}", port]}]
        for slot, end, port in ((0, 21, 104), (1, 22, 11112), (2, 21, 104))
    ]
    assert nft.parse_map(listing(elem=elements)) == {("198.51.100.21", 104), ("198.51.100.22", 11112)}
    assert nft.parse_map(listing()) == set()
