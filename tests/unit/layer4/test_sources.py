# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who may connect to a forwarded service: the real rules in a kernel, between clients and nodes in namespaces."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import pathlib
import time

import pytest
from namespaces import until
from network import NODES, Network
from tcp_clients import CALLS, call_from, hold_from

ALLOWED = [ipaddress.ip_network(network) for network in ("198.51.100.128/25", "2001:db8::150/124")]
INSIDE = [call for call in CALLS if any(ipaddress.ip_address(call[0]) in network for network in ALLOWED)]
OUTSIDE = [call for call in CALLS if call not in INSIDE]


@pytest.fixture(scope="module")
def network(segment, restricted):
    network = Network(segment, restricted)
    network.start()
    network.load()
    return network


def test_others_are_reset_at_once_and_counted_and_reach_no_node(network):
    assert len(INSIDE) == 72 + 10 and len(OUTSIDE) == 200 - len(INSIDE)
    results = network.call()
    for call, result in zip(CALLS, results):
        if call in INSIDE:
            assert result["answer"] in NODES, (call, result)
        else:
            assert (result["answer"], result["error"]) == (None, "ConnectionRefusedError"), (call, result)
    counted = network.balancer("nft", "list", "chain", "inet", "layer4", "strangers")
    assert f"counter packets {len(OUTSIDE)} " in counted, counted


@pytest.fixture
def kernel_log():
    """Read what the kernel has logged since, that of other network namespaces too, which it does only when told to."""
    everywhere = pathlib.Path("/proc/sys/net/netfilter/nf_log_all_netns")
    log = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
    os.lseek(log, 0, os.SEEK_END)

    def read():
        lines = []
        with contextlib.suppress(BlockingIOError):
            while True:
                lines.append(os.read(log, 8192).decode())
        return lines

    before = everywhere.read_text()
    everywhere.write_text("1")
    yield read
    everywhere.write_text(before)
    os.close(log)


@pytest.mark.skipif(
    not os.access("/proc/sys/net/netfilter/nf_log_all_netns", os.W_OK) or not os.access("/dev/kmsg", os.R_OK),
    reason="this kernel's log cannot be read for a network namespace",
)
def test_others_are_logged_and_a_crowd_of_them_ten_times_a_second_at_most(network, kernel_log):
    source = "198.51.100.100"
    calls = [[source, "198.51.100.10", 104]]
    assert ipaddress.ip_address(source) not in ALLOWED[0]
    begun, logged = time.monotonic(), []

    def several_are_logged():
        """What others of just now have left of the burst may be nothing."""
        call_from(network.hosts["client"], calls * 200)
        logged.extend(line for line in kernel_log() if "layer4: not in allowed_sources: " in line)
        return len(logged) > 2

    assert until(several_are_logged)
    lasted = time.monotonic() - begun
    assert all(f"SRC={source} DST=198.51.100.10 " in line and "DPT=104 " in line for line in logged), logged
    assert len(logged) <= 10 * lasted + 5 + 1  # nft's burst is 5


def test_a_load_balancer_asks_its_own_vips(network):
    calls = [["198.51.100.10", "198.51.100.10", 104], ["2001:db8::10", "2001:db8::10", 204]]
    calls.append(["198.51.100.11", "198.51.100.10", 104])
    assert [result["answer"] for result in call_from(network.balancer, calls)] == ["balancer"] * 3


def test_what_is_established_goes_on_when_its_source_is_not_allowed_any_more(network, dual_stack):
    restricted = network.rules
    network.rules = dual_stack["layer4"]
    network.load()
    held = hold_from(network.hosts["client"], 8, OUTSIDE)
    count = ("ss", "-Htn", "state", "established")
    assert until(lambda: len(network.hosts["client"](*count).splitlines()) >= len(OUTSIDE))
    network.rules = restricted
    network.load()
    results = json.loads(held.stdout.readline())
    assert [result["error"] for result in results] == [None] * len(OUTSIDE)


# --- how often --------------------------------------------------------------------------------------------------------

AT_ONCE, A_SECOND = 3, 5


@pytest.fixture
def limited(network, limits):
    network.rules = limits["layer4"]
    network.load()
    return network


def busy(network, source, number, seconds=8):
    """Connections that a client holds, once they are there."""
    held = hold_from(network.hosts["client"], seconds, [[source, "198.51.100.10", 104]] * number)
    count = ("ss", "-Htn", "state", "established", "src", source)
    assert until(lambda: len(network.hosts["client"](*count).splitlines()) >= number)
    return held


def test_an_address_has_so_many_connections_at_once_and_the_others_as_many(limited):
    held = busy(limited, "198.51.100.100", AT_ONCE)
    calls = [[source, "198.51.100.10", 104] for source in ("198.51.100.100", "198.51.100.101")]
    refused, answered = call_from(limited.hosts["client"], calls)
    assert refused["error"] == "ConnectionRefusedError" and answered["answer"] in NODES
    assert [one["error"] for one in json.loads(held.stdout.readline())] == [None] * AT_ONCE
    # They are over, and it may come again.
    assert until(lambda: call_from(limited.hosts["client"], calls[:1])[0]["answer"] in NODES)


def test_an_address_opens_so_many_in_a_second_and_the_load_balancer_any_number(limited):
    calls = [["2001:db8::100", "2001:db8::10", 204]] * 4 * A_SECOND
    results = call_from(limited.hosts["client"], calls)
    opened = [result for result in results if result["answer"] in NODES]
    assert A_SECOND <= len(opened) < len(calls)
    assert {result["error"] for result in results if result not in opened} == {"ConnectionRefusedError"}
    assert until(lambda: call_from(limited.hosts["client"], calls[:1])[0]["answer"] in NODES)
    own = call_from(limited.balancer, [["2001:db8::10", "2001:db8::10", 204]] * 4 * A_SECOND)
    assert {result["answer"] for result in own} == {"balancer"}
