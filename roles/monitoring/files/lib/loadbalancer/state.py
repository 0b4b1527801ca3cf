# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is known of this load balancer at one moment, and the file that keeps it: for those who may not ask the daemons,
and for the other load balancers, which keepalived-guard.service tells.
"""

from __future__ import annotations

import json
import os
import time
from typing import Any

from ansible_collections.pacs.loadbalancer.plugins.module_utils import _site_record
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis import answers, apart, drift, status
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis.problem import Problem

from . import checked, files, here, others

FILE = os.path.join(os.environ.get("RUNTIME_DIRECTORY", "/run/loadbalancer"), "state.json")
GROUP = "adm"  # Debian has it for those who watch the system
LAST = 90.0  # seconds: a look from before that is none to compare with


class Unknown(Exception):
    """Nothing is known; the message is a sentence."""


def look() -> dict[str, Any]:
    """Ask everything that can be asked from here. Raises here.NotDeployed."""
    record = _site_record.read()
    site = here.site(record)
    name, now, deployed = here.name(site), time.time(), drift.deployed(record["sets"].values())
    observed, told = here.observe(site), others.ask(site, name)
    # While they are being deployed, they do differ.
    observed["runs"] = "" if deployed["pending"] else drift.digest(observed)
    deeper, before = checked.last(now), _before(now)
    unanswered = answers.problems(site, deeper["answers"]) if deeper else []
    found = apart.found(name, site, observed, told, before.get("observed"), now)
    lasting, since = apart.lasting(found, before.get("apart", {}), now)
    return {
        "at": now,
        "name": name,
        "site": site,
        "deployed": deployed,
        "observed": observed,
        "others": told,
        "connections": observed["layer4"]["connections"] if "layer4" in observed else {},
        "host": apart.told(observed),
        "apart": since,
        "checked": deeper,
        "problems": [*status.problems_from(name, site, observed, told, now), *lasting, *unanswered],
        "notices": status.notices(site, {name: observed}, now),
    }


def _before(now: float) -> dict[str, Any]:
    """Return what was kept last; nothing where that is too long ago."""
    try:
        before = kept()
    except Unknown:
        return {}
    return before if abs(now - before["at"]) < LAST else {}


def keep(state: dict[str, Any]) -> None:
    """Replace what was kept, for root and the group."""
    files.replace(FILE, json.dumps(state), 0o640, GROUP)


def kept() -> dict[str, Any]:
    """Return what was kept last. Raises Unknown."""
    try:
        with open(FILE, encoding="utf-8") as file:
            state = json.load(file)
    except PermissionError:
        raise Unknown("Only root and members of the group adm may see this.") from None
    except (OSError, ValueError):
        raise Unknown("Nothing is known yet: is loadbalancer.timer running?") from None
    return {**state, **{key: [Problem._make(its) for its in state[key]] for key in ("problems", "notices")}}
