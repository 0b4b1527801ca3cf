# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What AWX takes as a survey, what it takes as an answer, and which variables a job has then."""

from __future__ import annotations

from copy import deepcopy

from resources import Refused

TYPES = {
    **dict.fromkeys(("text", "textarea", "password", "multiplechoice", "multiselect"), str),
    "integer": int,
    "float": (int, float),
}


def check_survey(spec):
    """Refuse a survey that AWX would refuse."""

    def need(condition, why):
        if not condition:
            raise Refused({"error": why})

    need(isinstance(spec.get("name"), str) and isinstance(spec.get("description"), str), "a name and a description")
    need(isinstance(spec.get("spec"), list) and spec["spec"], "'spec' doesn't contain any items.")
    for question in spec["spec"]:
        for name in ("type", "question_name", "variable"):
            need(isinstance(question.get(name), str), f"{name} in {question}")
        kind, default = question["type"], question.get("default", "")
        need(isinstance(question.get("required"), bool), f"required in {question}")
        need(kind in TYPES, f"{kind} is no type")
        need(default == "" or isinstance(default, TYPES[kind]), f"the default of {question['variable']}")
        need(all(isinstance(question.get(name, 0), int) for name in ("min", "max")), f"limits of {question}")
        if kind.startswith("multi"):
            need(question.get("choices"), f"choices of {question['variable']}")
            given = default.splitlines()
            need(kind == "multiselect" or len(given) < 2, f"the default of {question['variable']}")
            need({*given} <= {*question["choices"]}, f"the default of {question['variable']} is no choice")
    need(len({question["variable"] for question in spec["spec"]}) == len(spec["spec"]), "a variable is asked twice")


def shown(spec):
    """A survey as the API shows it: no default of a password."""
    seen = deepcopy(spec)
    for question in seen.get("spec", []):
        if question["type"] == "password" and question.get("default"):
            question["default"] = "$encrypted$"
    return seen


def errors_of(question, given, required=True):
    """What is wrong with an answer, or with its lack."""
    name, kind = question["variable"], question["type"]
    if name not in given:
        return [f"'{name}' value missing"] if required and question["required"] else []
    value = given[name]
    if kind == "multiselect":
        return (
            [] if isinstance(value, list) and {*value} <= {*question["choices"]} else [f"{name} is no list of choices"]
        )
    if kind == "multiplechoice":
        return [] if value in question["choices"] else [f"Value {value} for '{name}' expected to be one of the choices"]
    if not isinstance(value, TYPES[kind]) or isinstance(value, bool):
        return [f"Value {value} for '{name}' expected to be of type {kind}"]
    if kind == "integer" and not question["min"] <= value <= question["max"]:
        return [f"'{name}' value {value} is out of range"]
    return []


def variables(spec, extra_vars, given):
    """Return what a job is started with: the template's variables, the survey's defaults, and what was answered.

    A default that would be no valid answer is left out, without a word.
    """
    if errors := [error for question in spec.get("spec", []) for error in errors_of(question, given)]:
        raise Refused({"variables_needed_to_start": errors})
    defaults = {
        question["variable"]: question["default"]
        for question in spec.get("spec", [])
        if "default" in question and not errors_of(question, {question["variable"]: question["default"]})
    }
    return {**extra_vars, **defaults, **given}
