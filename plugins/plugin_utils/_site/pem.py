# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where PEM is to be found, the files that HAProxy gets of it, and parsers of what only TLS has."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.problems import ValidationError, show
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.values import SECONDS, seconds

BEGINS = "-----BEGIN "  # what tells a text in PEM from a path
LONGEST_AGE = 10 * 365 * SECONDS["d"]
# Reads a file of the controller; raises OSError or UnicodeDecodeError.
Reader = Callable[[str], str]
# A symbolic link and a unit of systemd's name it.
PEM_PATH = re.compile(r"/[A-Za-z0-9_./+@-]{1,250}")


def age(value: Any) -> int:
    """Return seconds, up to ten years, of a time that only browsers count."""
    found = seconds(value)
    if found is None or found > LONGEST_AGE:
        raise ValidationError(f"is {show(value)}", "give a time up to ten years, such as 730d")
    return found


@dataclass(frozen=True)
class Source:
    """Where PEM is to be found: its ``text``, or the ``path`` of a file of the controller, or of one of the hosts."""

    text: str = field(default="", repr=False)
    path: str = ""
    on_hosts: bool = False


def pem(value: Any) -> Source:
    """Return where PEM is to be found. What was written appears in no sentence: it may be a key."""
    hint = "give PEM, the absolute path of a file on the controller, or {on_hosts: PATH} for a file that the hosts have"
    if isinstance(value, str) and BEGINS in value:
        return Source(text=value)
    if isinstance(value, str) and PEM_PATH.fullmatch(value.strip()):
        return Source(path=value.strip())
    if isinstance(value, Mapping) and [*value] == ["on_hosts"]:
        path = value["on_hosts"]
        if isinstance(path, str) and PEM_PATH.fullmatch(path.strip()):
            return Source(path=path.strip(), on_hosts=True)
    raise ValidationError("is neither PEM nor a path", hint)


def no_file(path: str) -> str:
    raise FileNotFoundError(2, "No such file or directory", path)


@dataclass(frozen=True)
class PemFile:
    """A file that HAProxy reads: its ``content``, or where ``link`` is the path of another tool's file."""

    name: str
    content: str = field(default="", repr=False)
    link: str = ""


class Files:
    """The PEM files of one service, as they are read."""

    def __init__(self, service: str, read: Reader) -> None:
        self._service, self._read = service, read
        self.files: list[PemFile] = []

    def text(self, source: Source) -> str:
        """Return the text of PEM that the controller has. Raises ValidationError."""
        if not source.path:
            return source.text
        hint = "correct the path, or write {on_hosts: PATH} for a file that the hosts have"
        try:
            text = self._read(source.path)
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not a text in PEM"
            raise ValidationError(f"is {source.path}, which cannot be read on the controller ({why})", hint) from None
        if text.startswith("$ANSIBLE_VAULT"):
            raise ValidationError(
                f"is {source.path}, which is encrypted with Ansible Vault",
                "let Ansible decrypt it: \"{{ lookup('ansible.builtin.file', PATH) }}\"",
            )
        return text

    def add(self, kind: str, content: str) -> str:
        """Add a file; return its name. Another content is another file, and HAProxy's configuration another one too."""
        name = self._name(kind, content)
        self.files.append(PemFile(name, content))
        return name

    def link(self, kind: str, path: str) -> str:
        """Add a link to a file that another tool renews; return its name."""
        name = self._name(kind, path)
        self.files.append(PemFile(name, link=path))
        return name

    def _name(self, kind: str, what: str) -> str:
        return f"{self._service}{kind}-{hashlib.sha256(what.encode()).hexdigest()[:12]}.pem"
