# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The generator of the scenario `history`: steps from a seed, replayed and made shorter."""

from __future__ import annotations

import itertools

import pytest
from history import generator
from history.actions import Both, Playbook
from history.belief import Belief, Step
from history.operations import OPERATIONS

START = Belief(4)
THREE = Belief(4, three=True)


def drawn(seed, number=60, start=START):
    return list(itertools.islice(generator.draw(seed, start, OPERATIONS), number))


def steps(text):
    return [Step.parse(word) for word in text.split()]


@pytest.mark.parametrize("text", ["again", "deploy:8043", "power_off@holder", "remove@lb2:1.5"])
def test_a_step_is_read_as_it_is_written(text):
    assert str(Step.parse(text)) == text


def test_what_is_no_step_is_refused():
    with pytest.raises(ValueError, match="power off is no step"):
        Step.parse("power off")


def test_a_seed_always_gives_the_same_steps_and_another_one_others():
    assert drawn(7) == drawn(7) != drawn(8)


def test_every_operation_is_drawn_at_some_time():
    seen = {step.name for seed in range(40) for start in (START, THREE) for step in drawn(seed, start=start)}
    assert seen == set(OPERATIONS)


def test_a_second_load_balancer_is_lost_only_where_there_are_three():
    second = "next_power_off"
    assert not any(step.name == second for seed in range(40) for step in drawn(seed))
    belief = THREE
    for step in steps(f"power_off@other {second}@holder power_off_undone"):
        belief = generator.after(step, belief, OPERATIONS)
        assert not belief.whole
    # No other fault begins before that one is undone, or nobody might be left.
    with pytest.raises(ValueError, match="is not possible then"):
        generator.after(Step("cable", "holder"), belief, OPERATIONS)
    assert generator.after(Step(f"{second}_undone"), belief, OPERATIONS) == THREE


def test_what_is_drawn_can_be_replayed():
    belief = START
    for step in drawn(3):
        belief = generator.after(step, belief, OPERATIONS)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("power_off_undone", "is not possible then"),
        ("power_off@holder power_off@other", "is not possible then"),
        ("power_off@pacs1", "its place is one of"),
        ("deploy:1", "its value"),
        ("pray", "there is no operation pray"),
    ],
)
def test_a_step_that_cannot_be_done_is_refused(text, reason):
    belief = START
    with pytest.raises(ValueError, match=reason):
        for step in steps(text):
            belief = generator.after(step, belief, OPERATIONS)


def test_everything_is_undone_at_the_end():
    for seed, start in itertools.product(range(20), (START, THREE)):
        belief = start
        for step in drawn(seed, 9, start):
            belief = generator.after(step, belief, OPERATIONS)
        for step in generator.healing(belief, OPERATIONS):
            belief = generator.after(step, belief, OPERATIONS)
        assert belief.with_(layer=4) == start, seed


def test_what_a_failure_depends_on_begins_where_all_had_been_undone():
    done = steps("power_off@holder power_off_undone deploy:8043 killed:2 completed killed:1 nft_flush@other")
    assert generator.since_quiet(done, START, OPERATIONS) == steps("killed:1 nft_flush@other")


def test_shorter_lists_are_possible_ones_and_the_shortest_come_first():
    done = steps("deploy:8043 power_off@holder power_off_undone again")
    found = list(generator.shorter(done, START, OPERATIONS))
    assert found[0] == steps("deploy:8043 power_off@holder") or len(found[0]) == 2
    assert steps("deploy:8043 power_off_undone again") not in found
    assert steps("power_off@holder power_off_undone again") in found


def test_nothing_that_people_do_may_break_anything_but_a_cut():
    def is_planned(operation):
        return all(isinstance(action, (Playbook, Both)) for action in operation.does)

    planned = {name: operation.excuses for name, operation in OPERATIONS.items() if is_planned(operation)}
    assert {"node_removed", "drain", "switchover", "upgrade"} < planned.keys()
    assert {name for name, excuses in planned.items() if excuses.broken} == {"maintenance"}
    assert not any(excuses.newcomers or excuses.owners or excuses.silent for excuses in planned.values())
