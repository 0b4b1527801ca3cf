# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Time runs of site.yml on a lab where nothing is deployed, and write their seconds to a file.

usage: runs.py RESULT
"""

from __future__ import annotations

import json
import pathlib
import sys
import time

from lab import run

ROUNDS = 3
LAYERS = {"7": "infinitt_layer=7", "4": "infinitt_layer=4"}


def site(*variables: str) -> float:
    """Run site.yml and return how many seconds it took."""
    started = time.monotonic()
    run(
        "ansible-playbook",
        "playbooks/site.yml",
        *(word for variable in variables for word in ("--extra-vars", variable)),
    )
    return time.monotonic() - started


def main() -> None:
    found = {}
    for layer, variable in LAYERS.items():
        first = site(variable)
        unchanged = [site(variable) for _round in range(ROUNDS)]
        # One line of keepalived.conf, on both hosts: there and back.
        changed = [site(variable, "infinitt_failover=fast"), site(variable)]
        found[layer] = {"first": [first], "unchanged": unchanged, "one line": changed}
        for what, seconds in found[layer].items():
            print(f"site.yml, layer {layer}, {what}: {', '.join(f'{each:.1f}' for each in seconds)} s", flush=True)
    result = pathlib.Path(sys.argv[1])
    result.parent.mkdir(parents=True, exist_ok=True)
    result.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
