# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find the routers through which an address is reached: print `directly`, and each router, if a TCP connection opens.

usage: by_router.py ADDRESS PORT ROUTER...
"""

from __future__ import annotations

import socket
import subprocess
import sys


def reached(address: str, port: int) -> bool:
    try:
        # A SYN that is lost is sent again after 1 s.
        with socket.create_connection((address, port), 1.5):
            return True
    except OSError:
        return False


def main() -> None:
    address, port, *routers = sys.argv[1:]
    if reached(address, int(port)):
        print("directly")
    for router in routers:
        subprocess.run(["ip", "route", "replace", address, "via", router], check=True)
        try:
            if reached(address, int(port)):
                print(router)
        finally:
            subprocess.run(["ip", "route", "delete", address, "via", router], check=True)


if __name__ == "__main__":
    main()
