# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Three load balancers in network namespaces, of which two are lost one after the other."""

from __future__ import annotations

import json

import namespaces
import pytest
from namespaces import until

if namespaces.missing():  # root, or one of the programs: without them there is no host to lose
    pytest.skip(namespaces.missing(), allow_module_level=True)


@pytest.fixture
def trio(make_pair, mirrored_trio):
    return make_pair(mirrored_trio)


def known(balancers, number):
    """What all of them forward, once it is so many connections and the same."""
    first, *others = balancers
    return until(
        lambda: len(found := first.forwarded()) == number and all(one.forwarded() == found for one in others) and found
    )


def test_two_losses_in_a_row_break_neither_who_asks_nor_who_waits(trio):
    busy, waiting = trio.connect(20), trio.connect(100)
    waiting.ask(8)
    assert known(trio.balancers, 120)
    for lost, heir in zip(trio.balancers, trio.balancers[1:]):
        lost.power_off()
        trio.move(heir)
        busy.ask()
        assert busy.answers() == ["answered"] * 20
        if heir is trio.lb2:
            assert known(trio.balancers[1:], 120)
    assert waiting.answers() == ["answered"] * 100


def test_one_that_comes_back_gets_all_connections_though_another_standby_has_none_to_give(trio):
    trio.balancers[2].power_off()
    waiting = trio.connect(100)
    assert known(trio.balancers[:2], 100)
    trio.lb2.layer4("resync")  # its list is empty, as that of a standby is
    trio.balancers[2] = trio.boot("lb3")
    assert until(lambda: trio.balancers[2].layer4("resync", check=False) == "" and trio.balancers[2].is_ready())
    assert known(trio.balancers, 100)
    waiting.ask(4)
    trio.lb1.power_off()
    trio.lb2.power_off()
    trio.move(trio.balancers[2])
    assert waiting.answers() == ["answered"] * 100


def test_one_that_has_said_much_drowns_nobody_who_has_said_little(trio):
    trio.move(trio.lb2)
    assert len(json.loads(trio.sessions(300, 20).stdout.readline())) == 300
    trio.move(trio.lb1)
    trio.lb1("conntrack", "--delete", "--dst", namespaces.VIP, check=False)
    assert until(lambda: not any(balancer.forwarded() for balancer in trio.balancers))
    trio.connect(10)
    assert known(trio.balancers, 10)


def test_a_list_of_20_000_comes_at_once_and_whole(trio):
    number, third = 20_000, trio.balancers[2]
    entry = (
        "-I -p tcp -s 10.0.{}.{} --sport 4000 -d 198.51.100.10 --dport 104 --dst-nat 198.51.100.21"
        " --state ESTABLISHED -u SEEN_REPLY,ASSURED -t 4000\n"
    )

    def told():
        said = trio.lb1("conntrackd", "-C", "/etc/layer4/conntrackd.conf", "-s").partition("cache external")[0]
        return str(number) in said.split()

    def arrived():  # `forwarded` tells 2,000 at most
        return len(third("conntrack", "--dump", "--proto", "tcp").splitlines())

    trio.lb1("conntrack", "--load-file", "-", stdin="".join(entry.format(*divmod(n, 256)) for n in range(number)))
    assert until(told, 90), "its conntrackd has what there is to tell"
    third("conntrack", "--flush")
    third.layer4("resync")
    assert until(lambda: arrived() == number, 90), arrived()


def test_a_holder_that_is_still_one_of_two_goes_on_mirroring_to_its_peer_and_then_to_the_third(
    make_pair, mirrored_pair, mirrored_trio
):
    former = {**mirrored_trio["lb1"], "conntrackd": mirrored_pair["lb1"]["conntrackd"]}
    trio = make_pair({**mirrored_trio, "lb1": former})
    trio.connect(10)
    assert known(trio.balancers[:2], 10) and not trio.balancers[2].forwarded()
    trio.lb1.restart_conntrackd(mirrored_trio["lb1"]["conntrackd"])
    assert known(trio.balancers, 10)
