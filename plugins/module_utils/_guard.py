# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What keepalived-guard.service (roles/keepalived) says of itself."""

from __future__ import annotations

import json

from . import _systemd

UNIT = "keepalived-guard.service"
# It is there as long as the guard runs.
STATE = "/run/keepalived-guard/state.json"


def gather() -> dict:
    """Return what the module keepalived_info does of the guard."""
    unit = _systemd.inspect(UNIT)
    answer = {
        "running": False,
        "held": "",
        "split_brain": "",
        "split_brain_since": 0,
        "ignored": {},
        "handed_over": {"at": 0, "reason": ""},
        "answering": {},
        "moves": {},
    }
    try:
        with open(STATE, encoding="utf-8") as file:
            known = json.load(file)
        # The guard of an earlier release says less.
        answer = {**answer, **{key: known[key] for key in answer if key in known}, "running": True}
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return {**answer, "enabled": unit["enabled"], "outdated": unit["outdated"]}
