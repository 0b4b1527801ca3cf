# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files that others read while they are replaced."""

from __future__ import annotations

import contextlib
import grp
import os


def replace(path: str, content: str, mode: int, group: str = "") -> None:
    """Replace a file as a whole, and give it to a group, where there is that group and this user may."""
    new = path + ".new"
    with open(new, "w", encoding="utf-8") as file:
        file.write(content)
    if group:
        with contextlib.suppress(LookupError, PermissionError):
            os.chown(new, -1, grp.getgrnam(group).gr_gid)
    os.chmod(new, mode)
    os.replace(new, path)
