# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filters give roles plain sentences, and each has its documentation."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from observations import HOSTS, NOW, before, pair, site, through

from ansible_collections.pacs.loadbalancer.plugins.filter import diagnosis, screens

FILTERS = {**diagnosis.FilterModule().filters(), **screens.FilterModule().filters()}
DIRECTORY = Path(__file__).parents[4] / "plugins/filter"


def test_problems_are_sentences_that_end_with_their_code():
    observed = before()
    observed["lb1"]["owners"]["eth0"]["198.51.100.12"] = []
    assert FILTERS["infinitt_preflight"](site(), observed, "all") == [
        "lb1 cannot reach lb2: nothing answers for its infinitt_address 198.51.100.12 on eth0."
        " Both must be on the same network segment. [peer_unreachable]"
    ]
    in_service = pair()
    in_service["lb2"]["keepalived"]["instances"][0]["state"] = "FAULT"
    sentence = (
        "Keepalived on lb2 is in state FAULT and cannot take over the VIP."
        " See why: journalctl -u keepalived. [keepalived_fault]"
    )
    assert FILTERS["status_problems"](site(), in_service, HOSTS) == [sentence]
    assert FILTERS["infinitt_verify"](site(), in_service, "lb2", [through()]) == {
        "kept": [
            "lb1 holds the VIP 198.51.100.10.",
            "One machine answers for each VIP, asked from lb1 and lb2.",
            "dicom answers through the VIP, asked from lb2.",
        ],
        "broken": [sentence],
        "unchecked": [],
        "notices": [],
    }


def test_screens_are_text():
    assert FILTERS["preflight_table"](site(layer4=("dicom",)), before()).count("[nodes_see_vip]") == 1
    assert FILTERS["status_screen"](site(), pair(), HOSTS, NOW).startswith("VIP 198.51.100.10: active on lb1 since")


def test_a_summary_is_short_however_much_is_wrong():
    observed = pair()
    known = FILTERS["status_data"](site(), observed, HOSTS, NOW)
    assert FILTERS["status_summary"](site(), known) == {
        "health": "healthy",
        "at": "2026-11-24T15:05:52Z",
        "vips": {"198.51.100.10": ["lb1"]},
        "problems": [],
        "problems_in_all": 0,
        "notices": [],
    }
    many = {**known, "problems": [{"code": "node_down"}] * 50, "notices": [{"code": "versions_differ"}] * 50}
    summary = FILTERS["status_summary"](site(), many)
    assert (len(summary["problems"]), summary["problems_in_all"]) == (20, 50)
    assert summary["notices"] == ["versions_differ"]


def test_what_was_deployed_is_the_latest_of_all_sets():
    observed = pair()
    observed["lb2"]["deployed"] = [
        {},
        {"when": "2026-11-24T15:05:52Z", "pending": False},
        {"when": "2026-11-24T15:05:50Z", "pending": True},
    ]
    known = FILTERS["status_data"](site(), observed, HOSTS, NOW)
    assert known["deployed"] == {"lb1": {"at": 0, "pending": False}, "lb2": {"at": NOW, "pending": True}}
    assert "deployed" not in known["observed"]["lb2"]


@pytest.mark.parametrize("name", FILTERS)
def test_a_filter_has_its_documentation(name):
    sidecar = yaml.safe_load((DIRECTORY / f"{name}.yml").read_text())
    assert sidecar["DOCUMENTATION"]["name"] == name
    code = FILTERS[name].__code__
    options = sidecar["DOCUMENTATION"]["options"]
    assert [*options][1:] == [*code.co_varnames[1 : code.co_argcount]]
    assert f"pacs.loadbalancer.{name}" in sidecar["EXAMPLES"] and sidecar["RETURN"]["_value"]
