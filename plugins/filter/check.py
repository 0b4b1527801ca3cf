# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a modality would be answered. Each filter is documented in the YAML file of its name."""

from __future__ import annotations

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils import _check_plan
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis import answers as rules
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._screens import check as screen
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._screens.text import sentence


def check_problems(site, answers):
    return [sentence(problem) for problem in rules.problems(site, answers)]


def check_screen(site, answers):
    return screen.check_screen(site, answers, rules.problems(site, answers), [*rules.notices(site, answers)])


class FilterModule:
    def filters(self):
        return {"check_plan": _check_plan.plan, "check_problems": check_problems, "check_screen": check_screen}
