# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What keeps connections when somebody flushes the ruleset (`systemctl reload nftables`), and hears that our table is
gone.

A connection that is established needs no rules of ours, but it does need the kernel's hooks for NAT and connection
tracking, which go with the last table that uses them. Packets that pass without them reach this host's own TCP, which
resets the connection.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import socket
import struct

from . import nft

# Only its owner, the process that made it, can delete a table with this flag (nft(8), Linux 5.12); the kernel does so
# at its end.
TABLE = """
table inet layer4_guard {
    flags owner;
    chain prerouting {
        type nat hook prerouting priority 200; policy accept;
        ct status dnat accept
    }
}
"""


class Guard:
    """A table that a flush leaves alone, held by this process."""

    held = False

    def hold(self) -> str:
        """Make the table. Returns why there is none, in words; empty where it is held."""
        try:
            library = ctypes.CDLL("libnftables.so.1")
            library.nft_ctx_new.restype = ctypes.c_void_p
            library.nft_ctx_get_error_buffer.restype = ctypes.c_char_p
            # It stays open: the kernel knows the owner by its netlink socket.
            context = ctypes.c_void_p(library.nft_ctx_new(0))
        except (OSError, AttributeError) as error:
            return str(error)
        library.nft_ctx_buffer_error(context)
        self.held = library.nft_run_cmd_from_buffer(context, TABLE.encode()) == 0
        return "" if self.held else " ".join(library.nft_ctx_get_error_buffer(context).decode().split())


class Watch:
    """Hears of changes to the ruleset (linux/netfilter/nfnetlink.h, linux/netfilter/nf_tables.h)."""

    NETLINK_NETFILTER, NFNLGRP_NFTABLES = 12, 7
    NEWTABLE, DELTABLE = 10 << 8 | 0, 10 << 8 | 2  # NFNL_SUBSYS_NFTABLES, NFT_MSG_*
    NFPROTO_INET, TABLE = b"\1", nft.TABLE.split()[1].encode()
    SO_RCVBUFFORCE = 33
    BUFFER = 8 << 20  # bytes: each of our own refreshes is thousands of messages

    def __init__(self) -> None:
        self.gone = False  # somebody has deleted our table
        self.socket: socket.socket | None = None

    def listen(self) -> None:
        self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, self.NETLINK_NETFILTER)
        with contextlib.suppress(PermissionError):  # in a user namespace
            self.socket.setsockopt(socket.SOL_SOCKET, self.SO_RCVBUFFORCE, self.BUFFER)
        self.socket.bind((0, 1 << self.NFNLGRP_NFTABLES - 1))

    def read(self) -> None:
        """Take all that has been said."""
        while self.socket:
            try:
                self.take(self.socket.recv(1 << 17))
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.ENOBUFS:  # which says that something was lost: the next refresh finds out
                    raise

    def take(self, data: bytes) -> None:
        """Take netlink messages: nlmsghdr (length, type, ...: 16 bytes), nfgenmsg (family, ...: 4), attributes."""
        offset = 0
        while offset + 16 <= len(data):
            length, kind = struct.unpack_from("=IH", data, offset)
            message = data[offset : offset + length]
            # The first attribute is NFTA_TABLE_NAME: length and type (4 bytes), and a name that ends with 0.
            name = message[24:].partition(b"\0")[0]
            if kind in (self.NEWTABLE, self.DELTABLE) and message[16:17] == self.NFPROTO_INET and name == self.TABLE:
                self.gone = kind == self.DELTABLE
            offset += max(length + 3 & ~3, 16)
