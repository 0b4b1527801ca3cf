# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The drill: its plan, its report, the table and the page. Each filter is documented in the YAML file of its name."""

from __future__ import annotations

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._drill import page, plan, report
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._screens import drill as screen


class FilterModule:
    def filters(self):
        return {
            "drill_plan": plan.plan,
            "drill_report": report.report,
            "drill_table": screen.drill_table,
            "drill_page": page.page,
        }
