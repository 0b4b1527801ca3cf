# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which site a load balancer serves, and which one it served before the last change: site.json, for root alone."""

from __future__ import annotations

import os

from ansible_collections.pacs.loadbalancer.plugins.module_utils import _file_set
from ansible_collections.pacs.loadbalancer.plugins.module_utils._copies import load, store


def _path() -> str:
    return os.path.join(_file_set.DIRECTORY, "site.json")


def read() -> dict:
    """Return `current` and `former` (empty where there is none), and of each set of files by which change it is so."""
    found = load(_path())
    sets = {name: _file_set.FileSet(name).record for name in _file_set.names()}
    return {
        "current": found.get("current", {}),
        "former": found.get("former", {}),
        "sets": {
            name: {key: record.get(key, "") for key in ("change", "pending", "act", "by", "when")}
            for name, record in sets.items()
        },
    }


def begin(promises: list[str]) -> list[str]:
    """Record what works here before the change by the run that has the lock; return it.

    Where that change was begun by a run that stopped half-way, what worked before that one.
    """
    change, found, sets = _file_set.author()["change"], load(_path()), read()["sets"]
    before = found.get("before", {"changes": []})
    if not any(its["pending"] and its["change"] in before["changes"] for its in sets.values()):
        before = {"changes": [], "promises": promises}
    before["changes"] = sorted({change, *before["changes"]})
    store(_path(), {**found, "before": before})
    return before["promises"]


def confirm(site: dict) -> None:
    """Record that the change by the run that has the lock is complete, or a part of it that can stand alone."""
    author, found = _file_set.author(), load(_path())
    current = found.get("current", {})
    former = found.get("former", {}) if current.get("change") == author["change"] else current
    store(_path(), {"current": {**author, "site": site}, "former": former})
    for name in _file_set.names():
        _file_set.FileSet(name).confirm(author["change"])
