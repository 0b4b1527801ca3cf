# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A change that makes things worse is taken back by itself. More ways back: ../operations/test_ways_back.py."""

from __future__ import annotations

import re

import pytest
from pair import ASSOCIATION, CONFIGURATION, PAIR, other, play, traffic

# HAProxy looks for the nodes on a port on which nothing listens.
NO_NODES = {"infinitt_services": {"dicom": {"node_port": 11104}}, "infinitt_preflight": "none"}


@pytest.mark.long
def test_a_change_that_costs_the_standby_its_nodes_is_taken_back_there(lab, vip, holder):
    standby = other(holder)
    before = [lab[name].check_output(CONFIGURATION) for name in PAIR]
    kept = lab[standby].check_output("cat /var/lib/pacs.loadbalancer/*/deployed.json")
    with traffic(lab, vip) as seen, traffic(lab, vip, **ASSOCIATION) as held:
        taken_back = play("site", **NO_NODES)
    assert taken_back.code != 0 and re.search(
        rf"Since {standby} has changed, this does not work there any more: dicom on pacs1 \(.*refused"
        rf".* The change was taken back on {standby}, and nothing else had changed",
        taken_back.said,
    ), taken_back.said
    assert taken_back.changed[holder] == 0, "the holder was touched"
    assert [lab[name].check_output(CONFIGURATION) for name in PAIR] == before
    assert lab[standby].check_output("cat /var/lib/pacs.loadbalancer/*/deployed.json") == kept
    assert seen["failures"] == held["failures"] == 0, (seen["outages"], held["outages"])
