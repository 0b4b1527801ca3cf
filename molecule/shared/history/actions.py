# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an operation does to the lab, one action after the other. {value} is the step's, {host} its place, {others}
the addresses of the other load balancers."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Tasks:
    """A task file of molecule/shared/tasks, for the place of the step."""

    name: str
    everywhere: bool = False  # for all load balancers in place of one


@dataclasses.dataclass(frozen=True)
class Shell:
    """A command on the host that is the place of the step."""

    command: str


@dataclasses.dataclass(frozen=True)
class Playbook:
    """One of the collection's playbooks. The inventory is changed first, as a person does it, and taken back where the
    playbook refuses.
    """

    name: str = "site"
    change: dict[str, object] = dataclasses.field(default_factory=dict)  # variables of the inventory
    extra: dict[str, str] = dataclasses.field(default_factory=dict)  # --extra-vars
    options: tuple[str, ...] = ()
    third: bool = False  # whether a third load balancer stands in the inventory
    kill_after: bool = False  # whether the controller is killed after {value} changes
    unchanging: bool = False  # whether it must not change anything
    back: bool = False  # whether the inventory is then as it was before the last change
    may_refuse: tuple[int, ...] = ()  # the layers at which it may, even where all is well; it has changed nothing then
    may_stop: bool = False  # whether it may fail even where all is well, and what it did stands

    def with_extra(self, **extra: str) -> Playbook:
        return dataclasses.replace(self, extra=self.extra | extra)


@dataclasses.dataclass(frozen=True)
class Both:
    """Two playbooks, started at the same moment by two persons, each with an inventory of his own."""

    first: Playbook
    second: Playbook


Action = Tasks | Shell | Playbook | Both
