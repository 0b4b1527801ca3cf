# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A survey asks what the table of variables takes, and each of its defaults is what holds where nothing is said."""

from __future__ import annotations

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from rendering import REPOSITORY

from ansible_collections.pacs.loadbalancer.plugins.filter.controller import infinitt_survey
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.values import Choice, Choices, Integer, is_set
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.variables import RUN_VARIABLES

SURVEYS = yaml.safe_load((REPOSITORY / "playbooks/tower/surveys.yml").read_text())["survey_questions"]
# A key may be a patient's: it is filled in as a credential.
ASKED = [name for name, variable in RUN_VARIABLES.items() if not variable.secret]


def question(name, **written):
    (asked,) = infinitt_survey([{"variable": name, "question": "What?", **written}])["spec"]
    return asked


@pytest.mark.parametrize("name", RUN_VARIABLES)
def test_a_default_of_a_survey_is_the_default_of_the_variable(name):
    variable, default = RUN_VARIABLES[name], question(name).get("default")
    if isinstance(variable.parser, Choices):
        default = default.splitlines()  # as whoever starts the job sends them: a list
    if is_set(default) and default != []:
        assert variable.parser(default) == variable.default
    elif isinstance(variable.parser, (Choice, Integer)):
        assert variable.default is None


@pytest.mark.parametrize("name", RUN_VARIABLES)
def test_every_choice_and_both_ends_of_a_range_are_taken_and_nothing_beyond(name):
    variable, asked = RUN_VARIABLES[name], question(name)
    for choice in asked.get("choices", []):
        assert variable.parser(choice) in (choice, [choice], choice == "true")
    if asked["type"] == "integer":
        assert [variable.parser(asked[end]) for end in ("min", "max")] == [asked["min"], asked["max"]]
        with pytest.raises(ValueError):
            variable.parser(asked["max"] + 1)


def test_a_choice_that_has_no_default_must_be_made():
    """Whoever starts a job cannot leave a choice empty."""
    for questions in SURVEYS.values():
        for asked in infinitt_survey(questions)["spec"]:
            assert asked["type"] != "multiplechoice" or asked["default"] or asked["required"], asked


def test_all_that_may_be_asked_of_a_run_is_asked_by_some_survey():
    assert {asked["variable"] for questions in SURVEYS.values() for asked in questions} == {*ASKED}


def test_a_question_is_explained_as_the_variable_is():
    asked = question("infinitt_to", required=True)
    assert asked["question_description"] == (
        "The load balancer that is to hold the VIP. Unset, it is the healthy standby."
    )
    assert asked["question_name"] == "What?" and asked["required"]


def test_a_secret_has_no_default():
    """The controller shows `$encrypted$` for it, and would be sent it anew each time."""
    assert question("infinitt_check_study") == {
        **{key: question("infinitt_check_study")[key] for key in ("question_name", "question_description", "variable")},
        "required": False,
        "type": "password",
    }


def test_what_belongs_in_the_inventory_cannot_be_asked():
    with pytest.raises(AnsibleFilterError, match="infinitt_layer is not asked of one run of a playbook; "):
        question("infinitt_layer")
