# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules know nothing of screens, and neither opens anything."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PLUGIN_UTILS = Path(__file__).parents[4] / "plugins/plugin_utils"
PURE = {"__future__", "calendar", "collections.abc", "hashlib", "itertools", "json", "re", "textwrap", "time", "typing"}
PURE |= {"ansible_collections.pacs.loadbalancer.plugins.module_utils._x509"}
BELOW = {"_diagnosis": {"_diagnosis", "_phrases"}, "_screens": {"_diagnosis", "_phrases", "_screens"}}


@pytest.mark.parametrize("room", BELOW)
def test_imports_go_down_only(room):
    prefix = "ansible_collections.pacs.loadbalancer.plugins.plugin_utils."
    for path in (PLUGIN_UTILS / room).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            assert not isinstance(node, ast.Call) or ast.unparse(node.func) not in ("open", "print"), path
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                own = name.removeprefix(prefix).partition(".")[0]
                assert name in PURE or name.startswith(prefix) and own in BELOW[room], (path, name)
