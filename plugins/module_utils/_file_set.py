# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sets of configuration files on this host, each replaced as a whole and put back as a whole.

A set has a directory of its own (0700, files in it 0600)::

    deployed.json    what was deployed last: fingerprint, when, by whom, in which change of the site, the SHA-256 of
                     each file and what validates it, the directories made
    former/          the files as they were before that change
    earlier/         what former/ was before that change, until it is confirmed: it may come to nothing
    original/        the files as they were before the first deployment

Each file is replaced atomically: whenever a run is killed, each is the former or the new one, whole. A deployment by a
run that has the lock (run_lock) is part of a change of the whole site, and pending until that is confirmed: further
attempts belong to the same change. `former` is what preceded it; while deployed.json is still the one that `former`
began with, another attempt adds to it.
"""

from __future__ import annotations

import getpass
import os
import subprocess
import time
from collections.abc import Sequence

from ansible_collections.pacs.loadbalancer.plugins.module_utils import _atomic as atomic
from ansible_collections.pacs.loadbalancer.plugins.module_utils import _programs, _run_lock
from ansible_collections.pacs.loadbalancer.plugins.module_utils._copies import Copies, load, store
from ansible_collections.pacs.loadbalancer.plugins.module_utils._files import Comparison, File, Refused, Wanted, refusal

DIRECTORY = "/var/lib/pacs.loadbalancer"
# What this host alone knows: machine-id(5) says to make from it whatever another may see, with a keyed hash.
MACHINE_ID = "/etc/machine-id"
# Seconds for a program to accept or refuse a file.
PATIENCE = 60


class FileSet:
    """The set of that name on this host."""

    def __init__(self, name: str) -> None:
        self._directory = os.path.join(DIRECTORY, name)
        self._record_path = os.path.join(self._directory, "deployed.json")
        self._former = Copies(os.path.join(self._directory, "former"))
        self._earlier = Copies(os.path.join(self._directory, "earlier"))
        self._original = Copies(os.path.join(self._directory, "original"))
        self.record = load(self._record_path)

    def compare(self, files: list[Wanted], fingerprint: str) -> Comparison:
        """Compare what is wanted with what is there. Changes nothing."""
        known = [*self.record.get("files", {}), *(wanted.file.path for wanted in files)]
        here = {path: atomic.read(path) for path in [*known, *self._original.paths()]}
        originals = {path: self._original.get(path) for path in here}
        # What is neither wanted nor recorded was replaced by a deployment that was killed before it was recorded.
        here = {path: file for path, file in here.items() if path in known or file != originals[path]}
        return Comparison(files, fingerprint, here, originals, self.record)

    def before(self, changes: list[str]) -> tuple[list[Wanted], str]:
        """Return what was deployed before these changes, and its fingerprint; what is there, where another made it."""
        record, kept = self.record, []
        if record.get("change") in changes:
            # The next change has come to nothing, or was killed before anything of it was recorded.
            begun = self._former.of == record or not self._former.paths()
            kept = [self._earlier, self._former] if begun else [self._former]
            record = kept[0].of
            if not kept[0].paths():
                raise Refused("What was there before the last change of %s is not kept here." % self._record_path)
        files = [
            Wanted(file, record.get("validate", {}).get(path, []), path in record.get("secret", []))
            for path in record.get("files", {})
            if (file := _oldest(path, kept))
        ]
        return files, record.get("fingerprint", "")

    def prepare(self, comparison: Comparison) -> None:
        """Write the files that no program has to accept. It is no deployment yet: only the directories are recorded."""
        made: list[str] = []
        early = [wanted for wanted in comparison.differing if not wanted.validate]
        # Of the others the package may bring its own.
        self._keep_original(comparison, early)
        for wanted in early:
            atomic.place(wanted.file, made)
        if made:
            self.record = {**self.record, "directories": [*self.record.get("directories", []), *made]}
            store(self._record_path, self.record)

    def deploy(self, comparison: Comparison, undo: Sequence[str] = ()) -> None:
        """Replace what differs, once every program has accepted its file. Raises Refused, and then all is as it was.

        `undo`: the changes that the comparison takes back. One that is pending has then never been.
        """
        made: list[str] = []  # directories
        staged: list[File] = []
        placed: list[File] = []
        added = self._keep_original(comparison, comparison.files)
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
            self._keep_former(comparison)
        except BaseException:
            for path in [*map(atomic.candidate, staged), *(file.path for file in placed)]:
                atomic.remove(path)
            atomic.remove_empty(made)
            self._original.forget(added)
            raise
        for file in staged:
            if file not in placed:
                atomic.commit(file)
        for path in comparison.gone:
            _put_back(path, comparison.originals[path])
        directories, authorship = [*self.record.get("directories", []), *made], author()
        if self.record.get("pending") and self.record["change"] in undo:
            atomic.remove_empty(directories)
            self._restore_record()
        else:
            self.record = {
                "fingerprint": comparison.fingerprint,
                **authorship,
                "pending": bool(authorship["change"]),
                "files": {wanted.file.path: wanted.file.sha256() for wanted in comparison.files},
                "validate": {wanted.file.path: wanted.validate for wanted in comparison.files if wanted.validate},
                "secret": [wanted.file.path for wanted in comparison.files if wanted.secret],
                "directories": atomic.remove_empty(directories) if comparison.gone else directories,
            }
            store(self._record_path, self.record)
        self._original.forget(comparison.dropped)

    def _keep_original(self, comparison: Comparison, files: list[Wanted]) -> list[str]:
        """Copy what was there before the first deployment; return the paths of which that was new."""
        deployed = self.record.get("files", {})
        atomic.make_directory(self._directory, 0o700, [])
        return self._original.add(
            {
                wanted.file.path: None if wanted.file.path in deployed else comparison.here[wanted.file.path]
                for wanted in files
            }
        )

    def _keep_former(self, comparison: Comparison) -> None:
        """Copy what is about to be replaced or removed."""
        change = self.record.get("change")
        ours = self.record.get("pending") or change and change == author()["change"]
        if self._former.of != self.record and not ours:
            self._former.replace(self._earlier)
            self._former.begin(self.record)
        self._former.add({path: comparison.here[path] for path in comparison.changing})

    def former(self) -> dict[str, File | None]:
        """Return those files that the last change has changed, as they were before it; None: not there."""
        return {path: self._former.get(path) for path in self._former.paths()}

    def restore(self, former: dict[str, File | None]) -> None:
        """Put back what `former` returned; its record too."""
        for path, file in former.items():
            _put_back(path, file)
        self._restore_record()

    def _restore_record(self) -> None:
        self.record = self._former.of
        if self.record:
            store(self._record_path, self.record)
        else:
            atomic.remove(self._record_path)
        self._former.begin({})

    def confirm(self, change: str) -> None:
        """Make what is pending a part of that change of the site, which has come to its end."""
        if self.record.get("pending"):
            self.record = {**self.record, "change": change, "pending": False}
            store(self._record_path, self.record)
            self._earlier.begin({})


def host_key() -> bytes:
    """Return what the fingerprint of a set with a secret file is made with."""
    its = atomic.read(MACHINE_ID)
    return its.content if its else b""


def names() -> list[str]:
    """Return the sets of which this host has a record."""
    try:
        found = sorted(os.listdir(DIRECTORY))
    except FileNotFoundError:
        return []
    return [name for name in found if os.path.exists(os.path.join(DIRECTORY, name, "deployed.json"))]


def author() -> dict:
    """Return when and by whom; and of which change of the site it is a part, where a run has this host's lock."""
    lock = _run_lock.current()
    return {
        "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "by": lock.get("by") or os.environ.get("SUDO_USER") or getpass.getuser(),
        "act": lock.get("act", ""),
        "change": lock.get("run", ""),
    }


def _oldest(path: str, kept: list[Copies]) -> File | None:
    """Return it as it was in the first of these that has it, or else as it is."""
    return next((copies.get(path) for copies in kept if path in copies.paths()), atomic.read(path))


def _put_back(path: str, file: File | None) -> None:
    if file is None:
        atomic.remove(path)
    else:
        atomic.place(file, [])


def _validate(wanted: Wanted) -> None:
    candidate = atomic.candidate(wanted.file)
    command = [word.replace("%s", candidate) for word in wanted.validate]
    try:
        done = _programs.run(
            command,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
            env={**os.environ, "LC_ALL": "C"},
            timeout=PATIENCE,
            text=False,
        )
    except subprocess.TimeoutExpired:
        raise Refused(refusal(wanted, candidate, "nothing within %d s" % PATIENCE)) from None
    except OSError as error:
        raise Refused(refusal(wanted, candidate, str(error))) from None
    if done.returncode != 0:
        raise Refused(refusal(wanted, candidate, done.stdout.decode("utf-8", "replace")))
