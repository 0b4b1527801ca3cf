# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What keepalived.conf says of its first VRRP instance; pure."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field

from .advert import Announced

# keepalived.conf(5): a comment begins with # or !, and goes on to the end of the line.
WORD = re.compile(r'"[^"]*"|[#!]|[{}]|[^\s{}"#!]+')


@dataclass
class Instance:
    """A VRRP instance.

    ``interval``: seconds between advertisements. ``address``: this host's own, if one is written. ``vips``: the
    interface of each address, those that VRRP announces first.
    """

    router_id: int = 0
    interval: float = 1.0
    interface: str = ""
    address: str = ""
    peers: list[str] = field(default_factory=list)
    vips: dict[str, str] = field(default_factory=dict)
    excluded: dict[str, str] = field(default_factory=dict)

    @property
    def announced(self) -> Announced:
        return Announced(self.router_id, next(iter(self.vips)), self.interval)


def parse(text: str) -> Instance | None:
    """Return the first instance; None where there is none, or not the whole of it (somebody is writing the file)."""
    instance = Instance()
    for blocks, words in _statements(text):
        if blocks[:1] != ["vrrp_instance"]:
            continue
        if blocks == ["vrrp_instance"] and not words:
            return instance if instance.router_id and instance.vips else None
        try:
            _read(instance, blocks[1:], words)
        except (IndexError, ValueError):
            return None
    return None


def _read(instance: Instance, blocks: list[str], words: list[str]) -> None:
    if not words:
        return
    if not blocks and words[0] == "virtual_router_id":
        instance.router_id = int(words[1])
    elif not blocks and words[0] == "advert_int":
        instance.interval = round(float(words[1]), 2)
    elif not blocks and words[0] == "interface":
        instance.interface = words[1]
    elif not blocks and words[0] == "unicast_src_ip":
        instance.address = _address(words[1])
    elif blocks == ["unicast_peer"]:
        instance.peers.append(_address(words[0]))
    elif blocks in (["virtual_ipaddress"], ["virtual_ipaddress_excluded"]):
        device = words[words.index("dev") + 1] if "dev" in words else instance.interface
        (instance.vips if blocks == ["virtual_ipaddress"] else instance.excluded)[_address(words[0])] = device


def _address(word: str) -> str:
    return str(ipaddress.ip_address(word.partition("/")[0]))


def _statements(text: str):
    """Yield each statement with the names of the blocks around it; a block ends with a statement without words."""
    blocks: list[str] = []
    for line in text.splitlines():
        words: list[str] = []
        for word in WORD.findall(line):
            if word[0] in "#!":
                break
            if word == "{":
                blocks.append(words[0] if words else "")
                words = []
            elif word == "}":
                yield list(blocks), words
                if words:
                    yield list(blocks), []
                words = []
                del blocks[-1:]
            else:
                words.append(word)
        if words:
            yield list(blocks), words
