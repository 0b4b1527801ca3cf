# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The command of the scenario `history`, with a runner that does nothing."""

from __future__ import annotations

import sys

import pytest
from history import __main__ as command
from history import generator
from history.belief import Belief
from history.checker import Violation


class Runner:
    """Breaks promises at the step whose number is `breaks`."""

    breaks = 0

    def __init__(self, *_arguments):
        self.steps = []

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        pass

    def run(self, steps, _until):
        for step in steps:
            self.steps.append(step)
            if len(self.steps) == self.breaks:
                return [Violation("two owners", "lb1 and lb2"), Violation("failed", "site failed: " + "why " * 999)]
        return []

    def heal(self):
        return []


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    (tmp_path / "lab.json").write_text('{"layer": 4, "third": {"lb3": "pacs-history-lb3"}}')
    for name, value in {"Runner": Runner, "Lab": dict, "RESULTS": tmp_path / "history.json"}.items():
        monkeypatch.setattr(command, name, value)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["history", "run", str(tmp_path / "lab.json"), *arguments])
        return command.main(), capsys.readouterr().out

    return run


def test_a_number_of_steps_are_the_first_of_the_seed_and_no_more(run):
    assert run("--seed", "7", "--count", "5") == (0, "\n5 steps, broken promises: none\n")


def test_what_was_broken_is_the_last_that_is_said_and_short(run, monkeypatch):
    monkeypatch.setattr(Runner, "breaks", 3)
    code, said = run("--seed", "7", "--count", "5")
    steps = list(zip(range(3), generator.draw(7, Belief(4), command.available())))
    lines = said.splitlines()
    assert code == 1 and lines[1] == "3 steps, broken promises: 1"
    assert lines[2].startswith("make history LAYER=4 HOSTS=2 STEPS=") and lines[2].endswith(f'{steps[-1][1]}"')
    assert lines[3] == "  two owners: lb1 and lb2" and len(lines[4]) == command.SAID_AT_MOST and len(lines) == 5


def test_three_load_balancers_from_the_beginning_get_no_third_one_for_a_while(run, monkeypatch, tmp_path):
    monkeypatch.setattr(Runner, "breaks", 3)
    (tmp_path / "lab.json").write_text('{"layer": 4, "third": {}}')
    assert "make history LAYER=4 HOSTS=3 STEPS=" in run("--count", "5")[1]
    drawn = generator.draw(7, Belief(4, three=True), command.available())
    assert "third" not in {step.name for step, _number in zip(drawn, range(500))}
