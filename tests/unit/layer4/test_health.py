# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a line of HAProxy's means."""

from __future__ import annotations

import pytest
from layer4 import health


@pytest.mark.parametrize(
    "status, check_status, state",
    [
        # HAProxy 2.6 and 3.0; an asterisk means that a check is on its way.
        ("UP", "L4OK", "up"),
        ("UP", "* L4OK", "up"),
        ("UP", "L7OK", "up"),
        ("UP 2/3", "L4CON", "up"),
        ("UP 1/3", "* L4TOUT", "up"),
        ("no check", "", "up"),
        ("DOWN", "L4CON", "down"),
        ("DOWN", "* L4TOUT", "down"),
        ("DOWN 1/2", "L4OK", "down"),
        ("DOWN (agent)", "L4OK", "down"),
        ("MAINT", "", "drain"),
        ("MAINT (via dicom/pacs1)", "", "drain"),
        ("MAINT (resolution)", "", "drain"),
        ("DRAIN", "L4OK", "drain"),
        ("DRAIN 1/3", "L4CON", "drain"),
        ("DRAIN (agent)", "L4OK", "drain"),
        ("NOLB", "L7OKC", "drain"),
        ("NOLB 1/2", "L7OKC", "drain"),
    ],
)
@pytest.mark.parametrize("former", ["up", "down", "drain", None])
def test_what_a_servers_line_means(status, check_status, state, former):
    assert health.read_state({"status": status, "check_status": check_status}, former) == state


@pytest.mark.parametrize("check_status", ["INI", "* INI"])
@pytest.mark.parametrize("former", ["up", "down", "drain", None])
def test_what_a_new_worker_has_not_checked_yet_stays_what_it_was(check_status, former):
    assert health.read_state({"status": "UP", "check_status": check_status}, former) == former
