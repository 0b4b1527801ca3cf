# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What makes things worse is taken back by itself, unless it is forced: a change by site.yml, and a planned move;
killed or not. What a person takes back then is the change before it.
"""

from __future__ import annotations

import re
import time
from contextlib import contextmanager

from pair import ASSOCIATION, CONFIGURATION, PAIR, measured, other, play, started, the_holder, traffic, until

# Both layers' files change with it, and back.
HL7 = {"hl7": {"port": 2575, "node_port": 104}}
# HAProxy looks for the nodes on a port on which nothing listens, and on one that a load balancer cannot reach.
NO_NODES = {"dicom": {"node_port": 11104}}
NO_WAY = {"dicom": {"node_port": 8042}}


def change(services, **more):
    """Deploy other services, which preflight would refuse."""
    return play("site", infinitt_services=services, infinitt_preflight="none", **more)


def files(lab):
    return [lab[name].check_output(CONFIGURATION) for name in PAIR]


@contextmanager
def nodes_dropped(host, port):
    """This load balancer does not reach that port of the nodes, until the block ends."""
    host.check_output(
        f"nft 'table inet lab_way {{ chain output {{ type filter hook output priority 0; tcp dport {port} drop; }}; }}'"
    )
    try:
        yield
    finally:
        host.check_output("nft delete table inet lab_way")


def test_a_change_that_costs_the_holder_its_nodes_is_taken_back_everywhere(lab, vip, holder):
    """The standby has another way to them."""
    before = files(lab)
    with traffic(lab, vip, **ASSOCIATION) as held, nodes_dropped(lab[holder], 8042):
        taken_back = change(NO_WAY)
    assert taken_back.code != 0 and re.search(
        rf"Since {holder} has changed, .* The change was taken back on lb1 and lb2,", taken_back.said
    ), taken_back.said
    assert files(lab) == before
    assert held["failures"] == 0, held["outages"]
    assert the_holder(lab, vip) == holder and play("status").code == 0
    assert play("site").changed == {"lb1": 0, "lb2": 0}


def test_a_change_that_costs_the_standby_its_nodes_is_deployed_by_force_alone(lab, vip, holder):
    before = files(lab)
    with traffic(lab, vip, **ASSOCIATION) as held, nodes_dropped(lab[other(holder)], 8042):
        refused = change(NO_WAY)
        assert refused.code != 0 and "deploy it all the same with infinitt_force=true" in refused.said, refused.said
        assert files(lab) == before
        forced = change(NO_WAY, infinitt_force="true")
        assert forced.code == 0, forced.said
        status = play("status")
    assert not set(files(lab)) & set(before)
    assert status.code != 0 and "[node_down_for_one]" in status.said, status.said
    back = play("site")
    assert back.code == 0, back.said
    assert files(lab) == before
    assert held["failures"] == 0, held["outages"]
    assert the_holder(lab, vip) == holder and play("status").code == 0


def test_a_rollback_after_a_change_that_was_taken_back_undoes_the_one_before_it(lab, vip, holder):
    before = files(lab)
    with traffic(lab, vip, **ASSOCIATION) as held:
        deployed = change(HL7)
        assert deployed.code == 0, deployed.said
        after = files(lab)
        taken_back = change(HL7 | NO_NODES)
        assert taken_back.code != 0 and "The change was taken back on" in taken_back.said, taken_back.said
        assert files(lab) == after
        back = play("rollback")
    assert back.code == 0, back.said
    assert files(lab) == before
    assert held["failures"] == 0, held["outages"]
    assert the_holder(lab, vip) == holder
    assert play("site").changed == {"lb1": 0, "lb2": 0}


HELD = "nft list table inet pacs_handover 2>/dev/null | grep -q elements"
BARRED = "grep -q 1 /run/keepalived.handover"
NOTE_THE_END = f"while {HELD}; do :; done; date +%s.%N > /run/lab-free"
# A module that Ansible pipes to the host has no other words in its command line.
KILL_THE_MODULE = (
    f"until {BARRED}; do :; done; date +%s.%N > /run/lab-killed;"
    f" pkill --signal KILL --exact --full '/usr/bin/python3[.0-9]*'; {NOTE_THE_END}"
)


def lets_go(host, killed):
    """Are connections held no longer than 2 s after that moment, and the VIP not kept from it for much longer?

    A host of the lab has the clock of its controller. The last look for what is held takes a moment.
    """
    assert until(lambda: host.file("/run/lab-free").exists, 10), "connections are held still"
    held = float(host.check_output("cat /run/lab-free")) - killed
    measured(f"connections were held for {max(held, 0):.2f} s after the kill")
    return held < 2.2 and until(lambda: host.run(BARRED).rc != 0, 10)


def test_a_move_to_a_host_that_does_not_serve_goes_back(lab, vip, holder):
    successor = other(holder)
    # Before the kernel forwards what is for a node.
    lab[successor].check_output(
        "nft 'table inet lab_deaf { chain in { type filter hook prerouting priority -450; ip daddr %s"
        " tcp dport { 80, 104 } drop; }; }'" % vip
    )
    moved = play("switchover")
    lab[successor].check_output("nft delete table inet lab_deaf")
    assert moved.code != 0
    assert (
        f"web and dicom did not answer through the VIP on {successor}, so the VIP is on {holder} again." in moved.said
    ), moved.said
    assert the_holder(lab, vip) == holder and play("status").code == 0


def test_a_move_that_is_killed_on_its_host_ends_by_itself(lab, vip, holder):
    lab[holder].check_output("rm --force /run/lab-free /run/lab-killed")
    lab[holder].check_output("systemd-run --unit lab-kill --collect sh -c %s", KILL_THE_MODULE)
    assert play("switchover").code != 0
    assert lab[holder].file("/run/lab-killed").exists, "nothing was killed"
    assert lets_go(lab[holder], float(lab[holder].check_output("cat /run/lab-killed")))
    assert the_holder(lab, vip) == other(holder)
    assert play("status").code == 0


def test_a_move_whose_controller_dies_holds_nobody_for_more_than_two_seconds(lab, vip, holder):
    lab[holder].check_output("rm --force /run/lab-free")
    with started("ansible-playbook", "playbooks/switchover.yml") as run:
        lab[holder].check_output("timeout 120 sh -c %s", f"until {HELD}; do :; done")
        killed = time.time()
        run.kill()
        lab[holder].check_output("timeout 10 sh -c %s", NOTE_THE_END)
    assert lets_go(lab[holder], killed)
    assert the_holder(lab, vip) in PAIR and play("status").code == 0
