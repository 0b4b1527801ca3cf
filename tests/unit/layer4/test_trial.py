# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The trial of a conntrackd.conf: two real conntrackds between two network namespaces."""

from __future__ import annotations

import time

import namespaces
import pytest
from layer4 import trial
from rendering import REPOSITORY

CONF = (REPOSITORY / "tests/unit/golden/layer4/lb1/conntrackd.conf").read_text()

if namespaces.missing():
    pytest.skip(namespaces.missing(), allow_module_level=True)


@pytest.mark.parametrize(
    "here, there",
    [
        ("198.51.100.11", "198.51.100.12"),
        ("198.51.100.11", "203.0.113.12"),
        ("198.51.100.11", "198.51.101.12"),
        ("2001:db8:1::11", "2001:db8:1::12"),
        ("2001:db8:1::11", "2001:db8:2::12"),
    ],
)
def test_any_two_addresses_mirror(tmp_path, here, there):
    text = CONF.replace("198.51.100.11", here).replace("198.51.100.12", there)
    if ":" in here:
        text = text.replace("IPv4_address " + here, "IPv6_address " + here).replace(
            "IPv4_address " + there, "IPv6_address " + there
        )
        text = text.replace("IPv4_Destination", "IPv6_Destination")
    (tmp_path / "conntrackd.conf").write_text(text)
    trial.try_mirror(str(tmp_path / "conntrackd.conf"))
    assert [path.name for path in tmp_path.iterdir()] == ["conntrackd.conf"]


def test_so_do_three_by_multicast(tmp_path, mirrored_trio):
    path = tmp_path / "conntrackd.conf"
    path.write_text(mirrored_trio["lb3"]["conntrackd"])
    trial.try_mirror(str(path))
    assert path.read_text() == mirrored_trio["lb3"]["conntrackd"] and [*tmp_path.iterdir()] == [path]


def test_a_file_that_does_not_mirror_is_refused_and_leaves_nothing_running(tmp_path, monkeypatch):
    monkeypatch.setattr(trial, "TRIAL", trial.TRIAL.replace("seq 50", "seq 5"))
    # The client of the trial is left out, as a site's own network may be by mistake.
    text = CONF.replace("IPv4_address 127.0.0.1", "IPv4_address 192.0.2.0/24")
    path = tmp_path / "conntrackd.conf"
    path.write_text(text)
    with pytest.raises(SystemExit, match="does not appear in the other's"):
        trial.try_mirror(str(path))
    deadline = time.monotonic() + 2
    while left(str(path)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not left(str(path))


def left(path):
    """Command lines of processes that name the file."""
    return [words for words in namespaces.command_lines() if any(word.startswith(path) for word in words)]
