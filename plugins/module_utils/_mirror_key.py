# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""This host's key of the encrypted mirror: made here, and never read by anybody but WireGuard and what is below."""

from __future__ import annotations

import base64
import os
import re

UNIT = "/etc/systemd/system/layer4-mirror.service"
PRIME = 2**255 - 19
A24 = 121665
BASE = 9


class Damaged(Exception):
    """The file is no key; the message says so in words."""


def public_key(private: bytes) -> bytes:
    """Return the public half of a private key of 32 octets: X25519 of the base point (RFC 7748, 5 and 6.1).

    It takes a time that depends on the key, so nobody else may measure it.
    """
    scalar = int.from_bytes(private, "little") & ~7 & (1 << 255) - 1 | 1 << 254
    x2, z2, x3, z3, swapped = 1, 0, BASE, 1, 0
    for bit in reversed(range(255)):
        wanted = scalar >> bit & 1
        if wanted != swapped:
            x2, x3, z2, z3 = x3, x2, z3, z2
        swapped = wanted
        a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
        aa, bb, da, cb = a * a % PRIME, b * b % PRIME, d * a % PRIME, c * b % PRIME
        x3, z3 = (da + cb) ** 2 % PRIME, BASE * (da - cb) ** 2 % PRIME
        x2, z2 = aa * bb % PRIME, (aa - bb) * (aa + A24 * (aa - bb)) % PRIME
    if swapped:
        x2, z2 = x3, z3
    return (x2 * pow(z2, PRIME - 2, PRIME) % PRIME).to_bytes(32, "little")


def read(path: str) -> str:
    """Return the public half of the key in a file, in WireGuard's base64; empty where there is none. Raises Damaged."""
    try:
        with open(path, "rb") as file:
            private = base64.b64decode(file.read().strip(), validate=True)
    except FileNotFoundError:
        return ""
    except ValueError:
        private = b""
    if len(private) != 32:
        raise Damaged("%s is no key of WireGuard; remove it, and run playbooks/site.yml again." % path)
    return base64.b64encode(public_key(private)).decode()


def make(path: str) -> None:
    """Write a new key into a file that only root reads. One that another run has made meanwhile stays."""
    os.makedirs(os.path.dirname(path), 0o755, exist_ok=True)
    beside = "%s.%d" % (path, os.getpid())
    try:
        with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(base64.b64encode(os.urandom(32)) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(beside, path)
    except FileExistsError:
        pass
    finally:
        os.unlink(beside)


def of_peer(unit: str = UNIT) -> str:
    """Return the other host's public key, as it was deployed here last; empty where it was not."""
    try:
        with open(unit, encoding="utf-8") as file:
            found = re.search(r" peer ([A-Za-z0-9+/]{43}=)\s", file.read())
    except FileNotFoundError:
        return ""
    return found.group(1) if found else ""
