# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is shown: one screen, or JSON."""

from __future__ import annotations

import json
from typing import Any

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis import answers as rules
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis import certificates, status
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis.answers import Answers
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis.problem import Problem
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._phrases import span
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._screens.check import check_screen
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._screens.data import status_data
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._screens.status import status_screen
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._screens.text import page, section


def exit_code(state: dict[str, Any]) -> int:
    return status.HEALTH.index(status.health(state["problems"]))


def screen(state: dict[str, Any], now: float) -> str:
    """What playbooks/status.yml shows, as this host sees it by itself, and below what the others have found.

    ``now``: seconds since the epoch.
    """
    name, site, answers = state["name"], state["site"], state["others"]
    observed = {name: state["observed"]}
    age = now - state["at"]
    return page(
        [f"Seen from {name}: {status.health(state['problems'])}{f', {span(age)} ago' if age >= 1 else ''}."],
        [
            status_screen(
                observed,
                site["services"],
                [peer["name"] for peer in site["peers"]],
                status.vips(site, observed),
                state["problems"],
                state["notices"],
                state["at"],
                certificates.ends(site, observed, state["at"]),
                answers,
            )
        ],
        *(
            section(f"Problems as {other} sees them", status.told(answer))
            for other, answer in answers.items()
            if answer
        ),
    )


def as_json(state: dict[str, Any]) -> str:
    """The same for a program."""
    name = state["name"]
    known = status_data(
        state["at"],
        {name: state["observed"]},
        {name: state["deployed"]},
        state["problems"],
        state["notices"],
        name,
        state["others"],
    )
    return json.dumps(known, indent=2)


def answered(state: dict[str, Any], answers: Answers) -> str:
    """What playbooks/check.yml shows."""
    site = state["site"]
    return check_screen(site, answers, unanswered(state, answers), [*rules.notices(site, answers)])


def unanswered(state: dict[str, Any], answers: Answers) -> list[Problem]:
    return rules.problems(state["site"], answers)
