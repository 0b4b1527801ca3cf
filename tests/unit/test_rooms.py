# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The house is as CONTRIBUTING.md's map says: each file is short, and imports go down its list only."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLUGINS = ROOT / "plugins"
PREFIX = "ansible_collections.pacs.loadbalancer.plugins."
# The rooms of plugins/ in the order of the map: `filter`, `plugin_utils/_site`, ...
MAP = re.findall(r"^\| (`.*?`) \| ", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE)
ROOMS = [room.removesuffix(".py") for place in MAP for room in re.findall(r"`plugins/([\w./]+)`", place)]

LONGEST = 250  # lines
# Tables: of variables, of panels, of samples; and the text of a licence.
TABLES = {
    "roles/*/meta/argument_specs.yml",
    "monitoring/dashboard.json",
    "monitoring/alerts_test.yml",
    "LICENSE",
    "LICENSES/*",
}


def length(path):
    """How many lines a file has, without the documentation of a module."""
    text = path.read_text()
    documented = 0
    if path.suffix == ".py":
        for part in ast.parse(text).body:
            if isinstance(part, ast.Assign) and ast.unparse(part.targets[0]) in ("DOCUMENTATION", "EXAMPLES", "RETURN"):
                documented += part.end_lineno - part.lineno + 1
    return len(text.splitlines()) - documented


def test_no_file_is_longer_than_one_can_read():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout.split()
    paths = [ROOT / name for name in listed if not name.endswith((".md", ".svg")) and "tests/" not in name]
    files = [path for path in paths if path.is_file() and not any(path.match(table) for table in TABLES)]
    assert len(files) > 300
    assert [f"{path.relative_to(ROOT)}: {length(path)}" for path in files if length(path) > LONGEST] == []


def test_what_roles_share_is_one_file_and_links_to_it():
    """An edit in place makes a copy of a link."""
    patterns = ("roles/*/templates/sandbox.j2", "roles/*/files/lib/*/_[!_]*.py", "plugins/module_utils/_*.py")
    paths = [path for pattern in patterns for path in ROOT.glob(pattern)]
    homes = {path.name: path for path in paths if not path.is_symlink()}
    assert [str(path) for path in paths if path.resolve() != homes[path.name]] == []
    assert len(paths) - len(homes) > 10


def room(name):
    """Return the room of a module: `plugin_utils._site.build` is in plugin_utils/_site."""
    parts = name.split(".")
    return "/".join(parts[:2]) if parts[0] == "plugin_utils" else parts[0]


def imported(path):
    for node in ast.walk(ast.parse(path.read_text())):
        for name in [node.module or ""] if isinstance(node, ast.ImportFrom) else []:
            inner = name.removeprefix(PREFIX)
            if inner == "plugin_utils":
                yield from (room(f"plugin_utils.{alias.name}") for alias in node.names)
            elif inner != name:
                yield room(inner)


@pytest.mark.parametrize("path", sorted(PLUGINS.rglob("*.py")), ids=lambda path: str(path.relative_to(PLUGINS)))
def test_imports_go_down_the_map(path):
    here = room(".".join(path.relative_to(PLUGINS).with_suffix("").parts))
    assert here in ROOMS, "it stands nowhere in the map"
    below = ROOMS[ROOMS.index(here) :]
    assert set(imported(path)) <= set(below)


# --- the programs of the roles ----------------------------------------------------------------------------------------

# By the directory of each package: what is pure in it, and what starts other programs.
PROGRAMS = {
    "layer4/files/lib/layer4": (
        {"address", "company", "ctnetlink", "hashing", "health", "nft", "firewall", "packet"},
        {"system"},
    ),
    "keepalived/files/lib/keepalived_guard": (
        {"advert", "conf", "judge", "moves", "successor"},
        {"_keepalived", "_programs", "events", "system"},
    ),
    "monitoring/files/lib/loadbalancer": ({"events", "samples"}, {"channels"}),
}
OPENING = {"asyncio", "os", "pathlib", "select", "selectors", "subprocess", "threading", "time"}


@pytest.mark.parametrize("package", PROGRAMS)
def test_the_modules_of_a_program_import_downwards_and_the_pure_ones_open_nothing(package):
    def names(node):
        return [alias.name for alias in node.names]

    def uses(path):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                yield from names(node)
            elif isinstance(node, ast.ImportFrom):
                yield from [node.module] if node.module else names(node)

    pure, starting = PROGRAMS[package]
    used = {path.stem: set(uses(path)) for path in (ROOT / "roles" / package).glob("*.py") if path.stem != "__init__"}
    assert len(used) > 6 and pure <= set(used)
    for name in pure:
        assert not used[name] & (OPENING | set(used) - pure), name
    assert {name for name in used if "subprocess" in used[name]} == starting
    left = {name: its & set(used) for name, its in used.items()}
    while left:
        lowest = {name for name, its in left.items() if not its & set(left)}
        assert lowest, f"these import each other: {sorted(left)}"
        left = {name: its for name, its in left.items() if name not in lowest}
