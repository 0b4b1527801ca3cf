# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Try operations in an order nobody thought of, under traffic, and check every promise after each.

usage: python3 -m history COMMAND
  run CONFIG --seed N --minutes M   draw steps from a seed for so many minutes, and do them
  run CONFIG --steps "STEP ..."     do these steps, as an earlier run printed them
  steps --seed N --count C          print the steps that a seed gives
  check                             check the last history again
CONFIG is JSON: see lab.py. What happened is written to .build/results/history.json, one event a line; what the
playbooks said is in .build/history. The exit code is 1 where a promise was broken.
"""

from __future__ import annotations

import argparse
import itertools
import json
import pathlib
import sys
import time

from . import checker, generator
from .belief import Belief, Step
from .lab import REPOSITORY, Lab
from .operations import OPERATIONS
from .runner import Runner

RESULTS = REPOSITORY / ".build/results/history.json"


def available() -> dict:
    """Return the operations whose playbooks are there."""
    there = {path.stem for path in (REPOSITORY / "playbooks").glob("*.yml")}
    return {name: operation for name, operation in OPERATIONS.items() if operation.runs <= there}


def run(arguments: argparse.Namespace) -> int:
    config = json.loads(pathlib.Path(arguments.config).read_text())
    operations, belief = available(), Belief(config["layer"])
    chosen = [Step.parse(text) for text in arguments.steps.split()]
    steps = chosen or generator.draw(arguments.seed, belief, operations)
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    print("Steps as given" if chosen else f"Seed {arguments.seed}, {arguments.minutes:g} minutes", flush=True)
    until = time.time() + (float("inf") if chosen else arguments.minutes * 60)
    with Runner(Lab(config), operations, belief, RESULTS) as runner:
        violations = runner.run(steps, until) or runner.heal()
    if violations:
        short = generator.since_quiet(runner.steps, belief, operations)
        print(
            f'\n{len(violations)} promises broken. To do it again:\n  make history STEPS="{" ".join(map(str, short))}"'
        )
    else:
        print(f"\n{len(runner.steps)} steps, and every promise was kept.")
    return bool(violations)


def check() -> int:
    history = [json.loads(line) for line in RESULTS.read_text().splitlines()]
    broken = 0
    for step, violations in checker.check_again(history):
        print(f"{step:28} {'; '.join(map(str, violations)) or 'as promised'}")
        broken += len(violations)
    return bool(broken)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    runs, shows = commands.add_parser("run"), commands.add_parser("steps")
    runs.add_argument("config")
    runs.add_argument("--steps", default="")
    runs.add_argument("--minutes", type=float, default=60)
    shows.add_argument("--count", type=int, default=20)
    shows.add_argument("--layer", type=int, default=4)
    for command in (runs, shows):
        command.add_argument("--seed", type=int, default=1)
    commands.add_parser("check")
    arguments = parser.parse_args()
    if arguments.command == "check":
        return check()
    if arguments.command == "run":
        return run(arguments)
    for step in itertools.islice(generator.draw(arguments.seed, Belief(arguments.layer), available()), arguments.count):
        print(step)
    return 0


if __name__ == "__main__":
    sys.exit(main())
