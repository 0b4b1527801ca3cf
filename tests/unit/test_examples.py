# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The sites to copy in inventory/ are rendered, and HAProxy accepts them."""

from __future__ import annotations

import shutil

import pytest
from programs import haproxy_says
from rendering import REPOSITORY
from running import REJECT
from test_golden import render

EXAMPLES = sorted(path.parent.name for path in REPOSITORY.glob("inventory/*/hosts.yml") if path.parent.name != "lab")


@pytest.mark.skipif(not shutil.which("haproxy"), reason="haproxy is not installed")
@pytest.mark.parametrize("name", EXAMPLES)
def test_haproxy_accepts_it(name, tmp_path):
    code, said = render(REPOSITORY / "inventory" / name / "hosts.yml", tmp_path, "--limit", "lb1")
    assert code == 0, said
    path = tmp_path / "lb1/haproxy.cfg"
    path.write_text(path.read_text().replace("/etc/haproxy/reject_calling_ae.lua", str(REJECT)))
    code, said = haproxy_says(path)
    assert code == 0 and "WARNING" not in said, said
