# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the kernel has said of connections (Linux 6.18, x86), and what becomes of it in a record."""

from __future__ import annotations

import dataclasses

import pytest
from layer4 import ctnetlink, records

# A connection in TIME_WAIT, as the kernel answers a question for it.
FOUND = bytes.fromhex(
    "1c0100000001020000000000c9617dce02000000340001801400018008000100c633643208000200c633640a1c000280"
    "0500010006000000060002009c4100000600030000680000340002801400018008000100c633641508000200c6336432"
    "1c00028005000100060000000600020000680000060003009c41000008000300000001ae080008000000000008000c00"
    "c8fa912808000b00000000020800070000000077300004802c0001800500010007000000050002000a00000005000300"
    "0a000000060004002700000006000500230000001c0009800c00010000000000000000050c0002000000000000000111"
    "1c000a800c00010000000000000000030c00020000000000000000a4100014800c00010018eba4f6b7f944dc"
)
# Its deletion, by a program.
DELETED = bytes.fromhex(
    "0401000002010000000000001d728bfd02000000340001801400018008000100c633643208000200c633640a1c000280"
    "0500010006000000060002009c4100000600030000680000340002801400018008000100c633641508000200c6336432"
    "1c00028005000100060000000600020000680000060003009c41000008000c00c8fa912808000300000003ae08000700"
    "000000761c0009800c00010000000000000000050c00020000000000000001111c000a800c0001000000000000000003"
    "0c00020000000000000000a41c0014800c00010018eba4f6b7f944dc0c00020018eba4f710ff8b5f100004800c000180"
    "05000100070000000c001b0018eba4f710ff8c7a"
)
# Another one's change, of IPv6.
CHANGED = bytes.fromhex(
    "000100000001000000000000000000000a0000004c0001802c0001801400030020010db8000000000000000000000050"
    "1400040020010db80000000000000000000000101c0002800500010006000000060002009c4100000600030000680000"
    "4c0002802c0001801400030020010db80000000000000000000000211400040020010db8000000000000000000000050"
    "1c00028005000100060000000600020000680000060003009c41000008000c0011bf92c008000300000001ae08000700"
    "00000078300004802c0001800500010007000000050002000a000000050003000a000000060004002700000006000500"
    "230000000c001b0018eba4f71110da2e"
)
SERVICE = {"name": "dicom", "nodes": [{"name": "pacs1", "address": "198.51.100.21", "port": 104}]}


def entry(message):
    ((kind, its),) = ctnetlink.messages(message)
    assert its and its.deleted is (kind == ctnetlink.DELETED)
    return its


def test_what_is_in_the_table_is_read():
    found = entry(FOUND)
    assert (found.client, found.client_port) == ("198.51.100.50", 40001)
    assert (found.address, found.port) == ("198.51.100.10", 104)
    assert (found.node, found.node_port) == ("198.51.100.21", 104)
    assert found.state == ctnetlink.TIME_WAIT and found.established and found.translated
    assert (found.received, found.sent, found.began, found.ended) == (273, 164, 1795710255992751324, None)
    assert found.adopted is False


def test_a_deletion_is_of_the_same_connection_and_says_who_it_was_and_when():
    gone = entry(DELETED)
    assert gone.key == entry(FOUND).key
    assert gone.sender and gone.ended == 1795710257486334815
    assert (gone.received, gone.sent, gone.adopted) == (273, 164, None)


def test_a_change_is_the_kernels_own_and_has_no_bytes():
    changed = entry(CHANGED)
    assert (changed.client, changed.address, changed.node) == ("2001:db8::50", "2001:db8::10", "2001:db8::21")
    assert (changed.sender, changed.state, changed.received) == (0, ctnetlink.TIME_WAIT, None)


def test_several_messages_may_come_at_once():
    assert [kind for kind, _entry in ctnetlink.messages(FOUND + DELETED)] == [ctnetlink.CHANGED, ctnetlink.DELETED]


@pytest.mark.parametrize("cut", range(0, len(FOUND), 7))
def test_a_message_that_was_cut_off_is_none(cut):
    assert list(ctnetlink.messages(FOUND[:cut])) == []


def test_the_question_for_an_entry_names_its_client_side():
    question = ctnetlink.ask_for(entry(CHANGED))
    assert question[4:6] == b"\x01\x01" and question[16] == 10
    assert ctnetlink.attributes(question[20:])[1] == entry(CHANGED).client_side


def test_a_record_says_when_it_began_and_how_long_it_was():
    said = records.record(entry(FOUND), "lb1", SERVICE, "closed", 1795710257.5)
    assert said == {
        "time": "2026-11-26T16:24:15.992Z",
        "load_balancer": "lb1",
        "layer": 4,
        "service": "dicom",
        "vip": "198.51.100.10",
        "client": "198.51.100.50",
        "client_port": 40001,
        "node": "pacs1",
        "calling_ae": None,
        "called_ae": None,
        "received_bytes": 273,
        "sent_bytes": 164,
        "seconds": 1.507,
        "ended": "closed",
        "taken_over": False,
    }


def test_of_a_deletion_the_kernel_says_when_it_was():
    assert records.record(entry(DELETED), "lb1", SERVICE, "timeout", 1795719999)["seconds"] == 1.494


def test_a_kernel_that_takes_no_times_leaves_the_moment_of_the_end():
    said = records.record(
        dataclasses.replace(entry(FOUND), began=None, received=None), "lb1", SERVICE, "closed", 1795710257.5
    )
    assert (said["time"], said["seconds"], said["received_bytes"]) == ("2026-11-26T16:24:17.500Z", 0, None)
