# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A program for a host: in a directory by version, or in one executable file with what it imports of this collection.

That file is a zip archive behind a line that names the interpreter:
https://docs.python.org/3/library/zipapp.html. Nothing in it is compressed, and all of it has the same date: the same
sources make the same bytes, whichever zlib the controller has.
"""

from __future__ import annotations

import ast
import base64
import hashlib
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

NAME = "ansible_collections.pacs.loadbalancer"
_EPOCH = (1980, 1, 1, 0, 0, 0)


def pack(program: Path, collection: Path, interpreter: str) -> bytes:
    """Return the file. ``program``: a directory with ``__main__.py``. ``collection``: where NAME begins."""
    texts = {PurePosixPath(path.relative_to(program).as_posix()): path.read_text() for path in program.rglob("*.py")}
    waiting = [module for text in texts.values() for module in _imported(text, "")]
    while waiting:
        module = waiting.pop()
        path = _file(module, collection)
        name = PurePosixPath(*NAME.split("."), path.relative_to(collection).as_posix()) if path else None
        if path and name and name not in texts:
            texts[name] = path.read_text()
            waiting += [*_imported(texts[name], ".".join(name.parent.parts)), module.rpartition(".")[0]]
    for name in list(texts):
        for package in list(name.parents)[:-1]:
            texts.setdefault(package / "__init__.py", "")
    archive = io.BytesIO()
    archive.write(f"#!{interpreter}\n".encode())
    with zipfile.ZipFile(archive, "a") as into:
        for name, text in sorted(texts.items()):
            into.writestr(zipfile.ZipInfo(str(name), _EPOCH), text)
    return archive.getvalue()


def versioned(program: Path, parent: str) -> dict[str, Any]:
    """Return what the lookup ``versioned_program`` documents. ``program``: a directory with ``__main__.py``."""
    texts = {path.relative_to(program).as_posix(): path.read_bytes() for path in sorted(program.rglob("*.py"))}
    version = hashlib.sha256(b"".join(texts.values())).hexdigest()[:16]
    directory = f"{parent}/{version}"
    files = [
        {"path": f"{directory}/{name}", "content": base64.b64encode(text).decode()} for name, text in texts.items()
    ]
    return {"version": version, "directory": directory, "files": files}


def _imported(text: str, package: str) -> Iterator[str]:
    """Name every module that a text imports, and each name that it imports from one: that may be a module too."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: 1 - node.level or None] if node.level else []
            module = ".".join([*above, *filter(None, [node.module])])
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def _file(module: str, collection: Path) -> Path | None:
    """Return the file of a module of the collection; None where there is none of that name."""
    prefix = NAME + "."
    if not module.startswith(prefix):
        return None
    path = collection.joinpath(*module[len(prefix) :].split("."))
    found = [one for one in (path / "__init__.py", path.with_suffix(".py")) if one.is_file()]
    return found[0] if found else None
