# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Parsers: one value of the user's in, a typed value out, or a ValidationError.

Strings are as good as numbers (a Tower survey sends strings). What counts as unset is for the caller to leave out.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Any

from ansible_collections.pacs.loadbalancer.plugins.module_utils._dicom.dataset import parse_key
from ansible_collections.pacs.loadbalancer.plugins.module_utils._dicom.items import check_ae_title
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.problems import ValidationError, show

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
PATH = re.compile(r"/[A-Za-z0-9_.~!$&()*+,;=:@%/?-]{0,255}")
HOST = re.compile(r"[A-Za-z0-9_.-]{1,253}(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](:[0-9]{1,5})?")
SERVER = re.compile(r"[A-Za-z0-9_.-]{1,253}|[0-9A-Fa-f:.]{2,45}")
DNS_NAME = re.compile(r"[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63}){0,20}")
STATUS = re.compile(r"[1-5][0-9][0-9](-[1-5][0-9][0-9])?(,[1-5][0-9][0-9](-[1-5][0-9][0-9])?)*")
DIRECTORY = re.compile(r"[A-Za-z0-9_.~/ -]{1,255}")
COMMAND = re.compile(r"/[A-Za-z0-9_./+-]{1,200}( [A-Za-z0-9_.,:@/=+-]{1,100}){0,20}")
SECRET = re.compile(r"[!-&(-~]{1,128}")
DURATION = re.compile(r"([0-9]{1,8})\s*([smhd]?)")
LONGEST = (2**31 - 1) // 1000
LONGEST_PAGE = 8000  # HAProxy keeps it in a buffer
SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


def is_set(value: Any) -> bool:
    """Return False for what counts as not written at all: null and the empty answer of a survey."""
    return not (value is None or isinstance(value, str) and not value.strip())


@dataclass(frozen=True)
class Integer:
    """A whole number from ``low`` to ``high``."""

    low: int
    high: int

    def __call__(self, value: Any) -> int:
        hint = f"give a whole number from {self.low} to {self.high}"
        if (
            isinstance(value, bool)
            or not isinstance(value, (int, str))
            or not re.fullmatch(r"-?[0-9]{1,9}", str(value).strip())
        ):
            raise ValidationError(f"is {show(value)}, which is not a whole number", hint)
        if not self.low <= int(value) <= self.high:
            raise ValidationError(f"is {int(value)}, which is out of range", hint)
        return int(value)


@dataclass(frozen=True)
class Choice:
    """One of some words."""

    words: tuple[str, ...]

    def __call__(self, value: Any) -> str:
        if isinstance(value, str) and value.strip() in self.words:
            return value.strip()
        raise ValidationError(f"is {show(value)}", f"give one of {', '.join(self.words)}")


def several(value: Any) -> list[Any] | None:
    """Return the parts of a list, or of one string with commas between them; None where it is neither."""
    written = value.split(",") if isinstance(value, str) else value
    return written if isinstance(written, list) else None


@dataclass(frozen=True)
class Choices:
    """Some of these words, as a list or in one string with commas between them; their order is kept."""

    words: tuple[str, ...]

    def __call__(self, value: Any) -> list[str]:
        found = [str(word).strip() for word in several(value) or []]
        if not found or not {*found} <= {*self.words}:
            raise ValidationError(f"is {show(value)}", f"give some of {', '.join(self.words)}")
        return found


@dataclass(frozen=True)
class Text:
    """A text of a form that cannot leave its place in a configuration."""

    pattern: re.Pattern[str]
    hint: str

    def __call__(self, value: Any) -> str:
        # Blanks around it are a slip of the pen, other white space is not.
        text = str(value).strip(" ")
        if isinstance(value, (str, int)) and not isinstance(value, bool) and self.pattern.fullmatch(text):
            return text
        raise ValidationError(f"is {show(value)}, which is not valid", self.hint)


@dataclass(frozen=True)
class QueryKey:
    """By which of these attributes C-FIND asks: ``KEYWORD=VALUE``, several with commas between them. No value is shown,
    since it may be a patient's."""

    keywords: tuple[str, ...]

    def __call__(self, value: Any) -> str:
        hint = f"give for example {self.keywords[0]}=VALUE"
        if not isinstance(value, str):
            raise ValidationError("is not a string", hint)
        try:
            parse_key(value, self.keywords)
        except ValueError as error:
            raise ValidationError(str(error), hint) from error
        return value.strip()


port = Integer(1, 65535)
load_balancer = Text(re.compile(r"[A-Za-z0-9_.:-]{1,253}"), "give the name of a load balancer, as in the inventory")


def certificate_name(value: Any) -> str:
    """Return a name that HAProxy is to find in a node's certificate."""
    name = Text(DNS_NAME, "give a name that the node's certificate has, such as pacs1.example.org")(value)
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return name
    raise ValidationError(f"is {name}, and HAProxy finds no addresses in certificates", "give a name that it has")


def boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return bool(value)
    if isinstance(value, str) and value.strip().lower() in ("true", "yes", "false", "no"):
        return value.strip().lower() in ("true", "yes")
    raise ValidationError(f"is {show(value)}", "give true or false")


def secret(value: Any) -> str:
    if isinstance(value, str) and SECRET.fullmatch(value):
        return value
    raise ValidationError(
        "contains what HAProxy cannot read", "give up to 128 printable ASCII characters without a space or a '"
    )


def command(value: Any) -> list[str]:
    """Return the words of a command. No shell reads it."""
    hint = "give a program by its full path and plain words, such as /usr/local/sbin/tell --to ops"
    return Text(COMMAND, hint)(value).split(" ")


def page(value: Any) -> str:
    """Return HTML, or the absolute path of a file with HTML on the controller."""
    if isinstance(value, str) and len(value) <= LONGEST_PAGE and (value.strip().startswith("/") or "<" in value):
        return value.strip()
    raise ValidationError(
        f"is {show(value)}", f"give HTML of up to {LONGEST_PAGE} characters, or the absolute path of an HTML file"
    )


def duration(value: Any) -> int:
    """Return seconds. HAProxy's timeouts and tables end at 2^31 - 1 milliseconds, 24.8 days."""
    found = seconds(value)
    if found is None or not 0 < found <= LONGEST:
        raise ValidationError(f"is {show(value)}", "give a time up to 24 days, such as 8h, 30m or 600 (seconds)")
    return found


def interval(value: Any) -> int:
    """Return seconds between two rounds, each of which may take half a minute."""
    found = duration(value)
    if found < 60:
        raise ValidationError(f"is {show(value)}, which is too often", "give a minute or more, such as 5m")
    return found


def seconds(value: Any) -> int | None:
    """Return how many a time of any length has; None where it is no time."""
    written = isinstance(value, (str, int)) and not isinstance(value, bool)
    match = DURATION.fullmatch(str(value).strip()) if written else None
    return int(match[1]) * SECONDS[match[2]] if match else None


def status(value: Any) -> str:
    """Return HTTP status codes and ranges of them, as HAProxy's ``http-check expect status`` takes them."""
    text = Text(STATUS, "give HTTP status codes such as 200, 200-399 or 200,302,401")(value)
    for part in text.split(","):
        low, dash, high = part.partition("-")
        if dash and low > high:
            raise ValidationError(f"is {show(value)}, whose range {part} is reversed", f"give {high}-{low}")
    return text


def layer(value: Any) -> int:
    if not isinstance(value, bool) and str(value).strip() in ("4", "7"):
        return int(value)
    raise ValidationError(
        f"is {show(value)}", "give 7 (HAProxy terminates the connections) or 4 (the kernel forwards them)"
    )


def ae_title(value: Any) -> str:
    if not isinstance(value, str):
        raise ValidationError(f"is {show(value)}, which is not a string", "put the AE title in quotes")
    try:
        return check_ae_title("it", value)
    except ValueError as error:
        right = "give 1 to 16 printable ASCII characters, without a backslash and without a space at either end"
        raise ValidationError(f"is {show(value)}, which is not an AE title", right) from error


def ae_patterns(value: Any) -> list[str]:
    """Return AE titles, in which ``*`` stands for any characters, of a list or of one string with commas between."""
    written = several(value)
    if not written:
        raise ValidationError(f"is {show(value)}, which is not a list", "give AE titles, such as [CT1, MAMMO*]")
    return [ae_title(one.strip(" ") if isinstance(one, str) else one) for one in written]
