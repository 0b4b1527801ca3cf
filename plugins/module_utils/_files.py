# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A set of configuration files: what is wanted, what is there, and how the two differ. Nothing here opens a file."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, replace

# In a text that its daemon loads, this stands for the fingerprint of all that it loads.
MARK = b"@fingerprint@"


class Refused(Exception):
    """Nothing was changed; the message is a sentence for the user."""


@dataclass(frozen=True)
class File:
    """A file, or a symbolic link where `link` is its target. `mode` is None for a link, `content` empty."""

    path: str
    content: bytes
    link: str | None
    mode: int | None
    owner: str
    group: str

    def text(self) -> bytes:
        """Return what a reader of the path gets: the content, or a link's target."""
        return self.content if self.link is None else b"-> " + self.link.encode()

    def sha256(self) -> str:
        """Identify what a reader of the path gets."""
        return hashlib.sha256(self.text()).hexdigest()


@dataclass(frozen=True)
class Wanted:
    """A file as it is to be.

    `validate` is a command in which ``%s`` stands for the candidate; empty: any content is good. `loaded`: its daemon
    reads it when it loads its configuration.
    """

    file: File
    validate: list[str]
    secret: bool
    loaded: bool = False


def wanted(entry: dict) -> Wanted:
    """Parse an entry of the module's `files`. Raises Refused where its content or its mode cannot be read."""
    path = entry["path"]
    if not path.startswith("/"):
        raise Refused("%s is no absolute path." % path)
    if entry["link"] is not None:
        file = File(path, b"", entry["link"], None, entry["owner"], entry["group"])
        return Wanted(file, [], False, entry["loaded"])
    try:
        content = base64.b64decode(entry["content"] or "", validate=True)
    except (binascii.Error, ValueError):
        raise Refused("The content of %s is not base64; use the filter b64encode." % path) from None
    try:
        mode = int(entry["mode"], 8)
    except ValueError:
        raise Refused("The mode of %s is %r; give it in octal, such as '0644'." % (path, entry["mode"])) from None
    file = File(path, content, None, mode, entry["owner"], entry["group"])
    return Wanted(file, entry["validate"], entry["secret"], entry["loaded"])


def marked(files: Sequence[Wanted], key: bytes) -> tuple[list[Wanted], str]:
    """Return the files with their fingerprint in place of MARK, and the fingerprint; empty where none is loaded.

    It is made of the texts with MARK still in them, in their order: the first 16 hexadecimal digits of their SHA-256.
    Where one of them is secret it is made with the key: nobody who sees it can tell whether a guess is right.
    """
    loaded = [wanted for wanted in files if wanted.loaded]
    if not loaded:
        return list(files), ""
    texts = b"".join(wanted.file.text() for wanted in loaded)
    is_secret = any(wanted.secret for wanted in loaded)
    digest = hmac.new(key, texts, hashlib.sha256) if is_secret else hashlib.sha256(texts)
    fingerprint = digest.hexdigest()[:16]
    return [
        replace(wanted, file=replace(wanted.file, content=wanted.file.content.replace(MARK, fingerprint.encode())))
        if wanted.loaded
        else wanted
        for wanted in files
    ], fingerprint


def difference(before: File | None, after: File | None, secret: bool = False) -> dict:
    """Describe a change as Ansible's `--diff` shows it. None: no file there.

    Of a secret file, of one that is removed (it may have been secret), and of one that is no text, only the headers are
    shown.
    """
    headers = {"before_header": _header(before), "after_header": _header(after)}
    if secret:
        why = "(secret: its lines are not shown)\n"
    elif any(file and b"\0" in file.content for file in (before, after)):
        why = "(no text: its bytes are not shown)\n"
    elif after is None:
        why = ""
    else:
        return {**headers, "before": _text(before), "after": _text(after)}
    return {"prepared": "--- %(before_header)s\n+++ %(after_header)s\n" % headers + why}


def _header(file: File | None) -> str:
    if file is None:
        return "(absent)"
    return file.path if file.mode is None else "%s (%s:%s %04o)" % (file.path, file.owner, file.group, file.mode)


def _text(file: File | None) -> str:
    if file is None:
        return ""
    return file.content.decode("utf-8", "replace") if file.link is None else "-> %s\n" % file.link


def refusal(wanted: Wanted, candidate: str, output: str) -> str:
    """Say that the real program refused a file.

    Of a secret file no line is repeated (HAProxy quotes what it refuses).
    """
    path, text = wanted.file.path, wanted.file.content.decode("utf-8", "replace")
    hidden = {line.strip() for line in text.splitlines()} if wanted.secret else set()
    said = ["(a line of the file)" if line.strip() in hidden else line for line in output.strip().splitlines()]
    return "%s failed to validate, and nothing was replaced. %s said: %s" % (
        path,
        wanted.validate[0],
        "\n".join(said).replace(candidate, path) or "nothing",
    )


class Comparison:
    """What is wanted, and what is there.

    here: by path, what was read; originals: what was there before the first deployment; differing: what is wanted and
    is not there so; dropped: paths that are wanted no more; gone: those of them that are not as they originally were;
    drifted: paths that are not as they were deployed.
    """

    def __init__(
        self,
        files: list[Wanted],
        fingerprint: str,
        here: dict[str, File | None],
        originals: dict[str, File | None],
        record: dict,
    ) -> None:
        self.files, self.fingerprint, self.here, self.originals = files, fingerprint, here, originals
        paths = {wanted.file.path for wanted in files}
        deployed = record.get("files", {})
        self.differing = [wanted for wanted in files if not _same(wanted.file, here[wanted.file.path])]
        self.dropped = [path for path in here if path not in paths]
        self.gone = [path for path in self.dropped if here[path] != originals[path]]
        self.changing = [*(wanted.file.path for wanted in self.differing), *self.gone]
        self.drifted = {
            path for path, sha256 in deployed.items() if (file := here[path]) is None or file.sha256() != sha256
        }
        self.recorded = record.get("fingerprint", "") == fingerprint and deployed == {
            wanted.file.path: wanted.file.sha256() for wanted in files
        }

    def changed(self) -> bool:
        """Return whether a deployment would change anything, be it the record alone."""
        return bool(self.differing or self.gone or not self.recorded)

    def report(self) -> list[dict]:
        """Describe each file for the caller."""
        differing = {wanted.file.path for wanted in self.differing}
        return [
            {
                "path": path,
                "exists": self.here[path] is not None,
                "differs": path in differing or path in self.gone,
                "drifted": path in self.drifted,
            }
            for path in self.here
        ]

    def difference(self) -> list[dict]:
        """Describe what would change, as `--diff` shows it."""
        replaced = [difference(self.here[wanted.file.path], wanted.file, wanted.secret) for wanted in self.differing]
        return replaced + [
            difference(self.here[path], self.originals[path], self.originals[path] is not None) for path in self.gone
        ]


def _same(wanted: File, here: File | None) -> bool:
    if here is None or wanted.link is not None or here.link is not None:
        return here is not None and wanted.link == here.link
    return wanted == here
