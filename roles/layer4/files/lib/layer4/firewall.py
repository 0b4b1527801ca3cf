# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The site's own rules, where they may drop what we forward. Pure."""

from __future__ import annotations

import json

from . import nft


def obstacles(ruleset: dict, versions: set[int]) -> list[dict[str, str]]:
    """Find chains of the site's that may drop forwarded connections, and the rule that each of them lacks.

    To accept a packet in one chain does not keep another one from dropping it.

    `ruleset`: of `nft --json list ruleset`. `versions`: the IP versions of the services. Returns table, chain and rule
    of each.
    """
    items = [next(iter(item.items())) for item in ruleset["nftables"]]
    chains = [value for kind, value in items if kind == "chain"]
    rules = [value for kind, value in items if kind == "rule"]
    found = []
    for chain in chains:
        families = {"ip": {4}, "ip6": {6}}.get(chain["family"], {4, 6})
        table = f"{chain['family']} {chain['table']}"
        if chain.get("hook") != "forward" or not families & versions or table == nft.TABLE:
            continue
        place = (chain["family"], chain["table"], chain["name"])
        own = [rule["expr"] for rule in rules if (rule["family"], rule["table"], rule["chain"]) == place]
        if any("dnat" in json.dumps(expr) and any("accept" in part for part in expr) for expr in own):
            continue
        last = {key for part in (own[-1] if own else []) for key in part} - {"counter", "log"}
        if chain.get("policy") != "drop" and (not last or last - {"drop", "reject"}):
            continue
        names = {other["name"] for other in chains if (other["family"], other["table"]) == place[:2]}
        iptables = "ip6tables" if chain["family"] == "ip6" else "iptables"
        if place[1:] == ("filter", "FORWARD"):
            into = next(
                (name for name in ("DOCKER-USER", "ufw-before-forward", "ufw6-before-forward") if name in names),
                "FORWARD",
            )
            rule = f"{iptables} -I {into} -m conntrack --ctstate DNAT -j ACCEPT"
        else:
            rule = f"nft insert rule {' '.join(place)} ct status dnat accept"
        found.append({"table": table, "chain": chain["name"], "rule": rule})
    return found
