# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a modality was answered last, kept for the looks at this load balancer, which ask nobody."""

from __future__ import annotations

import contextlib
import json
import os
import time
from typing import Any

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis.answers import Answers

from . import files

SETTINGS = "/etc/loadbalancer/check.json"
FILE = os.path.join(os.environ.get("RUNTIME_DIRECTORY", "/run/loadbalancer"), "check.json")

MISSED = 3  # rounds after which the last answers say nothing any more


def settings() -> dict[str, Any]:
    """How often it is asked, in seconds (``every``), and the user's keys (``study``, ``worklist``)."""
    return _load(SETTINGS)


def keep(answers: Answers) -> None:
    """Keep what was answered."""
    files.replace(FILE, json.dumps({"at": time.time(), "answers": answers}), 0o600)


def forget() -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(FILE)


def last(now: float) -> dict[str, Any]:
    """Return when it was asked (``at``) and the ``answers``; nothing where that was too long ago, or not here.

    ``now``: seconds since the epoch.
    """
    found = _load(FILE)
    return found if found and now < found["at"] + MISSED * settings().get("every", 0) else {}


def _load(path: str) -> dict[str, Any]:
    try:
        with open(path, encoding="utf-8") as file:
            return dict(json.load(file))
    except FileNotFoundError:
        return {}
