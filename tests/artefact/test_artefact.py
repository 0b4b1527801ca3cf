# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `ansible-galaxy collection build` makes works when it is installed elsewhere, and holds nothing of the lab."""

from __future__ import annotations

import importlib
import json
import pathlib
import subprocess
import tarfile

import pytest

CLONE = pathlib.Path(__file__).parents[2]
LEFT_OUT = (
    "bench/",
    "tests/",
    "molecule/",
    "tools/",
    "collections/",
    "inventory/lab/",
    "requirements/dev.txt",
    "requirements/lab.txt",
    "requirements/test.txt",
    "Makefile",
    "ansible.cfg",
    "pyproject.toml",
    ".",
)
COLLECTION = "pacs.loadbalancer"


def test_holds_what_a_site_needs_and_nothing_else(artefact):
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=CLONE,
        text=True,
        capture_output=True,
        check=True,
    ).stdout.splitlines()
    wanted = {
        path for path in listed if not path.startswith(LEFT_OUT) and (CLONE / path).exists() and path != "galaxy.yml"
    }
    with tarfile.open(artefact) as tar:
        held = {member.name for member in tar if not member.isdir()}
    assert held == wanted | {"MANIFEST.json", "FILES.json"}


@pytest.mark.parametrize(
    "kind, pattern", [("module", "plugins/modules/*.py"), ("filter", "plugins/filter/*.yml"), ("role", "roles/*")]
)
def test_everything_is_documented(elsewhere, installed, kind, pattern):
    names = {f"{COLLECTION}.{path.stem}" for path in CLONE.glob(pattern) if not path.name.startswith("_")}
    documented = json.loads(elsewhere("ansible-doc", "--json", "--type", kind, *sorted(names)))
    assert set(documented) == names
    for name, documentation in documented.items():
        if kind == "role":
            assert documentation["entry_points"]["main"]["short_description"], name
        else:
            assert documentation["doc"]["description"], name


def test_every_filter_is_documented_in_a_file_beside_it():
    filters = set()
    for path in (CLONE / "plugins/filter").glob("*.py"):
        module = importlib.import_module(f"ansible_collections.{COLLECTION}.plugins.filter.{path.stem}")
        filters |= set(module.FilterModule().filters())
    assert filters == {path.stem for path in (CLONE / "plugins/filter").glob("*.yml")}


def test_every_playbook_is_found_by_its_name(elsewhere, installed):
    playbooks = sorted((CLONE / "playbooks").glob("*.yml"))
    assert playbooks
    for playbook in playbooks:
        elsewhere(
            "ansible-playbook",
            "--syntax-check",
            "--inventory",
            str(installed / "inventory/example"),
            f"{COLLECTION}.{playbook.stem}",
        )
