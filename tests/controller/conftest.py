# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
import stand_in
from controlled import PLAYBOOKS, TOOLS, play


@pytest.fixture(scope="session")
def set_up():
    """A stand-in that the playbook has set up, and what the playbook said."""
    assert TOOLS.exists(), "run: make controller"
    with stand_in.Server(stand_in.Controller(PLAYBOOKS)) as server:
        yield server, play(server)[0]
