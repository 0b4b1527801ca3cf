# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An association with nothing but C-ECHO, on a blocking socket."""

from __future__ import annotations

import socket

from ansible_collections.pacs.loadbalancer.plugins.module_utils._dicom.association import Requestor


class Association:
    """Connect and associate; raise OSError, EOFError or DicomError where that fails, as every method does.

    timeout: seconds for each answer; client: the address to connect from.
    """

    def __init__(self, address: str, port: int, timeout: float, client: str = "") -> None:
        self._socket = socket.create_connection((address, port), timeout, (client, 0))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._requestor = Requestor()
        self._exchange(self._requestor.associate())

    def __enter__(self) -> Association:
        return self

    def __exit__(self, *_error: object) -> None:
        self._socket.close()

    def echo(self) -> None:
        self._exchange(self._requestor.echo())

    def release(self) -> None:
        self._exchange(self._requestor.release())

    def _exchange(self, request: bytes) -> None:
        self._socket.sendall(request)
        answer = None
        while answer is None:
            data = self._socket.recv(16384)
            if not data:
                raise EOFError("the connection was closed")
            answer = self._requestor.receive(data)
