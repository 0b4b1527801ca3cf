# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which configuration was there before the last change: of the whole site, or of none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._phrases import listed

ACT = "playbooks/rollback.yml"


class Rollback:
    """The way back. ``records``: of each load balancer that was asked, what ``site_record`` returns. ``names``: all of
    them.

    The last change is what is pending, where a run stopped half-way; else the one that was confirmed last. A rollback
    that stopped half-way is no change to undo: it is continued. ``undo``: the changes that are taken back.
    """

    def __init__(self, records: Mapping[str, Mapping[str, Any]], names: Sequence[str]) -> None:
        self.records, self.names = records, names
        pending = [
            its
            for record in records.values()
            for its in record["sets"].values()
            if its["pending"] and its["act"] != ACT
        ]
        currents = [record["current"] for record in records.values()]
        changes: list[Mapping[str, Any]] = pending or [current for current in currents if current]
        self.last = max(changes, key=lambda its: its["when"], default={})
        self.undo = sorted({its["change"] for its in changes})
        self.targets = currents if pending else [record["former"] for record in records.values()]

    @property
    def site(self) -> Mapping[str, Any]:
        return next((target["site"] for target in self.targets if target), {})

    def refusals(self, states: Mapping[str, Any], limited: bool = False) -> list[str]:
        """Why there is no way back.

        ``states``: which nodes persons have taken out of service, as it is now. ``limited``: what is undone are changes
        of the load balancers of this run alone.
        """
        absent = [name for name in self.names if name not in self.records]
        if absent and not limited:
            return [
                f"This run leaves out {listed(absent)}, by --limit or for want of a connection, and a rollback is of"
                " all load balancers; leave out --limit, and check the SSH connection."
            ]
        if not any(self.targets):
            return [
                "No configuration is kept from before the last change; undo it in the inventory and deploy:"
                " playbooks/site.yml."
            ]
        if len({target.get("change") for target in self.targets}) > 1:
            return [
                "The load balancers had different configurations before the last change, since a run was limited to"
                " some of them; undo it in the inventory and deploy to all of them: playbooks/site.yml."
            ]
        if sorted(self.site["hosts"]) != sorted(self.names):
            return [
                f"Before the last change the load balancers were {listed(self.site['hosts'])}, and the inventory has"
                f" {listed(self.names)}; add or remove one instead."
            ]
        if self.site.get("states", {}) != states:
            return [
                "Nodes were taken out of service or brought back since then, which would be undone as well; undo the"
                " change in the inventory and deploy: playbooks/site.yml."
            ]
        return []

    def plan(self) -> list[str]:
        changed = [
            f"{listed(sets)} on {name}"
            for name, record in self.records.items()
            if (sets := [key for key, its in record["sets"].items() if its["change"] in self.undo])
        ]
        target = next(target for target in self.targets if target)
        return [
            f"The last change was {self.last['act']} by {self.last['by']} at {self.last['when']}.",
            f"It is undone: {'; '.join(changed) or 'nothing is left of it'}. Then the configuration is again the one of"
            f" {target['when']} ({target['act']} by {target['by']}).",
            "The inventory still holds the change: undo it there, or the next playbooks/site.yml deploys it again.",
        ]
