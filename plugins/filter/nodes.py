# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A node out of service and back. Each filter is documented in the YAML file of its name."""

from __future__ import annotations

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils import _node_plan


class FilterModule:
    def filters(self):
        return {
            "node_plan": _node_plan.plan,
            "node_states": _node_plan.changed,
            "node_left": _node_plan.holds_on,
        }
