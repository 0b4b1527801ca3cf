# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a job template of Tower asks whoever starts it: a row of the table of variables in, a question out.

The form is that of the API's ``survey_spec``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site import values
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.problems import ValidationError, nearest
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.values import Choice, Choices, Integer
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.variables import RUN_VARIABLES, Variable

RUN = re.compile(r"^For one run of .*?, ")
MARKUP = re.compile(r"\b[A-Z]\(([^)]*)\)")


def survey(questions: Iterable[Mapping[str, Any]], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the survey with these questions.

    ``questions``: each the name of a ``variable``, the ``question`` in words, and whether an answer is ``required``.
    ``options``: those of the argument specs, which describe each variable.
    """
    return {
        "name": "",
        "description": "",
        "spec": [
            {
                "variable": variable.name,
                "question_name": asked["question"],
                "question_description": explained(options[variable.name]["description"]),
                "required": bool(asked.get("required", False)),
                **answers(variable),
            }
            for asked in questions
            for variable in [asked_of_a_run(asked["variable"])]
        ],
    }


def asked_of_a_run(name: str) -> Variable:
    """Return the variable. An answer goes before the inventory, so one that is to last has no place in a survey."""
    if name in RUN_VARIABLES:
        return RUN_VARIABLES[name]
    raise ValidationError(f"{name} is not asked of one run of a playbook", nearest(name, list(RUN_VARIABLES)))


def explained(description: str | list[str]) -> str:
    """Return a description of the argument specs, as one reads it below a question."""
    text = RUN.sub("", MARKUP.sub(r"\1", description if isinstance(description, str) else " ".join(description)))
    return text[:1].upper() + text[1:]


def answers(variable: Variable) -> dict[str, Any]:
    """Return of which type the answers are, between what, and which one stands there already.

    Whoever leaves a text empty gets the default, which its explanation names. A choice cannot be left empty.
    """
    parser, default = variable.parser, variable.default
    if variable.secret:
        # Without a default: the API would show another one than it was given.
        return {"type": "password"}
    if isinstance(parser, Integer):
        return {"type": "integer", "min": parser.low, "max": parser.high, "default": "" if default is None else default}
    if parser is values.boolean:
        return {"type": "multiplechoice", "choices": ["false", "true"], "default": str(default).lower()}
    if isinstance(parser, Choice):
        return {"type": "multiplechoice", "choices": list(parser.words), "default": default or ""}
    if isinstance(parser, Choices):
        return {"type": "multiselect", "choices": list(parser.words), "default": "\n".join(default)}
    return {"type": "text", "default": ""}
