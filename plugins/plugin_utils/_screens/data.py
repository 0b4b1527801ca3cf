# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How the load balancers are, for a program: the same keys from a load balancer itself and from the controller."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis import status
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis.observed import Answer
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis.problem import Problem
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis.reading import holders

# What a summary has at most: it goes from job to job as a variable.
PROBLEMS = 20


def status_data(
    at: float,
    observed: Mapping[str, Mapping[str, Any]],
    deployed: Mapping[str, Mapping[str, Any]],
    problems: Sequence[Problem],
    notices: Sequence[Problem],
    name: str | None = None,
    others: Mapping[str, Answer | None] | None = None,
) -> dict[str, Any]:
    """All that is known.

    ``at``: seconds since the epoch. By load balancer ``observed``, each as `observed.Host`, and ``deployed``, as
    `drift.deployed`. ``name``: the load balancer that looked, and ``others`` what the others have answered it; the
    controller is none, and asks each of them.
    """
    return {
        "health": status.health(problems),
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at)),
        "name": name,
        "deployed": dict(deployed),
        "observed": dict(observed),
        "others": dict(others or {}),
        "problems": [problem._asdict() for problem in problems],
        "notices": [notice._asdict() for notice in notices],
    }


def status_summary(data: Mapping[str, Any], vips: Iterable[str]) -> dict[str, Any]:
    """What the next job wants to know, in few words, however much is wrong. ``data``: as `status_data`."""
    return {
        "health": data["health"],
        "at": data["at"],
        "vips": {vip: holders(data["observed"], vip) for vip in vips},
        "problems": data["problems"][:PROBLEMS],
        "problems_in_all": len(data["problems"]),
        "notices": list(dict.fromkeys(notice["code"] for notice in data["notices"])),
    }
