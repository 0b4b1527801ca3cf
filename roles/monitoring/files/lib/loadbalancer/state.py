# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is known of this load balancer at one moment, and the file that keeps it: for those who may not ask the daemons,
and for the other load balancers, which keepalived-guard.service tells.
"""

from __future__ import annotations

import contextlib
import grp
import json
import os
import time
from typing import Any

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis import status
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis.problem import Problem

from . import here, others

FILE = os.path.join(os.environ.get("RUNTIME_DIRECTORY", "/run/loadbalancer"), "state.json")
GROUP = "adm"  # Debian has it for those who watch the system


class Unknown(Exception):
    """Nothing is known; the message is a sentence."""


def look() -> dict[str, Any]:
    """Ask everything that can be asked from here. Raises here.NotDeployed."""
    site = here.site()
    name, now = here.name(site), time.time()
    observed, answers = here.observe(site), others.ask(site, name)
    return {
        "at": now,
        "name": name,
        "site": site,
        "deployed": here.deployed(),
        "observed": observed,
        "others": answers,
        "problems": status.problems_from(name, site, observed, answers, now),
        "notices": status.notices(site, {name: observed}, now),
    }


def keep(state: dict[str, Any]) -> None:
    """Replace what was kept, for root and the group."""
    new = FILE + ".new"
    with open(new, "w", encoding="utf-8") as file:
        json.dump(state, file)
    with contextlib.suppress(LookupError, PermissionError):
        os.chown(new, -1, grp.getgrnam(GROUP).gr_gid)
    os.chmod(new, 0o640)
    os.replace(new, FILE)


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
