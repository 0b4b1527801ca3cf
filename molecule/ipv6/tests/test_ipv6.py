# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A pair that has IPv6 alone, at both layers, and at last a VIP of each family.

The tests run in this order on one lab. DCMTK's programs reach the VIP through 127.0.0.1: see ../prepare.yml.
"""

from __future__ import annotations

import json
import re
from contextlib import contextmanager

from faults import Place, power_off, power_on
from pair import AE, ASSOCIATION, PAIR, holds, module, other, play, the_holder, traffic, until

RELAYED = 1104  # DICOM at layer 7
# The second family, on the cable of the first.
SHORT = "198.51.100."
SHORT_VIP = f"{SHORT}10"
SHORT_ADDRESSES = {"lb1": 11, "lb2": 12, "pacs1": 21, "pacs2": 22, "modality": 25}
LONGEST_PAUSE = 3.6  # seconds; 1.2 are to be reached (docs/design.md), and this machine carries another lab too


def dcmtk(lab, program, port, *words):
    """What one of DCMTK's programs says, if it succeeds."""
    said = lab["modality"].run(f"timeout 20 {program} -v -aet MODALITY -aec {AE} 127.0.0.1 {port} {' '.join(words)}")
    assert said.rc == 0, said.stdout + said.stderr
    return said.stdout + said.stderr


def answering(lab, *addresses):
    """Who answers for each address on the link: MAC addresses."""
    return module("modality", "pacs.loadbalancer.address_owner", interface="eth0", addresses=addresses)["owners"]


def forwarded(lab, holder):
    """What the kernel of this load balancer forwards, by service."""
    return [one["service"] for one in json.loads(lab[holder].check_output("layer4 sessions"))]


@contextmanager
def tool(lab):
    """DCMTK's echoscu, asking again and again on one association until the block ends; it gives how often it was
    answered.
    """
    command = f"exec echoscu -v --repeat 1000000 -aec {AE} 127.0.0.1 104 > /run/lab-tool 2>&1"
    lab["modality"].check_output("systemd-run --unit lab-tool --collect sh -c %s", command)
    yield lambda: int(lab["modality"].run("grep -c 'Received Echo Response (Success)' /run/lab-tool").stdout)
    said = lab["modality"].check_output("systemctl is-active lab-tool; grep -c 'Association Accepted' /run/lab-tool")
    assert said.split() == ["active", "1"], lab["modality"].check_output("tail -n5 /run/lab-tool")
    lab["modality"].check_output("systemctl stop lab-tool")


def lose(lab, vip, holder):
    """Take the power from the holder under traffic: pages, an association, and another one of DCMTK's; return who holds
    the VIP then, and what became of the pages.
    """
    successor = other(holder)
    with traffic(lab, vip, timeout=3) as pages, tool(lab) as answered, traffic(lab, vip, **ASSOCIATION) as held:
        assert until(lambda: forwarded(lab, holder).count("dicom") >= 2, 20)
        power_off(Place(lab, vip, holder))
        assert until(lambda: holds(lab[successor], vip), 10)
        then = answered()
        assert until(lambda: answered() > then, 10), "DCMTK's association is silent"
    assert held["failures"] == 0, held["outages"]
    return successor, pages


def test_no_host_has_an_ipv4_address(lab):
    for name, host in lab.items():
        assert host.check_output("ip -4 -oneline address show scope global") == "", name


def test_dicom_and_the_web_answer_at_both_layers(lab, vip, holder):
    assert lab["modality"].check_output(f"curl -s -o /dev/null -w '%{{http_code}}' http://[{vip}]/") == "200"
    for port in (104, RELAYED):
        stored = dcmtk(lab, "storescu", port, "/srv/dicom/CT_small.dcm")
        assert "Received Store Response (Success)" in stored, port
    found = dcmtk(lab, "findscu", 105, "-S -k 0008,0052=STUDY -k 0010,0020= -k 0020,000D=")
    assert "Received Final Find Response (Success)" in found
    assert "Lab^Anna" in dcmtk(lab, "findscu", 204, "-W -k 0010,0010=")
    with traffic(lab, vip, **ASSOCIATION), traffic(lab, vip, **{**ASSOCIATION, "port": RELAYED}):
        assert until(lambda: forwarded(lab, holder) == ["dicom"], 20), "the other association ends in HAProxy"


def test_status_is_healthy_and_the_advertised_gateway_is_asked(lab):
    status = play("status")
    assert status.code == 0 and "Problems" not in status.said, status.said
    for name in PAIR:
        # A host that forwards would not listen to a router any more, and have forgotten this one.
        (route,) = lab[name].check_output("ip -6 route show default").splitlines()
        router = re.search(r"via (fe80::\S+) dev eth0 proto ra", route)[1]
        assert f"-W 1 {router}%eth0" in lab[name].check_output("cat /etc/keepalived/keepalived.conf")


def test_a_second_run_changes_nothing():
    again = play("site")
    assert again.code == 0, again.said
    assert again.changed == {"lb1": 0, "lb2": 0}


def test_one_host_answers_for_the_vip_and_no_association_ends_with_it(lab, vip, holder):
    addresses = {name: module(name, "ansible.builtin.debug", var="ansible_host")["ansible_host"] for name in PAIR}
    before = answering(lab, vip, *addresses.values())
    assert len(before[vip]) == 1 and before[vip] == before[addresses[holder]]
    successor, pages = lose(lab, vip, holder)
    assert pages["longest_silence_ms"] < LONGEST_PAUSE * 1000, pages["outages"]
    now = answering(lab, vip, addresses[successor])
    assert len(now[vip]) == 1 and now[vip] == now[addresses[successor]]
    power_on(Place(lab, vip, holder))
    assert until(lambda: play("status").code == 0, 60), "the pair is not whole again"
    assert the_holder(lab, vip) == successor, "the VIP came back by itself"
    assert answering(lab, vip)[vip] == now[vip]


def test_a_planned_move_breaks_nothing(lab, vip, holder):
    with traffic(lab, vip, **ASSOCIATION) as held, traffic(lab, vip, timeout=3) as pages:
        moved = play("switchover")
    assert moved.code == 0, moved.said
    assert the_holder(lab, vip) == other(holder)
    assert held["failures"] == pages["failures"] == 0, (held["outages"], pages["outages"])


def test_a_vip_of_each_family_moves_with_all_associations(lab, vip, holder):
    for name, number in SHORT_ADDRESSES.items():
        lab[name].check_output(f"ip address add {SHORT}{number}/24 dev eth0")
    nodes = [{"name": name, "address": f"{SHORT}{SHORT_ADDRESSES[name]}"} for name in ("pacs1", "pacs2")]
    services = {
        "relayed": {"port": RELAYED, "node_port": 104, "layer": 7, "persistence": "none"},
        "web_ipv4": {"port": 80, "vip": f"{SHORT_VIP}/24", "nodes": nodes, "mode": "http"},
        "dicom_ipv4": {"port": 104, "vip": f"{SHORT_VIP}/24", "nodes": nodes, "layer": 4},
    }
    deployed = play("site", infinitt_services=services)
    assert deployed.code == 0, deployed.said
    for name in ("dicom", "dicom_ipv4"):
        assert f"{name} is forwarded by the kernel of {holder}" in deployed.said, deployed.said
    successor = other(holder)
    with traffic(lab, SHORT_VIP, **ASSOCIATION) as short, traffic(lab, SHORT_VIP, timeout=3) as pages:
        assert until(lambda: "dicom_ipv4" in forwarded(lab, holder), 20)
        lose(lab, vip, holder)
    assert short["failures"] == 0, short["outages"]
    assert pages["longest_silence_ms"] < LONGEST_PAUSE * 1000, pages["outages"]
    assert holds(lab[successor], vip) and holds(lab[successor], SHORT_VIP)
