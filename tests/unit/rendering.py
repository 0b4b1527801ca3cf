# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The configurations of sites, by tools/render in one process for all tests: see renderer.py."""

from __future__ import annotations

import atexit
import functools
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]


def render(sites, timeout=180):
    """Return the texts by site and host, as ``{"haproxy": text, "keepalived": text}``; ``layer4``, ``conntrackd`` and
    ``configuration`` are there where something is forwarded.

    ``sites``: by any key, ``(written, site)``: the variables of roles/infinitt that are set, and the model's site as a
    dict.
    """
    return dict(zip(sites, _ask({"sites": list(sites.values())}, timeout)))


def render_inventory(inventory, directory, *options, timeout=180):
    """Return the exit code of `make render`, and what it said."""
    return tuple(_ask({"render": ["--inventory", str(inventory), *options, str(directory)]}, timeout))


@functools.cache
def _renderer():
    """Start it; it ends with the tests, since its input does."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    renderer = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("renderer.py"))],
        env={**environment, "ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg")},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    atexit.register(renderer.communicate)
    return renderer


def _ask(request, timeout):
    renderer = _renderer()
    overdue = threading.Timer(timeout, renderer.kill)
    overdue.start()
    try:
        print(json.dumps(request), file=renderer.stdin, flush=True)
        line = renderer.stdout.readline()
    finally:
        overdue.cancel()
    if not line:
        _renderer.cache_clear()
        raise AssertionError(f"nothing was rendered within {timeout} s")
    answer = json.loads(line)
    assert "failed" not in answer, answer["failed"]
    return answer
