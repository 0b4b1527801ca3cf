# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Exit code 0 if this host's HAProxy answers on its socket within 0.8 s, 1 if not: a process that hangs has a pid too.

It never asks the nodes: that all nodes are down is no reason to move the VIP.
"""

import socket
import sys

try:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as admin:
        admin.settimeout(0.8)
        admin.connect("/run/haproxy/admin.sock")
        admin.sendall(b"show info\n")
        sys.exit(0 if admin.recv(16) else 1)
except OSError:
    sys.exit(1)
