# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a service tells systemd, for the programs that roles/layer4 and roles/keepalived install."""

from __future__ import annotations

import os
import socket


def notify(message: str) -> None:
    """Tell systemd, such as READY=1 (sd_notify(3))."""
    path = os.environ.get("NOTIFY_SOCKET")
    if path:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
            systemd.sendto(message.encode(), path.replace("@", "\0", 1) if path.startswith("@") else path)
