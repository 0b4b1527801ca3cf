# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one place where programs are run. Most of what runs them is a part of `loadbalancer` too, on the host itself,
where there is no AnsibleModule to do it.
"""

from __future__ import annotations

import subprocess
from typing import Any


def run(command: list[str], *, check: bool = False, text: bool = True, **options: Any) -> subprocess.CompletedProcess:
    """Run a program to its end, as subprocess.run does with these options. What it prints is kept; its exit code is
    left to the caller, if nothing else is said.
    """
    return subprocess.run(  # pylint: disable=ansible-bad-function
        command, check=check, stdout=subprocess.PIPE, universal_newlines=text, **options
    )


def start(command: list[str], **options: Any) -> subprocess.Popen:
    """Start a program, as subprocess.Popen does with these options."""
    return subprocess.Popen(command, **options)  # pylint: disable=ansible-bad-function
