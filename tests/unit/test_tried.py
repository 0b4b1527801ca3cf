# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""README's table of what was tried, which `make docs` writes."""

from __future__ import annotations

import json
import re
import runpy
from pathlib import Path

import yaml

REPOSITORY = Path(__file__).parents[2]
TRIED = runpy.run_path(str(REPOSITORY / "tools/tried.py"))
RECORDS = json.loads((REPOSITORY / "tools/tried.json").read_text())
OLD = ["Debian", "9", "2.2.29-2+deb9u1", "1:2.0.10-1"]
NEW = ["Debian", "10", "2.4.0-1", "1:2.2.7-1+b2"]


def record(*hosts, core="2.16.14", vip="198.51.100.10"):
    return {"core": core, "vip": vip, "loadbalancers": {f"lb{number}": host for number, host in enumerate(hosts, 1)}}


def test_each_row_says_which_tests_ran_with_it():
    records = {
        "one": record(OLD, OLD),
        "both": record(OLD, NEW, core="2.9.1"),
        "three": record(NEW, NEW, NEW, vip="2001:db8::10"),
        "two": record(OLD, OLD),
    }
    assert TRIED["rows"](records) == [
        ("Debian 9 (HAProxy 2.2.29, Keepalived 2.0.10)", "`one`, `two`"),
        ("Debian 10 (HAProxy 2.4.0, Keepalived 2.2.7)", "`three`"),
        ("Debian 10 and Debian 9, side by side", "`both`"),
        ("three load balancers", "`three`"),
        ("VIPs of IPv6", "`three`"),
        ("ansible-core 2.9 on the controller", "`both`"),
        ("ansible-core 2.16 on the controller", "`one`, `three`, `two`"),
    ]


def test_the_readme_has_the_table_that_make_docs_writes():
    readme = (REPOSITORY / "README.md").read_text()
    assert TRIED["placed"](readme, RECORDS) == readme


def test_every_scenario_was_tried_with_what_it_deploys_today():
    """A row that was true once and is no more is no record: run the scenario again, and then `make docs`."""
    for path in REPOSITORY.glob("molecule/*/molecule.yml"):
        text = "".join(each.read_text() for each in path.parent.glob("*.yml"))
        named = set(re.findall(r"(?:PACS_RELEASE|lab_release): (\w+)", text))
        wanted = named if "PACS_RELEASE" in text else named | {"bookworm"}
        found = {host[1] for host in RECORDS[path.parent.name]["loadbalancers"].values()}
        assert found == {{"bookworm": "12", "trixie": "13"}[release] for release in wanted}, path.parent.name


def test_the_oldest_ansible_core_that_is_promised_was_tried():
    promised = yaml.safe_load((REPOSITORY / "meta/runtime.yml").read_text())["requires_ansible"]
    assert f">={RECORDS['make tower']['core'].rpartition('.')[0]}.0" == promised
