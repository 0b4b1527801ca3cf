# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is believed of the lab, from the steps alone. Nothing of it is observed: a seed always gives the same steps."""

from __future__ import annotations

import dataclasses
import re
from typing import Self


@dataclasses.dataclass(frozen=True)
class Step:
    """One operation, as it is written in STEPS: name, name@place, name:value or name@place:value."""

    name: str
    at: str = ""
    value: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        found = re.fullmatch(r"(\w+)(?:@(\w+))?(?::([\w.]+))?", text)
        if not found:
            raise ValueError(f"{text} is no step: name, name@place, name:value or name@place:value")
        return cls(*(part or "" for part in found.groups()))

    def __str__(self) -> str:
        return self.name + (f"@{self.at}" if self.at else "") + (f":{self.value}" if self.value else "")


@dataclasses.dataclass(frozen=True)
class Belief:
    """The lab after some steps."""

    layer: int
    three: bool = False  # there are three load balancers from the beginning
    fault: str = ""  # the operation that took something from a load balancer; the one of the same name undoes it
    second: str = ""  # the same of another load balancer, while the first is still away: with three alone
    node_fault: str = ""  # the same for a node
    half: bool = False  # a run was killed, and none has completed its work since
    out: bool = False  # a node is drained or in maintenance
    sole: bool = False  # one node alone is in the inventory
    moved: bool = False  # another VIP is the first, and that of the traffic a former one

    @property
    def faulty(self) -> bool:
        """Has something been taken from a load balancer?"""
        return bool(self.fault or self.second)

    @property
    def whole(self) -> bool:
        """Are all load balancers there and alike, so that whatever a person does must succeed?"""
        return not (self.faulty or self.node_fault or self.half)

    def with_(self, **changes) -> Belief:
        return dataclasses.replace(self, **changes)
