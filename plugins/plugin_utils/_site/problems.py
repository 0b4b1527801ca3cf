# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Problems: what a user wrote that cannot be used, one sentence each."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

# What would end a line, in a terminal or in a log.
CONTROLS = re.compile(r"\s*[\x00-\x1f\x7f-\x9f\u2028\u2029]\s*")


class ValidationError(ValueError):
    """A value that cannot be used: ``reason`` is what is wrong with it, ``hint`` what would be right.

    Both become parts of the sentence that ``Problems.note`` writes.
    """

    def __init__(self, reason: str, hint: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint


class Problems:
    """The sentences noted so far, in the order in which they were found."""

    def __init__(self) -> None:
        self.sentences: list[str] = []

    def __len__(self) -> int:
        return len(self.sentences)

    def __iter__(self) -> Iterator[str]:
        return iter(self.sentences)

    def note(self, subject: str, reason: str, hint: str) -> None:
        """Note ``SUBJECT REASON; HINT.``: which variable (and host), what is wrong, what would be right."""
        # A key that the user wrote may hold anything; the sentence stays one line.
        self.sentences.append(CONTROLS.sub(" ", f"{subject} {reason}; {hint}."))

    def parse(self, subject: str, parser: Callable[[Any], Any], value: Any) -> Any:
        """Return the parsed value, or None after noting why there is none."""
        try:
            return parser(value)
        except ValidationError as error:
            self.note(subject, error.reason, error.hint)
            return None


def show(value: Any) -> str:
    """Return a value as it appears in a sentence: short, and unable to break out of it."""
    text = repr(str(value)) if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def nearest(word: str, known: Sequence[str]) -> str:
    """Return a hint for a word that is not known."""
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"did you mean {close[0]}" if close else f"the known names are {', '.join(known)}"
