# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The kernel's connection table: what happens in it, and what is in it. CAP_NET_ADMIN."""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import struct
from collections.abc import Iterator

from . import ctnetlink
from .ctnetlink import Entry

BUFFER = 1 << 24  # bytes, where systemd has not made the socket
SO_ATTACH_FILTER, SO_RCVBUFFORCE = 26, 33  # asm-generic/socket.h


class Table:
    def __init__(self) -> None:
        # systemd keeps it while this program is replaced, and with it what happens meanwhile (sd_listen_fds(3)).
        kept = os.environ.get("LISTEN_FDS") == "1"
        kinds = (socket.AF_NETLINK, socket.SOCK_RAW, ctnetlink.FAMILY)
        self.events = socket.socket(*kinds, fileno=3 if kept else None)
        if not kept:
            self.events.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
            self.events.bind((0, ctnetlink.GROUPS))
        self.questions = socket.socket(*kinds)
        program = ctypes.create_string_buffer(ctnetlink.only_endings())
        steps = struct.pack("@HP", ctypes.sizeof(program) // 8, ctypes.addressof(program))
        self.events.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, steps)

    def read(self) -> list[Entry] | None:
        """Return what has happened; nothing where nothing has, None where some of it was lost."""
        try:
            data = self.events.recv(1 << 16, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return []
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise
            return None
        return [entry for _kind, entry in ctnetlink.messages(data) if entry]

    def find(self, event: Entry) -> Entry | None:
        """Return the same connection with its bytes, None where the table has it no more."""
        found = self._same_ends(event)
        return found if found and found.id == event.id else None

    def has(self, event: Entry) -> bool:
        """Has the table a connection of the same ends, if only its copy?"""
        return self._same_ends(event) is not None

    def _same_ends(self, event: Entry) -> Entry | None:
        return next(self._ask(ctnetlink.ask_for(event)), None)

    def dump(self) -> list[Entry]:
        return list(self._ask(ctnetlink.ask_for_all(), several=True))

    def _ask(self, question: bytes, several: bool = False) -> Iterator[Entry]:
        self.questions.send(question)
        while True:
            for kind, entry in ctnetlink.messages(self.questions.recv(1 << 18)):
                if entry:
                    yield entry
                if kind in (ctnetlink.ERROR, ctnetlink.DONE) or not several:
                    return
