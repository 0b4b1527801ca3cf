# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Security updates that wait, and since when that is known."""

from __future__ import annotations

import json
import time

import pytest

from ansible_collections.pacs.loadbalancer.plugins.module_utils import _updates

SIMULATED = """\
Inst tzdata [2024a-0+deb12u1] (2024b-0+deb12u1 Debian:12.9/stable [all])
Inst haproxy [2.6.12-1+deb12u1] (2.6.12-1+deb12u2 Debian-Security:12/stable-security [amd64])
Inst linux-image-6.1.0-30-amd64 (6.1.124-1 Debian-Security:12/stable-security [amd64])
Inst libssl3 [3.0.2-0ubuntu1.15] (3.0.2-0ubuntu1.18 Ubuntu:22.04/jammy-updates, Ubuntu:22.04/jammy-security [amd64])
Conf haproxy (2.6.12-1+deb12u2 Debian-Security:12/stable-security [amd64])
"""


@pytest.fixture
def apt(tmp_path, monkeypatch):
    """A fake apt-get that says what stands in the file that is returned."""
    said = tmp_path / "said"
    program = tmp_path / "bin/apt-get"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ncat {said}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    return said


def test_only_what_is_installed_and_has_a_security_update_counts():
    assert _updates.parse(SIMULATED) == {"haproxy": "2.6.12-1+deb12u2", "libssl3": "3.0.2-0ubuntu1.18"}


def test_it_waits_from_when_it_is_first_seen_until_it_is_installed(apt, tmp_path):
    record = tmp_path / "record/updates.json"
    apt.write_text(SIMULATED)
    assert _updates.waiting(5, True, str(record)) == {"haproxy": 0, "libssl3": 0}
    earlier = int(time.time()) - 86400
    record.write_text(json.dumps({"haproxy 2.6.12-1+deb12u2": earlier, "libssl3 3.0.2-0ubuntu1.17": earlier}))
    found = _updates.waiting(5, True, str(record))
    assert 86400 <= found["haproxy"] < 86500 and found["libssl3"] < 100, "another version waits from now on"
    apt.write_text("")
    assert _updates.waiting(5, True, str(record)) == {} and json.loads(record.read_text()) == {}


def test_a_dry_run_writes_nothing_down(apt, tmp_path):
    apt.write_text(SIMULATED)
    assert _updates.waiting(5, False, str(tmp_path / "record")) == {"haproxy": 0, "libssl3": 0}
    assert not (tmp_path / "record").exists()


def test_a_damaged_record_is_as_good_as_none(apt, tmp_path):
    apt.write_text(SIMULATED)
    (tmp_path / "record").write_text("{")
    assert _updates.waiting(5, True, str(tmp_path / "record")) == {"haproxy": 0, "libssl3": 0}


def test_a_host_without_apt_has_none(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert _updates.waiting(5, True, str(tmp_path / "record")) == {}
