# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The mutants of the product that the scenario `history` must catch."""

from __future__ import annotations

import pathlib
import shutil

import pytest
from history import generator
from history.belief import Belief, Step
from history.mutants import MUTANTS
from history.operations import OPERATIONS

REPOSITORY = pathlib.Path(__file__).parents[3]


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_can_be_made_of_the_product_as_it_is(name, tmp_path):
    mutant = MUTANTS[name]
    copy = tmp_path / mutant.file
    copy.parent.mkdir(parents=True)
    shutil.copy(REPOSITORY / mutant.file, copy)
    mutant.put_into(tmp_path)
    assert copy.read_text() != (REPOSITORY / mutant.file).read_text()


@pytest.mark.parametrize("name", MUTANTS)
def test_the_steps_that_show_a_mutant_can_be_done(name):
    belief = Belief(4)
    for step in MUTANTS[name].steps.split():
        belief = generator.after(Step.parse(step), belief, OPERATIONS)


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_breaks_promises_that_are_checked(name):
    checked = (REPOSITORY / "molecule/shared/history/checker.py").read_text()
    assert all(f'Violation("{promise}"' in checked for promise in MUTANTS[name].breaks)
