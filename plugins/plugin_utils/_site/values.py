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

from ansible_collections.pacs.loadbalancer.plugins.module_utils._dicom.items import check_ae_title
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.problems import ValidationError, show

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
PATH = re.compile(r"/[A-Za-z0-9_.~!$&()*+,;=:@%/?-]{0,255}")
HOST = re.compile(r"[A-Za-z0-9_.-]{1,253}(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](:[0-9]{1,5})?")
INTERFACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:@-]{0,14}")
STATUS = re.compile(r"[1-5][0-9][0-9](-[1-5][0-9][0-9])?(,[1-5][0-9][0-9](-[1-5][0-9][0-9])?)*")
SECRET = re.compile(r"[!-&(-~]{1,128}")
DURATION = re.compile(r"([0-9]{1,8})\s*([smhd]?)")
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
        raise ValidationError(f"is {show(value)}, which a configuration cannot carry", self.hint)


port = Integer(1, 65535)


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
        "cannot be put into a configuration", "give up to 128 printable ASCII characters, no space and no ' among them"
    )


def duration(value: Any) -> int:
    """Return seconds."""
    match = (
        DURATION.fullmatch(str(value).strip())
        if isinstance(value, (str, int)) and not isinstance(value, bool)
        else None
    )
    if not match or not 0 < int(match[1]) * SECONDS[match[2]] <= 30 * 86400:
        raise ValidationError(f"is {show(value)}", "give a time up to 30 days such as 8h, 30m or 600 (seconds)")
    return int(match[1]) * SECONDS[match[2]]


def layer(value: Any) -> int:
    if not isinstance(value, bool) and str(value).strip() in ("4", "7"):
        return int(value)
    raise ValidationError(
        f"is {show(value)}", "give 7, where HAProxy ends the connections, or 4, where the kernel forwards them"
    )


def ae_title(value: Any) -> str:
    if not isinstance(value, str):
        raise ValidationError(f"is {show(value)}, which is not a text", "put an AE title between quotes")
    try:
        return check_ae_title("it", value)
    except ValueError as error:
        right = "give 1 to 16 printable ASCII characters, no backslash, no space at either end"
        raise ValidationError(f"is {show(value)}, which is no AE title", right) from error


def address(value: Any) -> str:
    """Return an IP address in its canonical form."""
    try:
        return str(ipaddress.ip_address(value.strip()))
    except (AttributeError, ValueError) as error:
        raise ValidationError(
            f"is {show(value)}, which is not an IP address", "give the address itself, such as 198.51.100.21"
        ) from error


def node_address(value: Any) -> str:
    try:
        return address(value)
    except ValidationError as error:
        raise ValidationError(
            error.reason, "give the node's address itself: a name would keep HAProxy from starting when DNS is down"
        ) from error


def virtual_address(value: Any) -> tuple[str, int | None]:
    """``198.51.100.10/24`` or, without a prefix, ``198.51.100.10``: the address and the prefix, if one was given."""
    right = "give an address and the prefix of its network, such as 198.51.100.10/24"
    if not isinstance(value, str):
        raise ValidationError(f"is {show(value)}, which is not an address", right)
    bare, slash, prefix = value.strip().partition("/")
    try:
        ip = ipaddress.ip_address(bare)
        if slash and not re.fullmatch(r"[0-9]{1,3}", prefix):
            raise ValidationError(f"is {show(value)}, whose prefix is not a number", right)
        network = ipaddress.ip_interface(f"{ip}/{prefix}").network if slash else None
    except ValidationError:
        raise
    except ValueError as error:
        raise ValidationError(f"is {show(value)}, which is not an address", right) from error
    return str(ip), network.prefixlen if network else None


def gateway(value: Any) -> str:
    """An address, or ``none``: no gateway tells whether this host is cut off."""
    return "none" if isinstance(value, str) and value.strip() == "none" else address(value)
