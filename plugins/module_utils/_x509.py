# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a certificate says of itself, read from its bytes (RFC 5280 4.1). Trust is for OpenSSL to decide."""

from __future__ import annotations

import base64
import binascii
import calendar
import hashlib
import ipaddress
import re
import time
from dataclasses import dataclass
from typing import Iterator

DAY = 86400

#: Days before its end from which a certificate is worth a word.
SOON = 30

PEM = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----\s(.*?)\s-----END \1-----", re.DOTALL)

_OID, _UTC_TIME = 0x06, 0x17
_VERSION, _EXTENSIONS = 0xA0, 0xA3  # context-specific, of the certificate to be signed
_DNS, _IP = 0x82, 0x87  # context-specific, of a GeneralName
_COMMON_NAME = bytes.fromhex("550403")
_ALTERNATIVE_NAMES = bytes.fromhex("551d11")


@dataclass(frozen=True)
class Certificate:
    """A certificate. ``names``: the DNS names and addresses that it is for; its common name where it lists none.

    ``not_before``, ``not_after``: seconds since the epoch. ``sha256``: its fingerprint, in hexadecimal digits.
    ``self_issued``: subject and issuer are the same.
    """

    names: tuple[str, ...]
    not_before: int
    not_after: int
    sha256: str
    self_issued: bool

    def covers(self, name: str) -> bool:
        """Return whether a client that asks for this name, or address, accepts the certificate (RFC 6125 6.4)."""
        wanted = _canonical(name)
        host, _dot, domain = wanted.partition(".")
        wildcard = f"*.{domain}" if host and domain else wanted
        return any(its in (wanted, wildcard) for its in map(_canonical, self.names))

    def days_left(self, now: float) -> int:
        """Return whole days until it expires; below 0, it has expired. ``now``: seconds since the epoch."""
        return int((self.not_after - now) // DAY)


def blocks(text: str) -> list[tuple[str, bytes]]:
    """Return the blocks of a PEM text (RFC 7468), as label and content; raise ValueError where one is damaged."""
    try:
        return [
            (label, base64.b64decode("".join(body.split()), validate=True))
            for label, body in PEM.findall(text)
            if ":" not in body  # a key that is encrypted in the traditional way has headers
        ]
    except (binascii.Error, ValueError):
        raise ValueError("a block of the PEM is damaged") from None


def parse(der: bytes) -> Certificate:
    """Read a certificate; raise ValueError where the bytes are none."""
    try:
        _tag, certificate, _end = _read(der, 0)
        _tag, signed, _end = _read(certificate, 0)
        fields = list(_parts(signed))
        if fields[0][0] == _VERSION:
            del fields[0]
        _serial, _algorithm, (_tag, issuer), (_tag, validity), (_tag, subject) = fields[:5]
        (first, begin), (second, end) = list(_parts(validity))[:2]
        names = [name for tag, value in fields[5:] if tag == _EXTENSIONS for name in _alternative_names(value)]
        return Certificate(
            tuple(names or _common_names(subject)),
            _seconds(first, begin),
            _seconds(second, end),
            hashlib.sha256(der).hexdigest(),
            issuer == subject,
        )
    except (IndexError, ValueError):
        raise ValueError("the certificate cannot be read") from None


def in_days(days: int) -> str:
    """Say when that is: today, in 1 day, in 12 days."""
    return "today" if days == 0 else "in 1 day" if days == 1 else f"in {days} days"


def _read(data: bytes, at: int) -> tuple[int, bytes, int]:
    """Return tag and content of the value that begins there, and where the next one does (X.690 8.1)."""
    tag, length = data[at], data[at + 1]
    begin = at + 2
    if length & 0x80:
        size = length & 0x7F
        length = int.from_bytes(data[begin : begin + size], "big")
        begin += size
    if begin + length > len(data):
        raise ValueError("a value is longer than the bytes")
    return tag, data[begin : begin + length], begin + length


def _parts(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(data):
        tag, value, at = _read(data, at)
        yield tag, value


def _alternative_names(extensions: bytes) -> Iterator[str]:
    for _tag, extension in _parts(_read(extensions, 0)[1]):
        parts = list(_parts(extension))
        if parts[0] == (_OID, _ALTERNATIVE_NAMES):
            for tag, value in _parts(_read(parts[-1][1], 0)[1]):
                if tag == _DNS:
                    yield _printable(value)
                elif tag == _IP and len(value) in (4, 16):
                    yield str(ipaddress.ip_address(value))


def _common_names(subject: bytes) -> Iterator[str]:
    for _tag, relative in _parts(subject):
        for _tag, attribute in _parts(relative):
            (_tag, kind), (_tag, value) = list(_parts(attribute))[:2]
            if kind == _COMMON_NAME:
                yield _printable(value)


def _printable(value: bytes) -> str:
    """Return a name as it may stand in a sentence."""
    return re.sub(r"[^ -~]", "?", value.decode("utf-8", "replace"))


def _canonical(name: str) -> str:
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return name.rstrip(".").lower()


def _seconds(tag: int, value: bytes) -> int:
    """Return a UTCTime or a GeneralizedTime in seconds since the epoch (RFC 5280 4.1.2.5)."""
    text = value.decode("ascii")
    if tag == _UTC_TIME:
        text = ("20" if text < "50" else "19") + text
    return calendar.timegm(time.strptime(text, "%Y%m%d%H%M%SZ"))
