# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The HTTP check: a HEAD request and the head of its answer, without a socket (RFC 9112)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ._failure import Failure

CHECK_PATH = "/"
CHECK_STATUS = "200-399"

#: Bytes of status line and headers that are accepted from a peer.
MAX_HEAD = 16384

_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})(?: |\Z)")


class HttpError(Failure):
    """The peer did not answer as the HTTP check expects."""


def parse_statuses(value: str) -> tuple[range, ...]:
    """Parse HAProxy's list of accepted statuses, such as "200-399" or "200,302,401" (manual, http-check expect status).

    Raises ValueError, one sentence, where it is none.
    """
    ranges = []
    for part in value.split(","):
        match = re.fullmatch(r"([1-5][0-9]{2})(?:-([1-5][0-9]{2}))?", part)
        if match is None or int(match[2] or match[1]) < int(match[1]):
            raise ValueError(
                f"check_status is {value!r}: it must be a list of statuses and ranges without spaces,"
                " such as 200 or 200-399 or 200,302,401"
            )
        ranges.append(range(int(match[1]), int(match[2] or match[1]) + 1))
    return tuple(ranges)


def check_path(value: str) -> str:
    """Return value, a path that fits into a request line; raise ValueError, one sentence, otherwise."""
    if re.fullmatch(r"/[!-~]*", value) is None:
        raise ValueError(
            f"check_path is {value!r}: it must begin with / and have printable ASCII characters without spaces"
        )
    return value


def check_host(value: str) -> str:
    """Return value, a host that fits into the Host header; raise ValueError, one sentence, otherwise."""
    if re.fullmatch(r"[A-Za-z0-9._~:%\[\]-]+", value) is None:
        raise ValueError(f"check_host is {value!r}: it must be a name or an address, optionally with a port")
    return value


def head_request(path: str, host: str) -> bytes:
    """Encode the request, after whose answer the server closes the connection."""
    return (
        f"HEAD {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: pacs.loadbalancer\r\nConnection: close\r\n\r\n"
    ).encode("ascii")


@dataclass(frozen=True)
class Head:
    """Status and headers (names in lower case; repeated ones joined by commas, RFC 9110 5.3)."""

    status: int
    headers: dict[str, str]


class HeadDecoder:
    """Find the head of an answer in a stream of bytes; hold at most MAX_HEAD bytes and what was received last."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    @property
    def pending(self) -> int:
        """Number of bytes held that are not a whole head yet."""
        return len(self._buffer)

    def receive(self, data: bytes) -> Head | None:
        """Return the head once data completes it, None before; raise HttpError of kind malformed."""
        self._buffer += data
        start = bytes(self._buffer[:5])
        if start != b"HTTP/"[: len(start)]:
            raise HttpError("malformed", f"answered in another protocol than HTTP (it begins with {start.hex()})")
        end = re.search(rb"\r?\n\r?\n", self._buffer[:MAX_HEAD])
        if end is None:
            if len(self._buffer) >= MAX_HEAD:
                raise HttpError("malformed", f"answered with more than {MAX_HEAD} bytes of headers")
            return None
        first, *lines = re.split(rb"\r?\n", bytes(self._buffer[: end.start()]))
        match = _STATUS_LINE.match(first)
        if match is None:
            raise HttpError("malformed", "answered with a malformed HTTP status line")
        headers: dict[str, str] = {}
        for line in lines:
            name, colon, value = line.decode("latin-1").partition(":")
            if colon:
                key = name.strip().lower()
                headers[key] = f"{headers[key]}, {value.strip()}" if key in headers else value.strip()
        return Head(int(match[1]), headers)
