# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The faults of the drill, and the figures to reach (docs/design.md, "Figures to reach")."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

# Seconds after which another host serves, by the failover profile. For `conservative` there is no figure.
LOST_HOST = {"standard": 0.9, "fast": 0.4}
# Seconds that an association may pause at layer 4.
PAUSE = {"standard": 1.2}
PLANNED_PAUSE = 0.2


def always(seconds: float) -> dict[str, float]:
    return dict.fromkeys(("standard", "fast", "conservative"), seconds)


@dataclass(frozen=True)
class Fault:
    """What is done to the load balancer that holds the VIP.

    ``does``: continues a sentence that begins with its name. ``silence``: seconds that the web may be silent, by the
    failover profile. ``planned``: no request fails and no association breaks, at either layer.
    ``forgets``: what it wrote last, or all of it, may be lost.
    """

    title: str
    does: str
    silence: Mapping[str, float] = field(default_factory=dict)
    planned: bool = False
    forgets: bool = False


FAULTS = {
    "switchover": Fault("Planned switchover", "hands the VIP over", planned=True),
    "keepalived_stopped": Fault("Keepalived stopped", "has its Keepalived stopped", always(0.1)),
    "haproxy_killed": Fault("HAProxy killed", "has its HAProxy killed, and kept down", always(0.1)),
    "haproxy_hung": Fault("HAProxy hangs", "has its HAProxy stopped by a signal, so that it hangs", always(2.5)),
    "cut_off": Fault("Cut off", "neither sends nor receives anything on the interfaces of the VIP", LOST_HOST),
    "reboot": Fault("Rebooted", "reboots", always(0.1), forgets=True),
}
