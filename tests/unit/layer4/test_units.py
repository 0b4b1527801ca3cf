# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which units the layer4 role stops, because the site has changed."""

from __future__ import annotations

import jinja2.nativetypes
import pytest
import yaml
from rendering import REPOSITORY

VARIABLES = yaml.safe_load((REPOSITORY / "roles/layer4/vars/main.yml").read_text())
OWN = "layer4.service"
RECORDS = ("layer4-records.socket", "layer4-records.service")
RUNNING = {"active": True, "enabled": True, "outdated": False}


def stopped(units, **written):
    """Of these units, which run, those that are stopped."""
    environment = jinja2.nativetypes.NativeEnvironment()
    environment.filters["dict2items"] = lambda found: [{"key": key, "value": value} for key, value in found.items()]
    known = {
        "layer4_services": [{"address": "198.51.100.10"}],
        "layer4_mirror_peers": [],
        "layer4_mirror_tunnel": {},
        "__layer4_runs": {"units": dict.fromkeys(units, RUNNING)},
        **written,
    }
    for name in ("is_mirrored", "is_encrypted", "units", "active", "enabled", "unwanted"):
        expression = environment.from_string(VARIABLES[f"__layer4_{name}"].strip())
        known[f"__layer4_{name}"] = expression.render(known)
    return list(known["__layer4_unwanted"])


@pytest.mark.parametrize("peers, stops", [(["198.51.100.12"], []), ([], ["conntrackd.service"])])
def test_a_mirror_that_has_lost_its_peer_in_the_inventory_is_stopped(peers, stops):
    assert stopped([OWN, "conntrackd.service", *RECORDS], layer4_mirror_peers=peers) == stops


def test_so_is_its_tunnel_that_is_wanted_no_more():
    units = [OWN, "layer4-mirror.service", "conntrackd.service", *RECORDS]
    assert stopped(units, layer4_mirror_peers=["198.51.100.12"]) == ["layer4-mirror.service"]
    assert stopped(units, layer4_mirror_peers=["169.254.37.81"], layer4_mirror_tunnel={"peer": "198.51.100.12"}) == []
