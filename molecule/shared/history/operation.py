# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an operation is: what it does, when it is possible, what is believed then, and what it may break."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

from .actions import Action, Both, Playbook, Shell
from .belief import Belief


@dataclasses.dataclass(frozen=True)
class Excuses:
    """What an operation may break."""

    broken: str = (
        ""  # associations: those that are `proxied` (layer 7), those of the `node` that is the place, or `all`
    )
    newcomers: int = (
        0  # visits and associations that came within the mirror's lag, or that the place itself was serving
    )
    owners: bool = False  # two load balancers may have the VIP, until the operation is undone
    silent: bool = False  # the place takes connections and does not answer: its clients' newcomers may fail
    nodes: bool = False  # clients may come to another node


NODES = ("pacs1", "pacs2")
NOTHING = Excuses()
LOSS = Excuses(broken="proxied", newcomers=3)
NODE = Excuses(broken="node", newcomers=15, nodes=True)
JOIN = Excuses(nodes=True)  # of a node that comes or goes in order, nothing breaks
CUT = Excuses(broken="node", nodes=True)  # nobody comes to it any more by then


@dataclasses.dataclass(frozen=True)
class Operation:
    does: tuple[Action, ...]
    possible: Callable[[Belief], bool] = lambda _belief: True
    after: Mapping[str, object] = dataclasses.field(default_factory=dict)  # what is believed then
    places: tuple[str, ...] = ("",)
    values: tuple[str, ...] = ("",)
    weight: int = 2
    excuses: Excuses = NOTHING
    visible: bool = False  # whether status must see it, until it is undone
    mended: bool = False  # by a deployment, too
    cuts: bool = False  # whether the place is out of everybody's reach from then on
    undoes: tuple[str, ...] = ()  # the operations whose place is this one's, and which stand until then

    @property
    def runs(self) -> set[str]:
        """Names of the playbooks that it runs."""
        playbooks = [action for action in self.does if isinstance(action, Playbook)]
        both = [action for action in self.does if isinstance(action, Both)]
        return {playbook.name for playbook in playbooks + [one for two in both for one in (two.first, two.second)]}


def fault(
    name: str,
    *does: Action,
    undo: tuple[Action, ...],
    undo_excuses: Excuses = NOTHING,
    kind: str = "fault",
    possible: Callable[[Belief], bool] = lambda belief: not belief.faulty,
    **more,
) -> dict[str, Operation]:
    """A fault of a load balancer, and what undoes it. kind: what a belief has it as, which is another one where it may
    come while a fault stands.
    """
    options = {"places": ("holder", "other"), "visible": True, **more}
    begun = Operation(does, possible, {kind: name}, **options)
    ended = Operation(
        undo, lambda belief: getattr(belief, kind) == name, {kind: ""}, weight=12, excuses=undo_excuses, undoes=(name,)
    )
    return {name: begun, f"{name}_undone": ended}


def node_fault(name: str, *does: Action, **more) -> dict[str, Operation]:
    """The same for a node."""
    return fault(
        name,
        *does,
        kind="node_fault",
        possible=lambda belief: not (belief.node_fault or belief.out or belief.sole),
        places=NODES,
        weight=1,
        **more,
    )


def on_host(*commands: str, **more) -> Operation:
    """What happens to a load balancer in an instant, and mends itself."""
    return Operation(tuple(Shell(command) for command in commands), places=("holder", "other"), **more)
