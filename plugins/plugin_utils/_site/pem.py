# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Parsers of what only TLS has: where PEM is to be found, and how long browsers are to remember."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.problems import ValidationError, show
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.values import SECONDS, seconds

BEGINS = "-----BEGIN "  # what tells a text in PEM from a path
LONGEST_AGE = 10 * 365 * SECONDS["d"]
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
