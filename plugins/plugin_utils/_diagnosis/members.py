# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules about who is a load balancer: one that was forgotten, and one that is to go."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis import daemons, vip
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis.observed import Observed, Site
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis.problem import Problem
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis.reading import holders
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._phrases import listed


def forgotten(site: Site) -> Iterator[Problem]:
    """One that was taken out of the inventory and still runs: it would hear nobody, and take the VIP."""
    for address, names in site["strangers"].items():
        yield Problem(
            "peer_forgotten",
            address,
            f"{address} is still a peer of {listed(names)}, and no load balancer of the inventory has this address.",
            "Put it back into the inventory, remove it with playbooks/remove_loadbalancer.yml, and then take it out.",
        )


class Removal:
    """The removal of one load balancer.

    ``leaving``: what was asked for; ``dead``: whether it is said to be gone. ``observed``: ``haproxy`` and
    ``keepalived`` of each that was reached, and where it is dead ``owners`` and ``macs``.
    """

    def __init__(self, site: Site, observed: Observed, leaving: str | None, dead: bool) -> None:
        self.site, self.observed, self.leaving, self.dead = site, observed, leaving, dead
        self.staying = [peer["name"] for peer in site["peers"] if peer["name"] != leaving]
        self.left = {name: host for name, host in observed.items() if name != leaving}
        self.vips = list(dict.fromkeys(service["address"] for service in site["services"]))

    def refusals(self, force: bool) -> Iterator[str]:
        """Why it was not asked for rightly. ``force``: the last one may go as well."""
        names = [peer["name"] for peer in self.site["peers"]]
        if self.leaving not in names:
            said = f"is {self.leaving}, which no load balancer is called" if self.leaving else "is not set"
            yield f"infinitt_host {said}; name the one to remove: {' or '.join(names)}."
            return
        reached = self.leaving in self.observed
        if not reached and not self.dead:
            yield (
                f"{self.leaving} cannot be reached, so it cannot be stopped; bring it back, or set infinitt_dead: true"
                " if that machine is gone for good."
            )
        if reached and self.dead:
            yield f"infinitt_dead is true, and {self.leaving} answers; leave it unset."
        if not self.staying and self.dead:
            yield f"{self.leaving} is the last load balancer, so nobody has to forget it; take it out of the inventory."
        elif not self.staying and not force:
            yield (
                f"{self.leaving} is the last load balancer, and without it nobody serves the VIP; set infinitt_force:"
                " true to uninstall it."
            )
        elif self.dead:
            yield from self._alive()

    def _alive(self) -> Iterator[str]:
        """Whether a machine that is said to be dead answers on the network."""
        known = {mac.lower() for host in self.left.values() for mac in host["macs"]}
        own = [peer["address"] for peer in self.site["peers"] if peer["name"] == self.leaving]
        said = set()
        for name, host in self.left.items():
            for answers in host["owners"].values():
                for address in (*own, *self.vips):
                    for mac in {mac.lower() for mac in answers.get(address, [])} - known:
                        if address not in said:
                            said.add(address)
                            yield (
                                f"infinitt_dead is true, and {mac} answers {name} for {address}, which {self.leaving}"
                                f" has; switch {self.leaving} off first."
                            )

    def problems(self) -> Iterator[Problem]:
        """Why those that stay could not serve without it."""
        yield from daemons.unreachable(self.staying, self.observed)
        for name, host in self.left.items():
            yield from daemons.haproxy(name, host)
            yield from daemons.keepalived(name, host)
            yield from vip.removed(name, host)

    def plan(self) -> list[str]:
        """What will be done, in order."""
        steps = []
        if not self.dead:
            held = [vip for vip in self.vips if self.leaving in holders(self.observed, vip)]
            if held and self.staying:
                steps.append(f"{self.leaving} hands the VIP {listed(held)} over to {' or '.join(self.staying)}.")
            elif held:
                steps.append(f"{self.leaving} gives up the VIP {listed(held)}, and nobody serves it any more.")
            steps.append(
                f"On {self.leaving}, Keepalived, forwarding by the kernel and HAProxy are stopped and disabled, and"
                " what was deployed is removed. Packages stay."
            )
        if self.staying:
            steps.append(f"{listed(self.staying)} forget{'s' * (len(self.staying) == 1)} {self.leaving}, by a reload.")
        steps.append(f"Then take {self.leaving} out of the inventory, or the next playbooks/site.yml deploys it again.")
        return steps
