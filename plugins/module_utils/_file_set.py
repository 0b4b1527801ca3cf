# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sets of configuration files on this host, each replaced as a whole and put back as a whole.

A set has a directory of its own (0700, files in it 0600)::

    deployed.json    what was deployed last: fingerprint, when, by, the SHA-256 of each file, the directories made
    former/          the files as they were before that, and index.json, which says whose copy is which

Each file is replaced atomically: whenever a run is killed, each is the former or the new one, whole. `former` is what
preceded the last deployment that came to its end: while deployed.json is still the one that `former` began with,
another attempt adds to it.
"""

from __future__ import annotations

import getpass
import json
import os
import shutil
import subprocess
import time

from ansible_collections.pacs.loadbalancer.plugins.module_utils import _atomic as atomic
from ansible_collections.pacs.loadbalancer.plugins.module_utils._files import Comparison, File, Refused, Wanted, refusal

DIRECTORY = "/var/lib/pacs.loadbalancer"
# Seconds for a program to accept or refuse a file.
PATIENCE = 60


def missing(packages: list[str]) -> list[str]:
    """Return those packages that dpkg does not call installed."""
    if not packages:
        return []
    query = ["dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status}\n", *packages]
    try:
        shown = subprocess.run(
            query, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, universal_newlines=True, check=False
        ).stdout
    except FileNotFoundError:
        raise Refused("There is no dpkg-query here: packages can be looked for on Debian and its kin alone.") from None
    installed = {line.split()[0] for line in shown.splitlines() if line.endswith(" installed")}
    return [name for name in packages if name not in installed]


class FileSet:
    """The set of that name on this host."""

    def __init__(self, name: str) -> None:
        self._directory = os.path.join(DIRECTORY, name)
        self._record_path = os.path.join(self._directory, "deployed.json")
        self._former = os.path.join(self._directory, "former")
        self._index_path = os.path.join(self._former, "index.json")
        self.record = _load(self._record_path)

    def compare(self, files: list[Wanted], fingerprint: str) -> Comparison:
        """Compare what is wanted with what is there. Changes nothing."""
        deployed = self.record.get("files", {})
        here = {path: atomic.read(path) for path in [*deployed, *(wanted.file.path for wanted in files)]}
        return Comparison(files, fingerprint, here, self.record)

    def prepare(self, comparison: Comparison) -> None:
        """Write the files that no program has to accept. It is no deployment yet: only the directories are recorded."""
        made: list[str] = []
        for wanted in comparison.differing:
            if not wanted.validate:
                atomic.place(wanted.file, made)
        if made:
            self.record = {**self.record, "directories": [*self.record.get("directories", []), *made]}
            _store(self._record_path, self.record)

    def deploy(self, comparison: Comparison) -> None:
        """Replace what differs, once every program has accepted its file. Raises Refused, and then all is as it was."""
        made: list[str] = []  # directories
        staged: list[File] = []
        placed: list[File] = []
        try:
            for wanted in comparison.differing:
                staged.append(wanted.file)
                atomic.stage(wanted.file, made)
            # A file that was not there is no part of what runs, and another may name it: Keepalived refuses a script
            # that does not exist.
            for wanted in comparison.differing:
                if not wanted.validate and comparison.here[wanted.file.path] is None:
                    placed.append(wanted.file)
                    atomic.commit(wanted.file)
            for wanted in comparison.differing:
                if wanted.validate:
                    _validate(wanted)
            self._keep(comparison)
        except BaseException:
            for path in [*map(atomic.candidate, staged), *(file.path for file in placed)]:
                atomic.remove(path)
            atomic.remove_empty(made)
            raise
        for file in staged:
            if file not in placed:
                atomic.commit(file)
        for path in comparison.gone:
            atomic.remove(path)
        directories = [*self.record.get("directories", []), *made]
        self.record = {
            "fingerprint": comparison.fingerprint,
            "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "by": os.environ.get("SUDO_USER") or getpass.getuser(),
            "files": {wanted.file.path: wanted.file.sha256() for wanted in comparison.files},
            "directories": atomic.remove_empty(directories) if comparison.gone else directories,
        }
        _store(self._record_path, self.record)

    def _keep(self, comparison: Comparison) -> None:
        """Copy what is about to be replaced or removed."""
        atomic.make_directory(self._directory, 0o700, [])
        index = _load(self._index_path)
        if index.get("deployed") != self.record:
            shutil.rmtree(self._former, ignore_errors=True)
            index = {"deployed": self.record, "files": {}}
        for path in [*(wanted.file.path for wanted in comparison.differing), *comparison.gone]:
            if path not in index["files"]:
                index["files"][path] = self._copy(comparison.here[path], "%d" % len(index["files"]))
        if index["files"]:
            _store(self._index_path, index)

    def _copy(self, file: File | None, name: str) -> dict | None:
        if file is None:
            return None
        kept = {"link": file.link, "mode": file.mode, "owner": file.owner, "group": file.group}
        if file.link is not None:
            return kept
        atomic.make_directory(self._former, 0o700, [])
        atomic.place(File(os.path.join(self._former, name), file.content, None, 0o600, "", ""), [])
        return {**kept, "copy": name}

    def former(self) -> dict[str, File | None]:
        """Return those files that the last deployment changed, as they were before it; None: not there."""
        return {path: self._kept(path, kept) for path, kept in _load(self._index_path).get("files", {}).items()}

    def _kept(self, path: str, kept: dict | None) -> File | None:
        if kept is None:
            return None
        content = b""
        if "copy" in kept:
            copy = atomic.read(os.path.join(self._former, kept["copy"]))
            if copy is None:
                raise Refused("The copy of the former %s is not there any more; nothing was put back." % path)
            content = copy.content
        return File(path, content, kept["link"], kept["mode"], kept["owner"], kept["group"])

    def restore(self, former: dict[str, File | None]) -> None:
        """Put back what `former` returned; its record too."""
        for path, file in former.items():
            if file is None:
                atomic.remove(path)
            else:
                atomic.place(file, [])
        self.record = _load(self._index_path).get("deployed", {})
        if self.record:
            _store(self._record_path, self.record)
        else:
            atomic.remove(self._record_path)
        shutil.rmtree(self._former, ignore_errors=True)


def _validate(wanted: Wanted) -> None:
    candidate = atomic.candidate(wanted.file)
    command = [word.replace("%s", candidate) for word in wanted.validate]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "LC_ALL": "C"},
            timeout=PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Refused(refusal(wanted, candidate, "nothing within %d s" % PATIENCE)) from None
    except OSError as error:
        raise Refused(refusal(wanted, candidate, str(error))) from None
    if done.returncode != 0:
        raise Refused(refusal(wanted, candidate, done.stdout.decode("utf-8", "replace")))


def _load(path: str) -> dict:
    """Return a record of ours, or nothing where there is none that can be read."""
    file = atomic.read(path)
    try:
        found = json.loads(file.content) if file else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _store(path: str, content: dict) -> None:
    atomic.make_directory(os.path.dirname(path), 0o700, [])
    atomic.place(File(path, json.dumps(content, indent=1).encode() + b"\n", None, 0o600, "", ""), [])
