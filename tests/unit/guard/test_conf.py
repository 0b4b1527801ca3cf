# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""keepalived.conf as the role writes it, and as people do."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from keepalived_guard import conf
from keepalived_guard.advert import Announced

GOLDEN = Path(__file__).parents[1] / "golden"
BY_HAND = """
! Configuration File for keepalived
global_defs { router_id "lb # 1" }
vrrp_script chk { script "/bin/true" }
vrrp_instance VI_1 {
  state MASTER
  interface eth0   # the uplink
  virtual_router_id 51
  unicast_peer { 198.51.100.12 }
  authentication { auth_type PASS
    auth_pass secret }
  virtual_ipaddress {
    198.51.100.10/24 label eth0:1
    198.51.100.9 dev eth1
  }
}
vrrp_instance VI_2 { interface eth1
  virtual_router_id 52
  virtual_ipaddress { 198.51.100.8 } }
"""


@pytest.mark.parametrize(
    "name, announced, peers",
    [
        ("pair", Announced(10, "198.51.100.10", 0.25), ["198.51.100.12"]),
        ("ipv6", Announced(16, "2001:db8::10", 0.25), ["2001:db8::12"]),
    ],
)
def test_what_the_role_writes(name, announced, peers):
    found = conf.parse((GOLDEN / f"{name}/lb1/keepalived.conf").read_text())
    assert (found.announced, found.peers, found.interface) == (announced, peers, "eth0")
    assert found.address == peers[0][:-1] + "1"


def test_what_a_person_writes():
    found = conf.parse(BY_HAND)
    assert found == conf.Instance(
        51, 1.0, "eth0", "", ["198.51.100.12"], {"198.51.100.10": "eth0", "198.51.100.9": "eth1"}, excluded={}
    )


@pytest.mark.parametrize("length", range(0, BY_HAND.index("vrrp_instance VI_2") - 2, 7))
def test_a_file_that_is_being_written_is_not_read(length):
    assert conf.parse(BY_HAND[:length]) is None


@pytest.mark.parametrize(
    "before, after",
    [("virtual_router_id 51", ""), ("router_id 51", "router_id x"), ("198.51.100.10/24", "gone"), ("dev eth1", "dev")],
)
def test_a_file_that_is_wrong_is_not_read(before, after):
    assert conf.parse(BY_HAND.replace(before, after)) is None


@given(st.text(alphabet='{} \n"#!1.:/a', max_size=60))
def test_no_text_breaks_it(text):
    conf.parse(text)
    conf.parse("vrrp_instance x {\n" + text)
