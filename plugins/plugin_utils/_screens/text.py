# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tables, moments and sentences."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis.problem import Problem

WIDTH = 100
GAP = "  "


def sentence(problem: Problem) -> str:
    """What is wrong, what to do, and the code under which docs/operations.md has more."""
    return f"{problem.text} {problem.remedy} [{problem.code}]"


def section(title: str, problems: Iterable[Problem]) -> list[str]:
    """Return a heading and an item for each problem, with what to do on its own line; nothing where there is none."""
    lines: list[str] = []
    for problem in problems:
        lines += _wrapped(f"{problem.text} [{problem.code}]", "- ")
        lines += _wrapped(problem.remedy, "  ")
    return [f"{title}:", *lines] if lines else []


def _wrapped(words: str, indent: str) -> list[str]:
    return textwrap.wrap(words, WIDTH, initial_indent=indent, subsequent_indent="  ", break_on_hyphens=False)


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of cells as lines with aligned columns; the first row is the heading."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows)]
    return [GAP.join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]


def certificate_table(certificates: Sequence[tuple[str, str]]) -> list[str]:
    """Each certificate and when it expires; nothing, where there is none."""
    return table([["TLS", "expires"], *certificates]) if certificates else []


def page(*parts: Sequence[str]) -> str:
    """Blocks of lines, with an empty line between them; an empty block leaves none."""
    return "\n\n".join("\n".join(part) for part in parts if part)
