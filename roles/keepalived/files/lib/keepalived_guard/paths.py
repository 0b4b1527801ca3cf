# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The interfaces that lead to the nodes, and whether they are up."""

from __future__ import annotations

import fcntl
import socket
import struct
from collections.abc import Collection, Iterable

from . import _addresses

# netdevice(7)
SIOCGIFFLAGS = 0x8913
IFF_UP, IFF_RUNNING = 0x1, 0x40


def devices_to(addresses: Iterable[str]) -> set[str]:
    """Return the interfaces by which this host reaches these addresses now."""
    found = set()
    for address in addresses:
        try:
            found.add(_addresses.device_to(address))
        except (OSError, ValueError):
            pass  # the kernel does not say; a node may be a socket
    return {device for device in found if device}


def are_down(devices: Collection[str]) -> bool:
    """Is none of these interfaces up, with a cable at work? No interface at all is not known to be down."""
    return bool(devices) and not any(map(_is_up, devices))


def _is_up(device: str) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        try:
            answer = fcntl.ioctl(any_socket, SIOCGIFFLAGS, struct.pack("16sh14x", device.encode(), 0))
        except OSError:
            return False  # it is gone
    (flags,) = struct.unpack_from("h", answer, 16)
    return bool(flags & IFF_UP and flags & IFF_RUNNING)
