# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the guard decides, and when."""

from __future__ import annotations

from dataclasses import replace

import pytest
from keepalived_guard.advert import Advert, Announced
from keepalived_guard.judge import SILENCE, Judge

PEER, MAC = "198.51.100.12", "5a:0c:63:c2:f8:b1"
OWN = Announced(10, "198.51.100.10", 0.25)
OTHERS = [replace(OWN, router_id=20), replace(OWN, first_vip="198.51.100.9"), replace(OWN, interval=0.1)]


def heard(announced, *moments, priority=254, interval=None):
    judge = Judge()
    for moment in moments:
        judge.hear(
            PEER, Advert(announced if interval is None else replace(announced, interval=interval), priority), moment
        )
    return judge


@pytest.mark.parametrize("announced", OTHERS)
def test_a_peer_that_announces_something_else_is_named(announced):
    assert heard(announced, 0).difference({OWN}, (), 0.1) == (
        f"{PEER} announces the {announced}, and this host has the {OWN}"
    )


def test_a_peer_that_announces_the_same_is_no_reason():
    assert heard(OWN, 0).difference({OWN}, (), 0.1) == ""


def test_a_former_peer_that_announces_itself_is_named():
    assert (
        heard(OWN, 0).difference({OWN}, {PEER}, 0.1)
        == f"{PEER} announces the {OWN}, and is no peer of this host any more"
    )
    assert heard(OWN, 0).difference({OWN}, {"198.51.100.13"}, 0.1) == ""


@pytest.mark.parametrize("announced", OTHERS)
def test_what_runs_counts_as_much_as_what_is_written(announced):
    assert heard(announced, 0).difference({announced, OWN}, (), 0.1)


def test_who_gives_the_vip_up_may_come_back_with_another_router_id():
    judge = heard(OTHERS[0], 0)
    judge.hear(PEER, Advert(OTHERS[0], 0), 0.1)
    assert judge.difference({OWN}, (), 1)
    assert judge.difference({OWN}, (), SILENCE * 0.25 + 0.01) == ""


def test_a_peer_that_has_just_given_the_vip_up_has_not_fallen_silent():
    judge = heard(OWN, 0)
    assert not judge.gave_up(0.2)
    judge.hear(PEER, Advert(OWN, 0), 0.3)
    assert judge.gave_up(0.5) and not judge.gave_up(5)


def test_it_lasts_longer_than_a_host_that_takes_a_new_router_id_is_silent():
    judge = heard(OTHERS[0], 0, 1)
    assert judge.difference({OWN}, (), 1 + 3.99 * 0.25), "three advertisements and the skew"
    assert judge.difference({OWN}, (), 1 + SILENCE * 0.25 + 0.01) == ""


def test_a_slow_peer_is_waited_for_longer():
    assert heard(OTHERS[0], 0, interval=1).difference({OWN}, (), 5)


def test_two_that_announce_themselves_for_longer_than_a_takeover_are_a_split_brain():
    judge = Judge()
    found = []
    for quarter in range(20):
        judge.hear(PEER, Advert(OWN, 253), quarter / 4)
        found.append(judge.two_owners(True, quarter / 4))
    assert not any(found[:9]) and all(found[9:])
    assert judge.two_owners(False, 5) == "", "this host has given way"
    assert judge.two_owners(True, 5) == "", "and it begins anew"


@pytest.mark.parametrize("interval", [0.25, 0.5, 1])
def test_a_moment_of_two_owners_is_none(interval):
    judge = heard(OWN, 0, interval=interval)
    assert [judge.two_owners(True, moment) for moment in range(8)] == [""] * 8


def test_who_answers_for_a_vip_twice_is_another_owner():
    judge = Judge()
    assert judge.two_answers({"198.51.100.10": [MAC]}) == "", "it may be about to go"
    assert judge.two_answers({"198.51.100.10": [MAC]}) == f"{MAC} answers for 198.51.100.10 as well"
    assert judge.two_answers({"198.51.100.10": []}) == ""


@pytest.mark.parametrize(
    "address, first_heard, age, gives_way",
    [
        ("198.51.100.11", 0, None, True),
        ("198.51.100.11", 0, 60, False),
        ("198.51.100.11", 9.9, 0.2, True),
        ("198.51.100.13", 9.9, 0.2, False),
        ("198.51.100.13", 0, 0.2, True),
    ],
    ids=["without the VIP", "with it for long", "lower", "higher", "higher, and the peer was there before"],
)
def test_of_two_that_have_just_taken_the_vip_one_gives_way(address, first_heard, age, gives_way):
    judge = heard(OTHERS[0], first_heard, 10)
    assert judge.gives_way(address, age, 10) is gives_way
