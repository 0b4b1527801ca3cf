# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What makes things worse is taken back by itself: a change by site.yml, and a planned move; killed or not."""

from __future__ import annotations

import re

from pair import CONFIGURATION, PAIR, other, play, started, the_holder, traffic, until

# HAProxy looks for the nodes on a port on which nothing listens.
NO_NODES = {"infinitt_services": {"dicom": {"node_port": 11104}}, "infinitt_preflight": "none"}


def test_a_change_that_costs_the_standby_its_nodes_is_taken_back_there(lab, vip, holder):
    standby = other(holder)
    before = [lab[name].check_output(CONFIGURATION) for name in PAIR]
    kept = lab[standby].check_output("cat /var/lib/pacs.loadbalancer/*/deployed.json")
    with traffic(lab, vip) as seen:
        taken_back = play("site", **NO_NODES)
    assert taken_back.code != 0 and re.search(
        rf"Since {standby} has changed, this does not work there any more: dicom on pacs1 \(.*refused"
        rf".* The change was taken back on {standby}, and nothing else had changed",
        taken_back.said,
    ), taken_back.said
    assert taken_back.changed[holder] == 0, "the holder was touched"
    assert [lab[name].check_output(CONFIGURATION) for name in PAIR] == before
    assert lab[standby].check_output("cat /var/lib/pacs.loadbalancer/*/deployed.json") == kept
    assert seen["failures"] == 0, seen["outages"]


def test_a_change_that_costs_the_holder_its_nodes_is_taken_back_everywhere(lab, vip, holder):
    """The standby has another way to them."""
    before = [lab[name].check_output(CONFIGURATION) for name in PAIR]
    lab[holder].check_output(
        "nft 'table inet lab_way { chain output { type filter hook output priority 0; tcp dport 8042 drop; }; }'"
    )
    taken_back = play("site", infinitt_services={"dicom": {"node_port": 8042}}, infinitt_preflight="none")
    lab[holder].check_output("nft delete table inet lab_way")
    assert taken_back.code != 0 and re.search(
        rf"Since {holder} has changed, .* The change was taken back on lb1 and lb2,", taken_back.said
    ), taken_back.said
    assert [lab[name].check_output(CONFIGURATION) for name in PAIR] == before
    assert the_holder(lab, vip) == holder and play("status").code == 0
    assert play("site").changed == {"lb1": 0, "lb2": 0}


HELD = "nft list table inet pacs_handover 2>/dev/null | grep -q elements"
BARRED = "grep -q 1 /run/keepalived.handover"
# A module that Ansible pipes to the host has no other words in its command line.
KILL_THE_MODULE = f"until {BARRED}; do :; done; pkill --signal KILL --exact --full '/usr/bin/python3[.0-9]*'"


def is_over(host, condition, seconds):
    """Is that not so any more, within so many seconds?"""
    return until(lambda: host.run(condition).rc != 0, seconds)


def test_a_move_to_a_host_that_does_not_serve_goes_back(lab, vip, holder):
    successor = other(holder)
    lab[successor].check_output(
        "nft 'table inet lab_deaf { chain input { type filter hook input priority 0; ip daddr %s tcp dport { 80, 104 }"
        " drop; }; }'" % vip
    )
    moved = play("switchover")
    lab[successor].check_output("nft delete table inet lab_deaf")
    assert moved.code != 0
    assert (
        f"web and dicom did not answer through the VIP on {successor}, so the VIP is on {holder} again." in moved.said
    )
    assert the_holder(lab, vip) == holder and play("status").code == 0


def test_a_move_that_is_killed_on_its_host_ends_by_itself(lab, vip, holder):
    lab[holder].check_output("systemd-run --unit lab-kill --collect sh -c %s", KILL_THE_MODULE)
    assert play("switchover").code != 0
    assert not lab[holder].service("lab-kill").is_running, "nothing was killed"
    assert is_over(lab[holder], HELD, 2) and is_over(lab[holder], BARRED, 10)
    assert the_holder(lab, vip) == other(holder)
    assert play("status").code == 0


def test_a_move_whose_controller_dies_holds_nobody_for_more_than_two_seconds(lab, vip, holder):
    with started("ansible-playbook", "playbooks/switchover.yml") as run:
        lab[holder].check_output("timeout 120 sh -c %s", f"until {HELD}; do :; done")
        run.kill()
    assert is_over(lab[holder], HELD, 2) and is_over(lab[holder], BARRED, 10)
    assert the_holder(lab, vip) in PAIR and play("status").code == 0
