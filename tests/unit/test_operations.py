# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""docs/operations.md says of every problem what to do, and of nothing else."""

from __future__ import annotations

import ast
import re
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
RULES = REPOSITORY / "plugins/plugin_utils/_diagnosis"
OPERATIONS = (REPOSITORY / "docs/operations.md").read_text()
LINES = re.findall(r"^\| `([a-z0-9_]+)` \| (.+) \| (.+) \|$", OPERATIONS, re.MULTILINE)


def codes():
    """The first argument of every Problem, which is a literal."""
    for path in RULES.glob("*.py"):
        for call in ast.walk(ast.parse(path.read_text())):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "Problem":
                yield ast.literal_eval(call.args[0])


def test_every_code_has_one_rule_and_one_line():
    documented = [code for code, meaning, remedy in LINES]
    assert sorted(documented) == sorted(codes())
    assert len(documented) > 30


def test_every_line_leads_somewhere():
    headings = re.findall(r"^#+ (.+)$", OPERATIONS, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert set(re.findall(r"\]\(#([\w-]+)\)", OPERATIONS)) <= anchors


def test_a_page_is_short_enough_for_the_night():
    """All but the first, which shows a whole screen."""
    parts = re.split(r"^#+ (.+)$", OPERATIONS, flags=re.MULTILINE)
    lengths = {heading: len(body.strip().splitlines()) for heading, body in zip(parts[1::2], parts[2::2])}
    assert {heading for heading, lines in lengths.items() if lines > 20} == {"First: look"}


def test_no_code_is_shown_that_does_not_exist():
    quoted = re.findall(r"\[([a-z0-9]+_[a-z0-9_]+)\]", OPERATIONS)
    assert quoted and set(quoted) <= set(codes())
