# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The configurations of sites, by tools/render/rendering.py in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
FINGERPRINT = "0123456789abcdef"  # the real one renders each text once more


FINGERPRINTS = {f"__{role}_fingerprint": FINGERPRINT for role in ("haproxy", "keepalived", "layer4")}


def render(sites, timeout=60, fingerprints=FINGERPRINTS):
    """Return the texts by site and host, as ``{"haproxy": text, "keepalived": text}``; ``layer4``, ``conntrackd`` and
    ``configuration`` are there where something is forwarded.

    ``sites``: by any key, ``(written, site)``: the variables of roles/infinitt that are set, and the model's site as a
    dict. ``fingerprints``: what stands for the real ones; without, they are rendered.
    """
    asked = json.dumps([[{**written, **fingerprints}, site] for written, site in sites.values()])
    done = subprocess.run(
        [sys.executable, str(REPOSITORY / "tools/render/rendering.py")],
        input=asked,
        env={**os.environ, "ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg")},
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
    )
    assert done.returncode == 0, done.stderr
    return dict(zip(sites, json.loads(done.stdout)))
