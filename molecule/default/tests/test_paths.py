# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A load balancer that loses its way to the nodes, alone or with the other one."""

from __future__ import annotations

import time
from contextlib import contextmanager

from pair import PAIR, haproxy, holds, other, owners, play, the_holder, until


@contextmanager
def cut(lab, *names):
    """Drop what the nodes send to these load balancers, until the block ends."""
    nodes = ", ".join(lab[name].check_output("hostname -I").split()[0] for name in ("pacs1", "pacs2"))
    rules = (
        f"table inet lab {{ chain in {{ type filter hook prerouting priority -450; ip saddr {{ {nodes} }} drop; }}; }}"
    )
    try:
        for name in names:
            lab[name].check_output("nft %s", rules)
        yield
    finally:
        for name in names:
            lab[name].check_output("nft delete table inet lab")


def up(host):
    """How many of its servers HAProxy calls up."""
    return haproxy(host, "show stat -1 4 -1").count(",UP,")


def test_where_no_load_balancer_reaches_a_node_nothing_moves(lab, vip, holder):
    with owners(lab, vip) as had, cut(lab, *PAIR):
        assert until(lambda: not any(up(lab[name]) for name in PAIR), 20)
        time.sleep(7)  # longer than a handover takes
    assert the_holder(lab, vip) == holder and (had["both"], had["nobody"]) == (0, 0)
    assert until(lambda: all(up(lab[name]) == 8 for name in PAIR), 30)


def test_the_holder_that_reaches_no_node_hands_the_vip_to_the_one_that_does(lab, vip, holder):
    successor = other(holder)
    with owners(lab, vip) as had, cut(lab, holder):
        assert until(lambda: holds(lab[successor], vip), 25)
        page = lab["modality"].run(f"curl -s -o /dev/null -w '%{{http_code}}' --max-time 5 http://{vip}/")
    # The one that leaves tells the other first, and takes the address away after that.
    assert had["both"] < 0.1 and had["nobody"] < 2, had
    assert page.stdout == "200"
    assert the_holder(lab, vip) == successor
    said = lab[holder].check_output("journalctl --unit keepalived-guard --output cat --since -1min")
    assert "The VIP is handed over: no node answers this host, and a node answers" in said
    assert until(lambda: up(lab[holder]) == 8, 30)
    status = play("status")
    assert status.code == 0 and "[vip_handed_over]" in status.said, status.said
