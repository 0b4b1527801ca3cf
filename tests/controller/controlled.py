# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs playbooks/controller.yml against a stand-in."""

from __future__ import annotations

import json
import os
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).parent
CLONE = HERE.parents[1]
TOOLS = CLONE / ".build/controller"  # made by `make controller`
VENV = pathlib.Path(sys.executable).parent
PATH = os.environ["PATH"]
PLAYBOOKS = {f"playbooks/{path.name}" for path in (CLONE / "playbooks").glob("*.yml")}


def ansible_environment(**others):
    return {
        **os.environ,
        "ANSIBLE_CONFIG": str(CLONE / "ansible.cfg"),
        "ANSIBLE_COLLECTIONS_PATH": f"{CLONE / 'collections'}:{TOOLS / 'collections'}",
        "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
        **others,
    }


def play(server, *options, **variables):
    """Run playbooks/controller.yml against a stand-in; return what it said, and how many objects it changed."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "ansible", "playbook", str(CLONE / "playbooks/controller.yml")),
            *("--inventory", str(CLONE / "inventory/example"), "--extra-vars", json.dumps(variables), *options),
        ],
        env=ansible_environment(**server.environment, ANSIBLE_ACTION_PLUGINS=str(HERE / "action")),
        cwd=CLONE,
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout, len(re.findall(r"^changed: ", done.stdout, re.MULTILINE))
