# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The guard of a load balancer: keeps it from a VIP that another one announces differently, and notices two owners."""

from __future__ import annotations

# All of the package is imported here, before anything runs: nothing is read from the directory later.
from keepalived_guard import daemon

if __name__ == "__main__":
    daemon.serve()
