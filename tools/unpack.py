# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Unpack what begins with a name from the one wheel of a directory: unpack.py DIRECTORY NAME TARGET."""

import pathlib
import sys
import zipfile

directory, name, target = sys.argv[1:]
(wheel,) = pathlib.Path(directory).glob("*.whl")
with zipfile.ZipFile(wheel) as file:
    file.extractall(target, [member for member in file.namelist() if member.startswith(name)])
wheel.unlink()
