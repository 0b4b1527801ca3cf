# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Install pip into a virtual environment that has none, from the pip wheel beside this file.

ansible-test runs it under the name get_pip_<version>.py with the packages to install as arguments; see sanity.sh.
"""

from __future__ import annotations

import pathlib
import runpy
import sys

wheel = next(pathlib.Path(__file__).parent.glob("pip-*.whl"))
sys.path.insert(0, str(wheel))
# --no-setuptools and --no-wheel are asked of the script, not of pip.
packages = [argument for argument in sys.argv[1:] if argument not in ("--no-setuptools", "--no-wheel")]
sys.argv[1:] = ["install", *packages]
runpy.run_module("pip", run_name="__main__", alter_sys=True)
