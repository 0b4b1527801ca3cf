# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who is told of what has happened: a webhook, a mailbox. Any of it may be secret, so no sentence shows a value."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site import certificates, values
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.pem import Files, Reader, pem
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.problems import Problems, ValidationError
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.values import is_set
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.variables import read_keys

SUBJECT = "infinitt_notify"
SMTP = 25
URL = re.compile(r"https?://([A-Za-z0-9_.-]{1,253}|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?(/[!-~]{0,2000})?")
# RFC 9110, 5.1 and 5.5.
HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}: ?[!-~]([ -~]{0,2000}[!-~])?")
MAILBOX = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,253}")
WORD = re.compile(r"[ -~]{1,200}")


@dataclass(frozen=True)
class Hidden:
    """A text of a form, which appears in no sentence."""

    pattern: re.Pattern[str]
    hint: str

    def __call__(self, value: Any) -> str:
        if isinstance(value, str) and self.pattern.fullmatch(value.strip(" ")):
            return value.strip(" ")
        raise ValidationError("is not valid", self.hint)


mailbox = Hidden(MAILBOX, "give the address of a mailbox, such as ops@example.org")


def mailboxes(value: Any) -> list[str]:
    """Return the addresses of a list, or of one string with commas between."""
    return [mailbox(its) for its in values.several(value) or [value]]


WEBHOOK_KEYS: dict[str, Callable[[Any], Any]] = {
    "url": Hidden(URL, "give a URL such as https://chat.example.org/hooks/pacs"),
    "header": Hidden(HEADER, 'give a header such as "Authorization: Bearer SECRET"'),
    "ca": pem,
}
MAIL_KEYS: dict[str, Callable[[Any], Any]] = {
    "server": Hidden(values.SERVER, "give the name or the address of a mail server"),
    "port": values.port,
    "from": mailbox,
    "to": mailboxes,
    "starttls": values.boolean,
    "ca": pem,
    "user": Hidden(WORD, "give printable ASCII characters"),
    "password": Hidden(WORD, "give printable ASCII characters, preferably from a vault"),
}
KEYS = {"webhook": (WEBHOOK_KEYS, ("url",)), "mail": (MAIL_KEYS, ("server", "from", "to"))}


def read(problems: Problems, written: Any, reader: Reader) -> dict[str, dict[str, Any]]:
    """Return what `monitoring_notify` of the role monitoring takes; note what is wrong or missing."""
    if not is_set(written):
        return {}
    if not isinstance(written, Mapping):
        problems.note(SUBJECT, "is not a mapping", "give webhook, mail or both")
        return {}
    found = {}
    for name, its in written.items():
        subject, before = f"{SUBJECT}.{name}", len(problems)
        if name not in KEYS:
            problems.note(subject, "is not a known key", f"the known names are {', '.join(KEYS)}")
        elif not is_set(its):
            continue
        elif not isinstance(its, Mapping):
            problems.note(subject, "is not a mapping", f"give keys such as {', '.join(KEYS[name][1])}")
        else:
            parsers, needed = KEYS[name]
            keys = read_keys(problems, subject, its, parsers)
            for key in needed:
                if not is_set(its.get(key)):
                    problems.note(subject, f"has no {key}", f"give {' and '.join(needed)}")
            if len(problems) == before:
                found[name] = _complete(problems, name, keys, reader)
    return found


def _complete(problems: Problems, name: str, keys: dict[str, Any], reader: Reader) -> dict[str, Any]:
    """Return the keys with their defaults and the text of the CAs; note what does not go together."""
    subject = f"{SUBJECT}.{name}"
    if name == "mail":
        keys = {"port": SMTP, "starttls": False, **keys}
    secret, encrypted, how = (
        ("header", keys["url"].startswith("https:"), "give an https URL")
        if name == "webhook"
        else ("password", keys["starttls"], "set starttls: true")
    )
    if ("user" in keys) != ("password" in keys):
        problems.note(subject, "has one of user and password", "give both, or none where the server wants none")
    for key in (secret, "ca"):
        if key in keys and not encrypted:
            problems.note(f"{subject}.{key}", "is given, and nothing is encrypted", f"{how}, or leave it out")
    source = keys.pop("ca", None)
    if source and source.on_hosts:
        keys["ca_file"] = source.path
    elif source:
        text = problems.parse(
            f"{subject}.ca", lambda its: certificates.read_authorities(Files("", reader).text(its))[1], source
        )
        keys = {**keys, **({"ca": text} if text else {})}
    return keys
