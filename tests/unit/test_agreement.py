# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What all load balancers must agree on is compared with what Keepalived runs, and said before it changes."""

from __future__ import annotations

import re

import jinja2.nativetypes
import pytest
import yaml
from rendering import REPOSITORY

VARIABLES = yaml.safe_load((REPOSITORY / "roles/keepalived/vars/main.yml").read_text())
RUNS = {
    "virtual_router_id": 51,
    "vips": ["198.51.100.10/24", "198.51.100.9/24"],
    "advertisement": 0.25,
}


def changing(router_id=51, vip="198.51.100.10", advertisement=0.25, runs=(RUNS,)):
    """What would change on all hosts, where Keepalived runs these instances."""
    environment = jinja2.nativetypes.NativeEnvironment()
    environment.filters["regex_replace"] = lambda text, pattern, new: re.sub(pattern, new, str(text), count=1)
    environment.filters["split"] = str.split
    return environment.from_string(VARIABLES["__keepalived_parts"].strip()).render(
        __keepalived_runs={"instances": list(runs)},
        keepalived_router_id=str(router_id),
        keepalived_vips=[{"address": vip}, {"address": "198.51.100.9"}],
        keepalived_advertisement=str(advertisement),
    )


@pytest.mark.parametrize(
    "written, said",
    [
        ({}, []),
        ({"router_id": 71}, ["the virtual router ID 51"]),
        ({"vip": "198.51.100.9"}, ["the first VIP 198.51.100.10"]),
        ({"advertisement": 0.1}, ["0.25 s between advertisements"]),
        ({"router_id": 71, "vip": "198.51.100.20"}, ["the virtual router ID 51", "the first VIP 198.51.100.10"]),
        # A first deployment.
        ({"router_id": 71, "runs": ()}, []),
    ],
)
def test_what_both_hosts_must_agree_on_is_compared_with_what_runs(written, said):
    assert changing(**written) == said
