# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all pictures have in common: the same data gives the same file, with text that is text."""

from __future__ import annotations

import pathlib
from collections.abc import Iterable

from matplotlib import pyplot


def begin(size: int) -> None:
    """``size``: of the font, in points."""
    pyplot.rcParams.update(
        {
            "font.size": size,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "svg.fonttype": "none",
            "svg.hashsalt": "bench",
        }
    )


def save(figure, path: str | pathlib.Path, **more) -> None:
    figure.savefig(path, metadata={"Date": None, "Creator": None}, **more)
    path = pathlib.Path(path)
    # Matplotlib ends lines with spaces.
    path.write_text("".join(f"{line.rstrip()}\n" for line in path.read_text().splitlines()))


def interrupted(points: Iterable[tuple[float, float]], gap: float) -> tuple[list[float], list[float]]:
    """Return moments and values of a line that has a gap where nothing is known for longer than ``gap``."""
    at: list[float] = []
    values: list[float] = []
    for moment, value in points:
        if at and moment - at[-1] > gap:
            at.append(moment)
            values.append(float("nan"))
        at.append(moment)
        values.append(value)
    return at, values


def spans(moments: list[float], step: float) -> list[tuple[float, float]]:
    """Join moments that follow each other: where each span begins, and how long it is."""
    found: list[tuple[float, float]] = []
    for at in moments:
        if found and at - sum(found[-1]) < step / 2:
            found[-1] = (found[-1][0], at + step - found[-1][0])
        else:
            found.append((at, step))
    return found
