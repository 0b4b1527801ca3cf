# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which node a client gets: the slots of rendezvous hashing."""

from __future__ import annotations

from forwarded import THREE, names, node
from hypothesis import given, settings
from hypothesis import strategies as st
from layer4 import hashing

weighted = st.dictionaries(
    st.text("abcdefghij0123456789-", min_size=1, max_size=12), st.integers(1, 256), min_size=1, max_size=6
)


def test_every_slot_has_a_node_and_equal_nodes_get_equal_shares():
    slots = names(hashing.place(THREE, {"pacs1": 1, "pacs2": 1, "pacs3": 1}))
    assert len(slots) == hashing.SLOTS
    for name in ("pacs1", "pacs2", "pacs3"):
        assert 60 <= slots.count(name) <= 112, slots.count(name)


@settings(max_examples=20)
@given(weighted)
def test_weights_are_kept(weights):
    slots = names(hashing.place([node(name) for name in weights], weights))
    for name, weight in weights.items():
        share = weight / sum(weights.values())
        # Each slot is an independent draw: six standard deviations, and three for the smallest shares.
        deviation = (hashing.SLOTS * share * (1 - share)) ** 0.5
        assert abs(slots.count(name) - hashing.SLOTS * share) <= 6 * deviation + 3


@settings(max_examples=20)
@given(weighted, st.data())
def test_a_node_that_leaves_moves_its_own_slots_alone_and_gets_just_them_back(weights, data):
    nodes = [node(name) for name in weights]
    leaver = data.draw(st.sampled_from(sorted(weights)))
    before = names(hashing.place(nodes, weights))
    without = names(hashing.place(nodes, {name: weight for name, weight in weights.items() if name != leaver}))
    assert leaver not in without
    assert all(now == then for now, then in zip(without, before) if then != leaver)
    assert names(hashing.place(nodes, weights)) == before


@settings(max_examples=20)
@given(weighted, st.data())
def test_a_heavier_node_only_takes_slots(weights, data):
    nodes = [node(name) for name in weights]
    heavier = data.draw(st.sampled_from(sorted(weights)))
    before = names(hashing.place(nodes, weights))
    after = names(hashing.place(nodes, {**weights, heavier: 2 * weights[heavier]}))
    assert all(now == then for now, then in zip(after, before) if now != heavier)


@settings(max_examples=20)
@given(weighted, st.randoms(use_true_random=False))
def test_the_order_of_the_nodes_means_nothing(weights, random):
    nodes = [node(name) for name in weights]
    shuffled = random.sample(nodes, len(nodes))
    assert names(hashing.place(nodes, weights)) == names(hashing.place(shuffled, dict(sorted(weights.items()))))


def test_a_clients_node_is_the_same_in_every_service_and_every_program():
    # On both hosts and over updates of this collection: these are the slots of the first release.
    weights = {"pacs1": 1, "pacs2": 1}
    dicom = names(hashing.place([node("pacs1"), node("pacs2")], weights))
    assert dicom == names(hashing.place([node("pacs1", port=204), node("pacs2", port=204)], weights))
    assert "".join(name[-1] for name in dicom[:32]) == "12122112221111212111222121111121"


def test_backups_serve_only_when_no_other_node_is_left():
    nodes = [node("pacs1"), node("pacs2"), node("spare", backup=True), node("spare2", backup=True)]
    every = {"pacs1": 1, "pacs2": 1, "spare": 1, "spare2": 1}
    assert set(names(hashing.place(nodes, every))) == {"pacs1", "pacs2"}
    assert set(names(hashing.place(nodes, {**every, "pacs1": 0}))) == {"pacs2"}
    assert set(names(hashing.place(nodes, {"spare": 1, "spare2": 1}))) == {"spare", "spare2"}
    assert set(names(hashing.place(nodes, {**every, "pacs1": 0, "pacs2": 0}))) == {"spare", "spare2"}


@settings(max_examples=20)
@given(weighted)
def test_the_second_choice_is_the_node_that_gets_the_slot_when_the_first_leaves(weights):
    nodes = [node(name) for name in weights]
    second = names(hashing.place(nodes, weights, 1))
    for first, its_second, slot in zip(names(hashing.place(nodes, weights)), second, range(hashing.SLOTS)):
        others = {name: weight for name, weight in weights.items() if name != first}
        assert its_second == names(hashing.place(nodes, others))[slot]
    assert second == names(hashing.place(nodes[::-1], weights, 1)), "on both hosts the same"


def test_a_backup_is_the_second_choice_of_the_last_other_node():
    nodes = [node("pacs1"), node("pacs2"), node("spare", backup=True), node("spare2", backup=True)]
    every = {"pacs1": 1, "pacs2": 1, "spare": 1, "spare2": 1}
    assert set(names(hashing.place(nodes, every, 1))) == {"pacs1", "pacs2"}
    assert set(names(hashing.place(nodes, {**every, "pacs1": 0}, 1))) == {"spare", "spare2"}
    assert set(names(hashing.place(nodes, {"spare": 1, "spare2": 1}, 1))) == {"spare", "spare2"}
    assert names(hashing.place(nodes, {"pacs1": 1}, 1)) == [None] * hashing.SLOTS


def test_a_weight_of_nothing_and_an_unknown_node_get_nothing():
    assert set(names(hashing.place(THREE, {"pacs1": 1, "pacs2": 0}))) == {"pacs1"}
    assert names(hashing.place(THREE, {"stranger": 1})) == [None] * hashing.SLOTS
    assert names(hashing.place(THREE, {})) == [None] * hashing.SLOTS
    assert names(hashing.place([], {"pacs1": 1})) == [None] * hashing.SLOTS
