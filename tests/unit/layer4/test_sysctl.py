# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The kernel's settings, and what the site had."""

from __future__ import annotations

import pytest
from layer4 import config, sysctl


@pytest.fixture
def sys_tree(tmp_path, monkeypatch):
    monkeypatch.setattr(sysctl.Sysctl, "ROOT", tmp_path / "sys")
    monkeypatch.setattr(config, "FORMER", tmp_path / "lib/former.json")
    (tmp_path / "sys/net").mkdir(parents=True)
    (tmp_path / "sys/net/max").write_text("1000\n")
    return tmp_path / "sys/net"


def test_what_the_site_had_comes_back_however_often_it_was_raised(sys_tree):
    assert sysctl.Sysctl().put("net/max", "2000")
    assert sysctl.Sysctl().put("net/max", "3000")
    assert (sys_tree / "max").read_text() == "3000"
    sysctl.Sysctl().restore()
    assert (sys_tree / "max").read_text() == "1000" and not config.FORMER.exists()


def test_what_cannot_be_set_is_not_given_back(sys_tree):
    # Readable for everybody, and not to be written by anybody.
    (sys_tree / "fixed").symlink_to("/proc/version")
    assert not sysctl.Sysctl().put("net/fixed", "2000")
    assert not sysctl.Sysctl().put("net/none", "1")
    sysctl.Sysctl().restore()
