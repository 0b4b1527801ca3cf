# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""playbooks/support_bundle.yml itself, where one load balancer runs nothing and the other is lost."""

from __future__ import annotations

import glob
import json
import tarfile

import namespaces
import played
import pytest

MISSING = namespaces.missing((*played.PROGRAMS, "tar"))
HOSTS = {"lb1": played.HERE, "lb2": played.LOST}


@pytest.fixture
def play(tmp_path):
    if MISSING:
        pytest.skip(MISSING)
    with played.player(tmp_path) as run:
        yield lambda *options, **variables: run(
            "support_bundle",
            *options,
            **{"hosts": HOSTS, "infinitt_report_dir": str(tmp_path / "reports"), **variables},
        )


def test_one_archive_has_all_that_can_be_had_and_names_who_is_missing(play, tmp_path):
    (tmp_path / "reports").mkdir()
    before = {*glob.glob("/tmp/ansible.*")}
    code, said = play("--check")
    assert code == 0 and "Would collect from lb1 into" in said and "logs/haproxy.log" in said, said
    assert [*(tmp_path / "reports").iterdir()] == []
    code, said = play()
    assert code == 0, said
    (path,) = (tmp_path / "reports").iterdir()
    assert played.artefacts(said) == {"loadbalancer_support": {"archive": str(path)}}
    assert path.name.startswith("support-198.51.100.10-20") and str(path) in said
    assert path.stat().st_mode & 0o777 == 0o600
    top = path.name.removesuffix(".tar.gz")
    with tarfile.open(path) as archive:
        names = archive.getnames()
        readme = archive.extractfile(f"{top}/README.txt").read().decode()
        addresses = json.load(archive.extractfile(f"{top}/lb1/network/addresses.json"))
    assert "\nNothing is from lb2, which could not be reached or asked.\n" in readme
    assert {name.split("/")[0] for name in names} == {top}
    assert "198.51.100.11" in [one["local"] for link in addresses for one in link["addr_info"]]
    # Nothing stays on the load balancer or on the controller.
    assert {*glob.glob("/tmp/ansible.*")} - before == set()


def test_nothing_is_collected_for_a_directory_that_is_not_there(play):
    code, said = play()
    assert code == 2 and "give another one for the report." in said, said


def test_a_variable_that_is_wrong_keeps_nobody_from_help(play, tmp_path):
    (tmp_path / "reports").mkdir()
    # lb2 is on the same machine, and has not the address that is said to be its own.
    hosts = {"lb1": played.HERE, "lb2": {**played.HERE, "ansible_host": "198.51.100.12"}}
    code, said = play(hosts=hosts, infinitt_vip="", infinitt_nodes="canary")
    assert code == 0, said
    (path,) = (tmp_path / "reports").iterdir()
    top = path.name.removesuffix(".tar.gz")
    with tarfile.open(path) as archive:
        readme = archive.extractfile(f"{top}/README.txt").read().decode()
        names = archive.getnames()
    assert (
        top.startswith("support-site-20")
        and "wrong with infinitt_vip, infinitt_nodes, infinitt_address of lb2." in readme
    )
    assert "canary" not in readme
    assert f"{top}/lb1/status.json" in names and f"{top}/lb2/status.json" in names
