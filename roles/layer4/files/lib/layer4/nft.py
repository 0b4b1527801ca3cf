# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The nftables table: names, and the commands that fill its maps and sets. Pure.

roles/layer4/templates/layer4.nft.j2 has the rules, and the same names.
"""

from __future__ import annotations

import re

from . import address

TABLE = "inet layer4"
EXPIRY = 5  # seconds after which an element is gone that is not refreshed
MARK = 0x4C34  # of our own packets to a client, which have no connection of their own


def map_name(service: dict, choice: str = "to") -> str:
    """Name a service's map as in the rules: `to` that of its nodes, `second` that of second choices."""
    return f"{choice}_{re.sub('[.:]', '_', service['address'])}_{service['port']}"


def transaction(maps: dict[str, list[dict | None]], dead: set[tuple[str, int]], closed: dict[int, list[str]]) -> str:
    """Write nft's commands after which maps and sets contain just this.

    `maps`: each slot's node, by the map's name. `dead`: endpoints (address, port) to which nothing goes any more.
    `closed`: by IP version, interfaces on which only our flows are forwarded.
    """
    lines = []
    for name, slots in maps.items():
        lines.append(f"flush map {TABLE} {name}")
        elements = [
            f"{slot} timeout {EXPIRY}s : {node['address']} . {node['port']}" for slot, node in enumerate(slots) if node
        ]
        if elements:
            lines.append(f"add element {TABLE} {name} {{ {', '.join(elements)} }}")
    for version in (4, 6):
        lines += [f"flush set {TABLE} dead{version}", f"flush set {TABLE} closed{version}"]
        endpoints = sorted(f"{host} . {port}" for host, port in dead if address.version(host) == version)
        if endpoints:
            lines.append(f"add element {TABLE} dead{version} {{ {', '.join(endpoints)} }}")
        if closed[version]:
            names = ", ".join(f'"{interface}"' for interface in closed[version])
            lines.append(f"add element {TABLE} closed{version} {{ {names} }}")
    return "\n".join(lines) + "\n"


def parse_counters(listing: dict) -> tuple[dict[str, int], dict[str, dict[tuple[str, int], int]]]:
    """Return the packets of each named counter of our table, and the bytes by set and endpoint (address, port), from
    `nft --json list ruleset`.
    """
    packets, sets = {}, {}
    for item in listing["nftables"]:
        ((kind, its),) = item.items()
        if f"{its.get('family')} {its.get('table')}" != TABLE:
            continue
        if kind == "counter":
            packets[its["name"]] = its["packets"]
        elif kind == "set" and re.match("(to|from)_nodes", its["name"]):
            elements = [element["elem"] for element in its.get("elem", [])]
            sets[its["name"]] = {tuple(its["val"]["concat"]): its["counter"]["bytes"] for its in elements}
    return packets, sets


def parse_map(listing: dict) -> set[tuple[str, int]]:
    """Return the endpoints (address, port) in a map, from `nft --json list map`."""
    found = set()
    for item in listing["nftables"]:
        for _key, value in item.get("map", {}).get("elem", []):
            found.add(tuple(value["concat"]))
    return found
