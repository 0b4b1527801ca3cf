# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Try operations in an order nobody thought of, under traffic, and check every promise after each.

usage: python3 -m history COMMAND
  run CONFIG --seed N --minutes M   draw steps from a seed, do them, and go on with the next seed for so many minutes
  run CONFIG --seed N --count C     do the first C steps of a seed: the same ones on any machine
  run CONFIG --steps "STEP ..."     do these steps, as an earlier run printed them (--shrink: and look for fewer)
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
from collections.abc import Iterable
from typing import TextIO

from . import checker, generator
from .belief import Belief, Step
from .lab import REPOSITORY, Lab
from .operations import OPERATIONS
from .runner import Opened, Runner

STEPS_A_ROUND = 16
SAID_AT_MOST = 300  # characters of each broken promise in the summary
RESULTS = REPOSITORY / ".build/results/history.json"


def available() -> dict:
    """Return the operations whose playbooks are there."""
    there = {path.stem for path in (REPOSITORY / "playbooks").glob("*.yml")}
    return {name: operation for name, operation in OPERATIONS.items() if operation.runs <= there}


class Rounds:
    """Rounds of steps, each from a whole pair, so that what fails is a short list."""

    def __init__(self, config: dict, history: TextIO) -> None:
        self._lab, self._history = Lab(config), history
        self.operations, self.belief = available(), Belief(config["layer"], three=not config["third"])
        self.steps, self.failures = 0, []  # how many were done, and what to say of those that failed
        self._before: Runner | None = None
        self._opened: Opened = {}

    def attempt(self, steps: Iterable[Step], until: float = float("inf")) -> list[Step]:
        """Do the steps and undo everything; return those that led to a broken promise."""
        if self._before:
            self._before.reset()
        runner = self._before = Runner(self._lab, self.operations, self.belief, self._history, self._opened)
        with runner:
            violations = runner.run(steps, until) or runner.heal()
        self.steps += len(runner.steps)
        if not violations:
            return []
        short = generator.since_quiet(runner.steps, self.belief, self.operations)
        # What was broken comes last: of a long output, the end is what people see.
        said = (f"  {violation}"[:SAID_AT_MOST] for violation in violations)
        lab = f"LAYER={self.belief.layer} HOSTS={3 if self.belief.three else 2}"
        self.failures.append("\n".join([f'make history {lab} STEPS="{" ".join(map(str, short))}"', *said]))
        return short

    def drawn(self, seed: int, count: int) -> list[Step]:
        """Return the first steps of a seed."""
        return list(itertools.islice(generator.draw(seed, self.belief, self.operations), count))

    def shrink(self, steps: list[Step]) -> None:
        """Try shorter lists until none of them fails."""
        for rest in generator.shorter(steps, self.belief, self.operations):
            print(f"Without {len(steps) - len(rest)} of {len(steps)} steps", flush=True)
            found = self.attempt(rest)
            if found:
                return self.shrink(found)


def run(arguments: argparse.Namespace) -> int:
    given = [Step.parse(text) for text in arguments.steps.split()]
    until = time.time() + arguments.minutes * 60
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    with RESULTS.open("w", buffering=1) as history:
        rounds = Rounds(json.loads(pathlib.Path(arguments.config).read_text()), history)
        if arguments.count:
            given = rounds.drawn(arguments.seed, arguments.count)
        if given:
            failed = rounds.attempt(given)
            if failed and arguments.shrink:
                rounds.shrink(failed)
        for seed in itertools.count(arguments.seed):
            if given or time.time() > until:
                break
            print(f"Seed {seed}", flush=True)
            rounds.attempt(rounds.drawn(seed, STEPS_A_ROUND), until)
    print(f"\n{rounds.steps} steps, broken promises: {len(rounds.failures) or 'none'}", *rounds.failures, sep="\n")
    return bool(rounds.failures)


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
    runs.add_argument("--minutes", type=float, default=60)
    runs.add_argument("--steps", default="")
    runs.add_argument("--shrink", action="store_true")
    runs.add_argument("--count", type=int, default=0)
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
