# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When the haproxy role reloads HAProxy."""

from __future__ import annotations

import jinja2
import pytest
import yaml
from rendering import REPOSITORY

OUTDATED = yaml.safe_load((REPOSITORY / "roles/haproxy/vars/main.yml").read_text())["__haproxy_is_outdated"]
OURS = {"running": True, "description": "a1", "failed_reloads": 0, "workers": [{"pid": 7, "current": True}]}


@pytest.mark.parametrize(
    ("runs", "outdated"),
    [
        (OURS, False),
        ({**OURS, "description": "b2"}, True),
        ({**OURS, "failed_reloads": 1}, True),
        # One that was built by hand may have no socket to ask: its master has a worker all the same.
        ({**OURS, "running": False, "description": None}, True),
        ({**OURS, "running": False, "description": None, "failed_reloads": None, "workers": []}, False),
    ],
)
def test_what_runs_something_else_is_reloaded_even_where_it_cannot_be_asked(runs, outdated):
    environment = jinja2.Environment(autoescape=True)
    environment.filters["length"] = lambda found: len(list(found))  # Ansible makes lists of generators
    compared = {"fingerprint": "a1", "files": []}
    said = environment.from_string(OUTDATED).render(__haproxy_runs=runs, __haproxy_compared=compared)
    assert said == str(outdated)
