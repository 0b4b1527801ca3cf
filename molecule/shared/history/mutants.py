# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults put into the product on purpose: each must break a promise. What finds none of them proves nothing.

usage: python3 -m history.mutants [NAME DIRECTORY]
  puts the fault into a copy of the repository and prints its steps, and the promises on the next line; without
  arguments it prints the names
"""

from __future__ import annotations

import dataclasses
import pathlib
import sys
from collections.abc import Mapping


@dataclasses.dataclass(frozen=True)
class Mutant:
    """Texts of one file that are replaced, steps that show it, and the promises of which one is broken then (as
    checker.py names them)."""

    file: str
    changes: Mapping[str, str]
    steps: str
    breaks: tuple[str, ...]

    def put_into(self, repository: pathlib.Path) -> None:
        path = repository / self.file
        text = path.read_text()
        for old, new in self.changes.items():
            if text.count(old) != 1:
                raise ValueError(f"{self.file} must contain {old!r} once, and does {text.count(old)} times")
            text = text.replace(old, new)
        path.write_text(text)


MUTANTS = {
    # The holder does not send the other one what it got from it, neither when it becomes that nor later.
    "no_resync": Mutant(
        "roles/layer4/files/lib/layer4/sync.py",
        {'("-f", "internal"), ("-R",), ("-B",)': '("-f", "internal"),', 'system.run(*CONNTRACKD, "-R")': "pass"},
        "power_off@holder power_off_undone power_off@holder power_off_undone",
        ("associations", "not whole"),
    ),
    # A load balancer does not mind that another one announces something else.
    "no_guard": Mutant(
        "roles/keepalived/files/lib/keepalived_guard/judge.py",
        {"if advert.announced != here:": "if advert.announced != here and False:"},
        "router_id:71",
        ("two owners",),
    ),
    # A flush of the ruleset takes the kernel's hooks with it.
    "no_hooks": Mutant(
        "roles/layer4/files/lib/layer4/guard.py",
        {"self.held = library.nft_run_cmd": "self.held = False and library.nft_run_cmd"},
        "nft_flush@holder nft_flush@holder nft_flush@holder",
        ("associations", "without rules"),
    ),
    # Each host gives a client another node.
    "hash_seed": Mutant(
        "roles/layer4/templates/layer4.nft.j2",
        {"seed 0x50414353": "seed 0x504{{ '%05d' | format(inventory_hostname[-1] | int) }}"},
        "power_off@holder power_off_undone",
        ("associations", "nodes"),
    ),
}


def main() -> None:
    match sys.argv[1:]:
        case [name, directory] if name in MUTANTS:
            MUTANTS[name].put_into(pathlib.Path(directory))
            print(MUTANTS[name].steps, "|".join(MUTANTS[name].breaks), sep="\n")
        case []:
            print(*MUTANTS)
        case _:
            sys.exit(f"{__doc__}\nNAME: {', '.join(MUTANTS)}")


if __name__ == "__main__":
    main()
