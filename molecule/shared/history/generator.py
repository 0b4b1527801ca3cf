# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Draws steps from what is possible, and makes a list of them shorter. A seed always gives the same steps."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping

from .belief import Belief, Step
from .operation import Operation

Operations = Mapping[str, Operation]


def after(step: Step, belief: Belief, operations: Operations) -> Belief:
    """Return what is believed after a step; raise ValueError where it is not possible."""
    operation = operations.get(step.name)
    if not operation:
        raise ValueError(f"{step}: there is no operation {step.name}, or its playbook is not there")
    if step.at not in operation.places or step.value not in operation.values:
        raise ValueError(f"{step}: its place is one of {operation.places}, and its value one of {operation.values}")
    if not operation.possible(belief):
        raise ValueError(f"{step} is not possible then: {belief}")
    return belief.with_(**operation.after)


def draw(seed: int, belief: Belief, operations: Operations) -> Iterator[Step]:
    """Yield steps without end."""
    chance = random.Random(seed)
    while True:
        possible = {name: operation for name, operation in operations.items() if operation.possible(belief)}
        weights = [operation.weight for operation in possible.values()]
        (name,) = chance.choices(list(possible), weights)
        step = Step(name, chance.choice(possible[name].places), chance.choice(possible[name].values))
        belief = after(step, belief, operations)
        yield step


def healing(belief: Belief, operations: Operations) -> Iterator[Step]:
    """Yield the steps that undo everything."""
    for name in (f"{belief.fault}_undone", f"{belief.second}_undone", f"{belief.node_fault}_undone"):
        if name in operations:
            yield Step(name)
    undone = belief.with_(fault="", second="", node_fault="")
    for name, attribute in (("completed", "half"), ("active", "out"), ("node_added", "sole"), ("vip_back", "moved")):
        if getattr(undone, attribute):
            yield Step(name)


def since_quiet(steps: list[Step], belief: Belief, operations: Operations) -> list[Step]:
    """Return the last of the steps, from where nothing before them stood any more: what a person tries again first."""
    start, quiet = 0, belief
    for number, step in enumerate(steps[:-1], 1):
        belief = after(step, belief, operations)
        if belief == quiet:
            start = number
    return steps[start:]


def shorter(steps: list[Step], belief: Belief, operations: Operations) -> Iterator[list[Step]]:
    """Yield what is left of the steps without one part of them, where that is possible; large parts first."""
    size = len(steps) // 2
    while size:
        for start in range(0, len(steps) - size + 1, size):
            rest = steps[:start] + steps[start + size :]
            try:
                believed = belief
                for step in rest:
                    believed = after(step, believed, operations)
            except ValueError:
                continue
            yield rest
        size //= 2
