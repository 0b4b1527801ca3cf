# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Copies of files, for root alone: a directory (0700) of copies (0600), and index.json, which says whose each is."""

from __future__ import annotations

import json
import os
import shutil

from ansible_collections.pacs.loadbalancer.plugins.module_utils import _atomic as atomic
from ansible_collections.pacs.loadbalancer.plugins.module_utils._files import File, Refused


def load(path: str) -> dict:
    """Return a record of ours, or nothing where there is none that can be read."""
    file = atomic.read(path)
    try:
        found = json.loads(file.content) if file else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def store(path: str, content: dict) -> None:
    atomic.make_directory(os.path.dirname(path), 0o700, [])
    atomic.place(File(path, json.dumps(content, indent=1).encode() + b"\n", None, 0o600, "", ""), [])


class Copies:
    """By path, a file as it once was; None: there was none. `of` is what else the index says."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._index_path = os.path.join(directory, "index.json")
        self._index = load(self._index_path)

    @property
    def of(self) -> dict:
        return self._index.get("deployed", {})

    def paths(self) -> list[str]:
        return list(self._index.get("files", {}))

    def begin(self, of: dict) -> None:
        """Forget everything, and begin anew."""
        shutil.rmtree(self._directory, ignore_errors=True)
        self._index = {}
        if of:
            self._index = {"deployed": of, "files": {}}
            store(self._index_path, self._index)

    def replace(self, other: Copies) -> None:
        """Become the other. Where nothing is kept here, the other stays."""
        if self._index:
            # It may not be there. What could not be removed makes the next line fail.
            shutil.rmtree(other._directory, ignore_errors=True)
            os.replace(self._directory, other._directory)
            other._index, self._index = self._index, {}

    def add(self, files: dict[str, File | None]) -> list[str]:
        """Copy those that are not kept yet; return their paths."""
        kept = self._index.setdefault("files", {})
        added = [path for path in files if path not in kept]
        number = 1 + max((int(entry["copy"]) for entry in kept.values() if entry and "copy" in entry), default=-1)
        for path in added:
            kept[path] = self._copy(files[path], str(number))
            number += 1
        if added:
            store(self._index_path, self._index)
        return added

    def _copy(self, file: File | None, name: str) -> dict | None:
        if file is None:
            return None
        entry = {"link": file.link, "mode": file.mode, "owner": file.owner, "group": file.group}
        if file.link is not None:
            return entry
        atomic.make_directory(self._directory, 0o700, [])
        atomic.place(File(os.path.join(self._directory, name), file.content, None, 0o600, "", ""), [])
        return {**entry, "copy": name}

    def get(self, path: str) -> File | None:
        entry = self._index.get("files", {}).get(path)
        if entry is None:
            return None
        content = b""
        if "copy" in entry:
            copy = atomic.read(os.path.join(self._directory, entry["copy"]))
            if copy is None:
                raise Refused("The copy of the former %s is not there any more; nothing was put back." % path)
            content = copy.content
        return File(path, content, entry["link"], entry["mode"], entry["owner"], entry["group"])

    def forget(self, paths: list[str]) -> None:
        """Drop these; with the last one goes the directory."""
        entries = [self._index.get("files", {}).pop(path, None) for path in paths]
        if not self._index.get("files"):
            self.begin({})
        elif paths:
            store(self._index_path, self._index)
            for entry in entries:
                if entry and "copy" in entry:
                    atomic.remove(os.path.join(self._directory, entry["copy"]))
