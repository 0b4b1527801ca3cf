# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What leaves the site with a support bundle has no secret and no patient in it.

Pure. Each function returns its text with MASK in place of what must not leave. ``known``: literal texts that are known
to be secret, by what stands in their place.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Mapping
from typing import Any

MASK = "(masked)"
# A word this short stands in other words too, where its absence would tell it.
SHORTEST = 4

_NAMED = (
    r"pass(?:word|wd|phrase)|auth_pass|secret|token|api[_-]?key|private[_-]?key|preshared[_-]?key|authorization|cookie"
)
_KEY = re.compile(r"(?i)(?:%s)$" % _NAMED)
# HAProxy's page, and its user lists; Keepalived's authentication.
_HAPROXY_AUTH = re.compile(r"""(?m)^(\s*stats\s+auth\s+)('[^'\n]*'|"[^"\n]*"|\S+)""")
_RULES = (
    # As long as what is there of it: the rest may have been cut off.
    (
        re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|\Z)", re.DOTALL),
        MASK,
    ),
    # A key in base64, such as WireGuard's of 44 characters. A digest in hexadecimal is none.
    (re.compile(r"(?<![A-Za-z0-9+/])(?![0-9a-fA-F]+(?![A-Za-z0-9+/=]))[A-Za-z0-9+/]{43,}={0,2}"), MASK),
    (_HAPROXY_AUTH, r"\1" + MASK),
    (re.compile(r"(?i)\b((?:insecure-)?password|auth_pass)([ \t]+)\S+"), r"\1\2" + MASK),
    # A header, up to the end of its line: it may have many values.
    (re.compile(r"(?i)\b((?:set-)?cookie|(?:proxy-)?authorization|x-api-key)(\"?\s*[:=]\s*)[^\n]*"), r"\1\2" + MASK),
    (re.compile(r"(?i)((?:%s)[\"']?\s*[:=]\s*)(?:\"[^\"\n]*\"|'[^'\n]*'|\S+)" % _NAMED), r"\1" + MASK),
    (re.compile(r"(://)[^/\s@]+@"), r"\1" + MASK + "@"),
    # The path of a request: it may name a study, or a patient.
    (
        re.compile(r"\b((?:CONNECT|DELETE|GET|HEAD|OPTIONS|PATCH|POST|PUT|TRACE) (?:https?://[^/\s]*)?/)\S+"),
        r"\1" + MASK,
    ),
    # The query string of a URL or of a path.
    (re.compile(r"(/[^\s?]*)\?\S+"), r"\1?" + MASK),
)
# In what `loadbalancer check` asks for and whom `loadbalancer notify` tells, be it valid JSON or not.
_SETTING = re.compile(r'"(?:study|worklist|url|header|password)":\s*"((?:[^"\\\n]|\\.)*)"')
# An AE title has 16 characters, of which a `?` or a `/` may be one.
_TITLES = re.compile(r'(\bcall(?:ing|ed)_ae":"[^"\n]{0,16}")')


def text(written: str, known: Mapping[str, str]) -> str:
    """Of a configuration, or of what a program says."""
    return _by_rule(_without(written, known))


def _without(written: str, known: Mapping[str, str]) -> str:
    for literal, instead in sorted(known.items(), key=lambda item: -len(item[0])):
        if len(literal) >= SHORTEST:
            written = written.replace(literal, instead)
    return written


def _by_rule(written: str) -> str:
    for pattern, instead in _RULES:
        written = pattern.sub(instead, written)
    return written


def log(written: str, known: Mapping[str, str]) -> str:
    """Of lines of the journal: AE titles stay."""
    parts = _TITLES.split(_without(written, known))
    return "".join(part if number % 2 else _by_rule(part) for number, part in enumerate(parts))


def data(written: str, known: Mapping[str, str]) -> str:
    """Of JSON; what is none is masked as text."""
    try:
        found = json.loads(written)
    except ValueError:
        return text(written, known)
    return json.dumps(_walk("", found, known), indent=1) + "\n"


def _walk(key: str, value: Any, known: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {text(name, known): _walk(name, its, known) for name, its in value.items()}
    if key in ("on_event", "command") and isinstance(value, list):
        # The words behind the program are the user's own.
        return value[:1] + [MASK] * len(value[1:])
    if isinstance(value, list):
        return [_walk("", its, known) for its in value]
    if isinstance(value, str) and value:
        return MASK if _KEY.search(key) else text(value, known)
    return value


def passwords(configuration: str) -> list[str]:
    """Return those in haproxy.cfg, so that they can be found elsewhere."""
    found = [written.strip("'\"").partition(":")[2] for _option, written in _HAPROXY_AUTH.findall(configuration)]
    found += re.findall(r"(?m)\b(?:insecure-)?password[ \t]+(\S+)", configuration)
    return [word for word in found if word]


def settings(written: str) -> list[str]:
    """Return what is secret or names a patient in check.json or notify.json, so that it can be found elsewhere."""
    found = _SETTING.findall(written)
    with contextlib.suppress(ValueError):
        found += json.loads("[%s]" % ", ".join('"%s"' % its for its in found))
    return found
