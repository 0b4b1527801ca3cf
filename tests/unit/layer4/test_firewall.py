# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules of the site's own that may drop a forwarded connection."""

from __future__ import annotations

import pytest
from layer4 import firewall


def chain(table, name, policy="accept", hook="forward", family="ip"):
    base = {"type": "filter", "hook": hook, "prio": 0, "policy": policy} if hook else {}
    return {"chain": {"family": family, "table": table, "name": name, **base}}


def rule(table, name, *expr, family="ip"):
    return {"rule": {"family": family, "table": table, "chain": name, "expr": list(expr)}}


COUNTER = {"counter": {"packets": 0, "bytes": 0}}
DNAT = {"match": {"op": "in", "left": {"ct": {"key": "status"}}, "right": "dnat"}}


@pytest.mark.parametrize(
    "items, rules",
    [
        ([chain("filter", "FORWARD")], []),
        ([chain("filter", "FORWARD", "drop")], ["iptables -I FORWARD -m conntrack --ctstate DNAT -j ACCEPT"]),
        ([chain("filter", "INPUT", "drop", hook="input")], []),
        ([chain("layer4", "forward", "drop", family="inet")], []),
        ([chain("filter", "FORWARD", "drop", family="ip6")], []),
        (
            [chain("filter", "FORWARD", "drop"), chain("filter", "DOCKER-USER", hook=None)],
            ["iptables -I DOCKER-USER -m conntrack --ctstate DNAT -j ACCEPT"],
        ),
        (
            [chain("filter", "FORWARD", "drop"), chain("filter", "ufw-before-forward", hook=None)],
            ["iptables -I ufw-before-forward -m conntrack --ctstate DNAT -j ACCEPT"],
        ),
        # firewalld rejects at the end what it does not know, and lets through what was translated.
        (
            [
                chain("firewalld", "filter_FORWARD", family="inet"),
                rule("firewalld", "filter_FORWARD", DNAT, {"accept": None}, family="inet"),
                rule("firewalld", "filter_FORWARD", COUNTER, {"reject": {"type": "icmpx"}}, family="inet"),
            ],
            [],
        ),
        (
            [chain("own", "transit", family="inet"), rule("own", "transit", COUNTER, {"drop": None}, family="inet")],
            ["nft insert rule inet own transit ct status dnat accept"],
        ),
        ([chain("own", "transit", family="inet"), rule("own", "transit", DNAT, {"drop": None}, family="inet")], []),
    ],
)
def test_what_of_the_sites_may_drop_a_forwarded_connection(items, rules):
    found = firewall.obstacles({"nftables": [{"metainfo": {"version": "1.0.6"}}, *items]}, {4})
    assert [entry["rule"] for entry in found] == rules
