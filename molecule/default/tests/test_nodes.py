# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A node into maintenance and back, under traffic. The tests run in this order on one lab; the last brings all back."""

from __future__ import annotations

import re

from pair import CONFIGURATION, PAIR, header, other, play, the_holder, traffic

# New associations meanwhile; the kernel forwards them at layer 4.
DICOM = {"port": 104, "check": "echo", "interval": 200, "timeout": 3}
REMEMBERED = "cat /var/lib/pacs.loadbalancer/nodes.fact"


def maintain(node, state, *arguments, **more):
    return play("node_maintenance", *arguments, infinitt_node=node, infinitt_state=state, **more)


def disabled(lab):
    """The nodes that are out, by load balancer and service, in the files that HAProxy has and would start with."""
    found = {name: lab[name].check_output("cat /etc/haproxy/haproxy.cfg") for name in PAIR}
    return {name: re.findall(r"^    server (\w+) .* disabled\b", text, re.MULTILINE) for name, text in found.items()}


def test_a_dry_run_tells_the_plan_and_changes_nothing(lab):
    before = [lab[name].check_output(CONFIGURATION) for name in PAIR]
    told = maintain("pacs1", "maintenance", "--check")
    assert told.code == 0 and not any(told.changed.values()), told.said
    assert "send no new connections to web, dicom, query and mwl on pacs1" in told.said
    assert [lab[name].check_output(CONFIGURATION) for name in PAIR] == before


def test_a_node_is_drained_without_a_failed_request(lab, vip):
    with traffic(lab, vip) as seen, traffic(lab, vip, **DICOM) as dicom:
        done = maintain("pacs1", "maintenance")
    assert done.code == 0 and "Nobody is connected to pacs1" in done.said, done.said
    assert seen["failures"] == dicom["failures"] == 0, (seen["outages"], dicom["outages"])
    assert disabled(lab) == dict.fromkeys(PAIR, ["pacs1"] * 4)
    for _again in range(3):
        assert header(lab["modality"].check_output(f"curl -sI http://{vip}/"), "X-Node") == "pacs2"


def test_it_stays_out_whatever_happens(lab, vip, holder):
    """The node is off meanwhile. One load balancer has forgotten, as a new machine has."""
    lab["pacs1"].check_output("systemctl stop wlmscpfs")
    lab[other(holder)].check_output("rm /var/lib/pacs.loadbalancer/nodes.fact")
    lab[holder].check_output("systemctl reload haproxy")
    lab[holder].check_output("systemctl restart keepalived haproxy")
    deployed = play("site")
    assert deployed.code == 0, deployed.said
    assert lab["lb1"].check_output(REMEMBERED) == lab["lb2"].check_output(REMEMBERED)
    assert disabled(lab) == dict.fromkeys(PAIR, ["pacs1"] * 4)
    assert play("site").changed == {"lb1": 0, "lb2": 0}
    status = play("status")
    assert status.code == 0 and "mwl on pacs1: in maintenance since" in status.said, status.said
    assert the_holder(lab, vip) == other(holder)


def test_the_last_healthy_node_stays_unless_told_otherwise(lab, vip):
    refused = maintain("pacs2", "maintenance")
    assert refused.code != 0 and not any(refused.changed.values())
    assert "pacs2 is the last healthy node of web, dicom, query and mwl" in refused.said, refused.said


def test_with_all_nodes_out_viewers_get_the_page_and_modalities_a_refusal_at_once(lab, vip):
    forced = maintain("pacs2", "maintenance", infinitt_force="true")
    assert forced.code == 0 and "mwl is refused to everybody" in forced.said, forced.said
    page = lab["modality"].check_output(f"curl -s -o /tmp/page -w '%{{http_code}}' http://{vip}/; cat /tmp/page")
    assert page.startswith("503") and "maintenance" in page
    for port in (104, 105, 204):
        told = lab["modality"].run(f"timeout 2 echoscu {vip} {port}")
        assert told.rc not in (0, 124), told


def test_a_node_that_does_not_answer_is_not_brought_back(lab):
    told = maintain("pacs1", "active")
    assert told.code != 0 and not any(told.changed.values())
    assert "mwl on pacs1" in told.said, told.said


def test_a_node_comes_back_without_a_failed_request(lab, vip):
    assert maintain("pacs2", "active").code == 0
    lab["pacs1"].check_output("systemctl start wlmscpfs")
    with traffic(lab, vip) as seen, traffic(lab, vip, **DICOM) as dicom:
        done = maintain("pacs1", "active")
    assert done.code == 0, done.said
    assert seen["failures"] == dicom["failures"] == 0, (seen["outages"], dicom["outages"])
    assert disabled(lab) == {"lb1": [], "lb2": []}
    assert play("site").changed == {"lb1": 0, "lb2": 0}
