# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The artefact is as the Ansible community asks of collections in its package ("Ansible community package collections
requirements"), and as the template for the README of certified ones has it.

What only a publication can show is not here: an address of the repository and of its issues, the tag of a release.
"""

from __future__ import annotations

import ast
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile

import pytest
import yaml
from ansible.plugins.loader import get_all_plugin_loaders

CLONE = pathlib.Path(__file__).parents[2]
# What the importer of Galaxy wants one of.
TAGS = {"application", "cloud", "database", "infrastructure", "linux", "monitoring", "networking", "security"}
TAGS |= {"storage", "tools", "windows"}
SECTIONS = (
    "Description",
    "Requirements",
    "Installation",
    "Use cases",
    "Testing",
    "Support",
    "Release notes and roadmap",
    "Related information",
    "License information",
)
# A collection must work if all else is deleted.
NEEDED = {"meta", "playbooks", "plugins", "roles"}


@pytest.fixture(scope="module")
def manifest(artefact):
    with tarfile.open(artefact) as tar:
        return json.load(tar.extractfile("MANIFEST.json"))["collection_info"]


@pytest.fixture(scope="module")
def readme(installed):
    return (installed / "README.md").read_text()


def test_the_manifest_has_what_galaxy_imports(manifest):
    assert re.fullmatch(r"[1-9]\d*\.\d+\.\d+", manifest["version"])
    assert manifest["license"] == ["GPL-3.0-or-later"]
    assert TAGS & set(manifest["tags"])
    assert manifest["description"] and manifest["authors"] and manifest["readme"] == "README.md"
    assert manifest["dependencies"] == {}


def test_it_is_small_and_all_text(artefact):
    assert artefact.stat().st_size < 20e6
    with tarfile.open(artefact) as tar:
        for member in tar:
            if member.isfile():
                tar.extractfile(member).read().decode()


def test_the_readme_has_the_sections_in_their_order(readme):
    titles = re.findall(r"^## (.*)$", readme, re.MULTILINE)
    assert [title for title in titles if title in SECTIONS] == list(SECTIONS)


@pytest.mark.parametrize(
    "address", ["/community/code_of_conduct.html", "https://forum.ansible.com/c/help/", "https://semver.org"]
)
def test_the_readme_leads_to(readme, address):
    assert address in readme


def test_the_readme_names_the_oldest_ansible_core(readme, installed):
    required = yaml.safe_load((installed / "meta/runtime.yml").read_text())["requires_ansible"]
    assert re.fullmatch(r">=2\.\d+\.0", required)
    assert f"ansible-core {required[2:-2]} or later" in readme


def test_there_are_plugins_of_known_kinds_only(installed):
    known = {loader.package.rpartition(".")[2] for _name, loader in get_all_plugin_loaders()}
    assert {path.name for path in (installed / "plugins").iterdir()} <= known | {"module_utils", "plugin_utils"}


def test_all_utilities_are_private(installed):
    utilities = [path for kind in ("module_utils", "plugin_utils") for path in (installed / "plugins" / kind).iterdir()]
    assert len(utilities) > 40
    assert [path.name for path in utilities if not path.name.startswith("_")] == []


def test_every_module_has_its_documentation_examples_and_return_values(installed):
    modules = sorted((installed / "plugins/modules").glob("*.py"))
    assert len(modules) > 15
    for path in modules:
        parts = {
            ast.unparse(part.targets[0]): part.value.value
            for part in ast.parse(path.read_text()).body
            if isinstance(part, ast.Assign) and isinstance(part.value, ast.Constant)
        }
        documented = yaml.safe_load(parts["DOCUMENTATION"])
        assert documented["author"] and parts["RETURN"].strip(), path.name
        assert f"pacs.loadbalancer.{path.stem}:" in parts["EXAMPLES"], path.name
        if path.stem.endswith("_info"):
            assert "pacs.loadbalancer.attributes.reads" in documented["extends_documentation_fragment"], path.name


def test_playbooks_and_roles_need_nothing_but_each_other_and_plugins(installed, elsewhere):
    bare = elsewhere.home / "bare"
    place = bare / "ansible_collections/pacs/loadbalancer"
    for name in NEEDED:
        shutil.copytree(installed / name, place / name, symlinks=True)
    shutil.copy(installed / "MANIFEST.json", place)
    playbooks = [f"pacs.loadbalancer.{path.stem}" for path in sorted((CLONE / "playbooks").glob("*.yml"))]
    assert len(playbooks) > 10
    inventory = str(installed / "inventory/example")
    command = ["ansible-playbook", "--syntax-check", "--inventory", inventory, *playbooks]
    elsewhere("env", f"ANSIBLE_COLLECTIONS_PATH={bare}", *command)
    # What is read or included only when a playbook runs.
    for path in place.glob("playbooks/*.yml"):
        named = re.findall(r"(?:include_tasks:|-) (\S+\.yml)$", path.read_text(), re.MULTILINE)
        assert [name for name in named if not (path.parent / name).exists()] == [], path.name


def test_every_file_says_its_licence(installed):
    done = subprocess.run(
        [sys.executable, "-m", "reuse", "--root", str(installed), "lint", "--lines"],
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "GNU GENERAL PUBLIC LICENSE" in (installed / "LICENSE").read_text()


def test_the_changelog_is_made_by_antsibull(installed):
    assert yaml.safe_load((installed / "changelogs/config.yaml").read_text())["output"][0]["file"] == "CHANGELOG.rst"
    assert (installed / "CHANGELOG.rst").exists()


def test_ansible_test_is_told_to_ignore_nothing():
    assert list(CLONE.glob("tests/sanity/ignore*")) == []
