# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What runs on the load balancers needs only Python's library, and its layers import downwards only."""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]
MODULE_UTILS = ROOT / "plugins/module_utils"
PREFIX = "ansible_collections.pacs.loadbalancer.plugins.module_utils"
# They have no socket, file or program of their own.
PURE = {"_check", "_failure", "_http_head", "_timeline", "_trust", "_x509"} | {
    f"_dicom.{path.stem}" for path in (MODULE_UTILS / "_dicom").glob("*.py")
}
OPENING = {"asyncio", "os", "pathlib", "selectors", "socket", "subprocess", "threading"}


@functools.cache
def imports():
    """Return what each file imports, by its name: names of files here, and modules of others."""
    files = {
        ".".join(path.relative_to(MODULE_UTILS).with_suffix("").parts): path for path in MODULE_UTILS.rglob("*.py")
    }
    found = {}
    for name, path in files.items():
        found[name] = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found[name].update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                parents = name.split(".")[: -node.level] if node.level else []
                module = ".".join([*parents, *filter(None, [node.module])]).removeprefix(PREFIX).lstrip(".")
                for alias in node.names:
                    inner = ".".join(filter(None, [module, alias.name]))
                    found[name].add(inner if inner in files else module)
    return found


def test_they_need_only_the_standard_library():
    known = {name.partition(".")[0] for name in imports()}
    for name, imported in imports().items():
        assert {other.partition(".")[0] for other in imported} - known <= sys.stdlib_module_names, name


def test_no_two_import_each_other():
    left = {name: imported & set(imports()) for name, imported in imports().items()}
    while left:
        lowest = {name for name, imported in left.items() if not imported & set(left)}
        assert lowest, f"these import each other: {sorted(left)}"
        left = {name: imported for name, imported in left.items() if name not in lowest}


@pytest.mark.parametrize("name", sorted(PURE))
def test_a_codec_opens_nothing(name):
    assert not imports().get(name, set()) & OPENING


def test_the_layers_of_dicom():
    order = ["constants", "errors", "items", "pdu", "stream", "dataset", "commands", "dimse", "association"]
    for name, imported in imports().items():
        package, _dot, layer = name.partition(".")
        if package == "_dicom" and layer in order:
            below = {f"_dicom.{other}" for other in order[: order.index(layer)]}
            assert {other for other in imported if other.startswith("_dicom")} <= below, name


def test_one_table_holds_the_uids_of_dicom():
    listed = subprocess.run(
        ["git", "grep", "--files-with-matches", "--fixed-strings", "1.2.840.10008", "--", "*.py", "*.yml", "*.j2"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert [name for name in listed if not name.startswith("tests/")] == ["plugins/module_utils/_dicom/constants.py"]
