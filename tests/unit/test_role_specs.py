# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A role's argument specs, from which its README is made, say what its defaults are."""

from __future__ import annotations

import re

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from rendering import REPOSITORY

ROLES = sorted(path.name for path in (REPOSITORY / "roles").iterdir())


def of(role):
    """Return the options of a role's specification, and its defaults."""
    specs = yaml.safe_load((REPOSITORY / f"roles/{role}/meta/argument_specs.yml").read_text())
    defaults = yaml.safe_load((REPOSITORY / f"roles/{role}/defaults/main.yml").read_text())
    return specs["argument_specs"]["main"]["options"], defaults


@pytest.mark.parametrize("role", ROLES)
def test_every_default_is_documented_with_its_value(role):
    options, defaults = of(role)
    assert {name for name, option in options.items() if "default" in option} <= set(defaults) <= set(options)
    for name, value in defaults.items():
        # What an empty value or an expression stands for is said in the description.
        if value != "" and not (isinstance(value, str) and "{{" in value) and not options[name].get("required"):
            assert options[name].get("default") == value, name


@pytest.mark.parametrize("role", ROLES)
def test_no_default_is_refused_by_its_own_specification(role):
    options, defaults = of(role)
    # An expression stands for something that only a run knows.
    known = {name: value for name, value in defaults.items() if not (isinstance(value, str) and "{{" in value)}
    specification = {name: {**options[name], "required": False} for name in known}
    assert ArgumentSpecValidator(specification).validate(known).error_messages == []


def test_nothing_is_taken_from_a_set_which_has_no_order():
    """These filters answer in another order in each run: units would start so, and sentences read so."""
    paths = [*REPOSITORY.glob("roles/**/*.yml"), *REPOSITORY.glob("playbooks/*.yml")]
    assert paths
    unordered = re.compile(r"\|\s*(union|intersect|difference|symmetric_difference)\b")
    assert [path for path in paths if unordered.search(path.read_text())] == []
