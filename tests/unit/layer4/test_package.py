# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The package as it is installed: one directory a version, a link, and the program that starts it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

FILES = Path(__file__).parents[3] / "roles/layer4/files"


@pytest.fixture
def installed(tmp_path):
    """A version as roles/layer4 installs it, and its program."""
    version = tmp_path / "0123456789abcdef"
    shutil.copytree(FILES / "lib", version, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "current").symlink_to(version.name)
    program = tmp_path / "layer4"
    program.write_text((FILES / "layer4").read_text().replace("/usr/local/lib/layer4", str(tmp_path)))
    program.chmod(0o755)
    return program


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_program_runs_its_version_and_leaves_no_file_behind(installed, tmp_path):
    done = run(installed)
    assert done.returncode == 1 and done.stderr.startswith("layer4: "), done.stderr
    assert not list(tmp_path.rglob("__pycache__"))


def test_a_version_that_is_installed_meanwhile_gives_a_process_no_module(installed, tmp_path):
    # The link moves on between the start of Python and the first import.
    (tmp_path / "other/layer4").mkdir(parents=True)
    move = f"import os; os.symlink('other', '{tmp_path}/new'); os.replace('{tmp_path}/new', '{tmp_path}/current')\n"
    main = tmp_path / "0123456789abcdef/__main__.py"
    main.write_text(main.read_text().replace("import json\n", move + "import json\n", 1))
    assert run(installed).stderr.startswith("layer4: ")
    assert (tmp_path / "current").resolve().name == "other"
