# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The promise to those who upgrade the collection: a pair that the release before has deployed gets this one under
traffic, and nobody notices. What is deployed is removed first; the pair is left as site.yml makes it.
"""

from __future__ import annotations

import subprocess

import pytest
from pair import PAIR, REPOSITORY, UNBROKEN, ansible, other, owners, play, the_holder, traffic

# As long as there is no tag: the last commit before three could mirror, which took another protocol for two as well.
BEFORE_RELEASES = "0948d4b8737d"


def git(*words, **options):
    return subprocess.run(["git", *words], cwd=REPOSITORY, capture_output=True, check=True, **options).stdout


def galaxy(*words):
    code, said = ansible("ansible-galaxy", "collection", *words)
    assert code == 0, said


@pytest.fixture(scope="module")
def former(tmp_path_factory):
    """A directory of collections with the artefact of the last tag in it."""
    tags = git("tag", "--merged", "HEAD^", "--sort=-creatordate", text=True).split()
    revision = tags[0] if tags else BEFORE_RELEASES
    place = tmp_path_factory.mktemp("former")
    for name in ("source", "collections"):
        (place / name).mkdir()
    tree = git("archive", revision)
    subprocess.run(["tar", "--extract", "--directory", str(place / "source")], input=tree, check=True)
    galaxy("build", "--output-path", str(place), str(place / "source"))
    (artefact,) = place.glob("*.tar.gz")
    galaxy("install", "--force", "--no-deps", "--collections-path", str(place / "collections"), str(artefact))
    return place / "collections"


def remove_everything(holder, alone):
    for arguments, variables in (
        ((), {"infinitt_host": other(holder)}),
        (alone, {"infinitt_host": holder, "infinitt_force": "true"}),
    ):
        removed = play("remove_loadbalancer", *arguments, **variables)
        assert removed.code == 0, removed.said


def test_a_pair_of_the_release_before_is_upgraded_and_nobody_notices(lab, vip, holder, alone, former):
    remove_everything(holder, alone)
    code, said = ansible("ansible-playbook", "pacs.loadbalancer.site", ANSIBLE_COLLECTIONS_PATH=str(former))
    assert code == 0, said
    before = the_holder(lab, vip)
    with traffic(lab, vip, **UNBROKEN) as held, owners(lab, vip) as had:
        upgraded = play("site")
        assert upgraded.code == 0, upgraded.said
        moved = play("switchover")
    assert moved.code == 0, moved.said
    assert held["failures"] == 0, held["outages"]
    assert had["both"] == 0 and had["nobody"] < 1, had
    assert the_holder(lab, vip) == other(before)
    assert play("status").code == 0 and play("site").changed == dict.fromkeys(PAIR, 0)
