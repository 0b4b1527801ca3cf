# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How this load balancer is, as this host sees it itself."""

from __future__ import annotations

import sys

from loadbalancer import command

if __name__ == "__main__":
    sys.exit(command.main(sys.argv[1:]))
