# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A program and what it imports of the collection, in one file that runs by itself."""

from __future__ import annotations

import base64
import io
import subprocess
import sys
import zipfile

import pytest
from rendering import REPOSITORY

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._archive import NAME, pack, versioned

PROGRAM = REPOSITORY / "roles/monitoring/files/lib"


def run(path, *words):
    # Isolated, and without what is installed beside Python's own library: as a load balancer has it.
    return subprocess.run([sys.executable, "-IS", path, *words], capture_output=True, text=True, check=False)


@pytest.fixture
def program(tmp_path):
    """A program that imports a module, which imports its neighbour."""
    collection, its = tmp_path / "collection", tmp_path / "program"
    (collection / "plugins/module_utils/_rooms").mkdir(parents=True)
    (collection / "plugins/module_utils/_unused.py").write_text("raise SystemExit('never')")
    (collection / "plugins/module_utils/_greeting.py").write_text("from ._rooms import one as room\nTEXT = room.TEXT")
    (collection / "plugins/module_utils/_rooms/__init__.py").write_text("BEFORE = 'Good '")
    (collection / "plugins/module_utils/_rooms/one.py").write_text("from . import BEFORE\nTEXT = BEFORE + 'morning'")
    its.mkdir()
    (its / "__main__.py").write_text(f"from {NAME}.plugins.module_utils import _greeting\nprint(_greeting.TEXT)")
    return its, collection


def test_it_runs_with_what_it_imports_and_nothing_else(program, tmp_path):
    packed = pack(*program, "/usr/bin/python3")
    path = tmp_path / "packed"
    path.write_bytes(packed)
    assert run(path).stdout == "Good morning\n"
    assert packed.startswith(b"#!/usr/bin/python3\n")
    assert not [name for name in zipfile.ZipFile(io.BytesIO(packed)).namelist() if "unused" in name]


def test_the_same_sources_give_the_same_file(program):
    first = pack(*program, "/usr/bin/python3")
    for path in program[0].rglob("*.py"):
        path.write_text(path.read_text())
    assert pack(*program, "/usr/bin/python3") == first


def test_monitoring_runs_without_ansible(tmp_path):
    path = tmp_path / "loadbalancer"
    path.write_bytes(pack(PROGRAM, REPOSITORY, "/usr/bin/python3 -IS"))
    assert "status" in run(path, "--help").stdout
    unknown = run(path, "status")
    assert (unknown.returncode, unknown.stderr) == (3, ""), unknown.stderr
    assert unknown.stdout == "No deployment on this host has come to its end: run playbooks/site.yml.\n"


def test_each_version_of_a_program_has_a_directory_of_its_own(program):
    its, _collection = program
    (its / "rooms").mkdir()
    (its / "rooms/one.py").symlink_to(its / "__main__.py")
    first = versioned(its, "/usr/local/lib/it")
    assert first["directory"] == f"/usr/local/lib/it/{first['version']}"
    text = base64.b64encode((its / "__main__.py").read_bytes()).decode()
    assert first["files"] == [
        {"path": f"{first['directory']}/{name}", "content": text} for name in ("__main__.py", "rooms/one.py")
    ]
    assert versioned(its, "/usr/local/lib/it") == first
    (its / "__main__.py").write_text("print()\n")
    assert versioned(its, "/usr/local/lib/it")["version"] != first["version"]


def test_a_look_twice_a_minute_loads_nothing_of_what_asks_and_tells(tmp_path):
    """A host compiles what it imports each time."""
    path = tmp_path / "loadbalancer"
    path.write_bytes(pack(PROGRAM, REPOSITORY, "/usr/bin/python3 -IS"))
    script = (
        f"import sys; sys.path.insert(0, {str(path)!r}); from loadbalancer import command, state; print(*sys.modules)"
    )
    loaded = set(run("-c", script).stdout.split())
    assert "loadbalancer.state" in loaded
    assert not loaded & {"asyncio", "smtplib", "urllib.request", "loadbalancer.check", "loadbalancer.channels"}
