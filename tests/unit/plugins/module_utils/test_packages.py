# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which packages a host lacks, by dpkg's and by rpm's own words."""

from __future__ import annotations

import pytest

from ansible_collections.pacs.loadbalancer.plugins.module_utils import _packages
from ansible_collections.pacs.loadbalancer.plugins.module_utils._files import Refused

SAID = {
    "dpkg-query": "haproxy installed\nkeepalived config-files\n",
    "rpm": "haproxy installed\npackage keepalived is not installed\n",
}


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Put a program into an otherwise empty PATH, which says this and that something is missing."""
    monkeypatch.setenv("PATH", str(tmp_path))

    def put(name):
        (tmp_path / name).write_text(f"#!/bin/sh\nprintf '%s' '{SAID[name]}'\nexit 1\n")
        (tmp_path / name).chmod(0o755)

    return put


@pytest.mark.parametrize("name", SAID)
def test_a_package_that_is_not_there_is_missing(name, program):
    program(name)
    assert _packages.missing(["haproxy", "keepalived", "nftables"]) == ["keepalived", "nftables"]


def test_where_both_are_installed_dpkg_is_asked(program, tmp_path):
    program("dpkg-query")
    (tmp_path / "rpm").symlink_to("/bin/false")
    assert _packages.missing(["haproxy"]) == []


def test_a_host_with_neither_is_refused_in_words(program):
    with pytest.raises(Refused, match="There is neither dpkg-query nor rpm here"):
        _packages.missing(["haproxy"])
    assert _packages.missing([]) == []
