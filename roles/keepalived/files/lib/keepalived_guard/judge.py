# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What follows from the advertisements that are heard and from the answers of the neighbours; pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Mapping

from .advert import Advert, Announced

# Advertisements that a peer may miss before what it announced counts no more. A host that takes a new router id is
# silent for three; until it is heard again, nobody else may take the VIP.
SILENCE = 6
# Seconds for which two hosts may announce themselves, until one of them gives way: a takeover, or a network that heals.
TAKEOVER = 2.0
# Seconds: for as long a host that has just taken the VIP may have to give it back.
YOUNG = 1.0


class Judge:
    """What the peers announce. Each time is one of time.monotonic()."""

    def __init__(self) -> None:
        self._heard: dict[str, tuple[Advert, float]] = {}
        self._first_heard: dict[str, float] = {}
        self._beside_since: dict[str, float] = {}
        self._answered: Mapping[str, Collection[str]] = {}
        self._gave_up: float | None = None

    def hear(self, source: str, advert: Advert, now: float) -> None:
        """A peer has announced itself, or given the VIP up: that is not the end of what it announced before, since a
        reload with another router id begins so.
        """
        if not advert.priority:
            self._gave_up = now
        else:
            self._heard[source] = advert, now
            self._first_heard.setdefault(source, now)

    def announcing(self, now: float) -> dict[str, Advert]:
        """The peers that announce themselves, and how."""
        self._heard = {
            source: (advert, when)
            for source, (advert, when) in self._heard.items()
            if now - when <= SILENCE * advert.interval
        }
        self._first_heard = {source: self._first_heard[source] for source in self._heard}
        return {source: advert for source, (advert, _when) in self._heard.items()}

    def last_heard(self) -> float:
        """When a peer has announced itself last; 0 for never."""
        return max((when for _advert, when in self._heard.values()), default=0.0)

    def gave_up(self, now: float) -> bool:
        """Has a peer just given the VIP up by itself, and not fallen silent?"""
        return self._gave_up is not None and now - self._gave_up < TAKEOVER

    def difference(self, own: Collection[Announced], former: Collection[str], now: float) -> str:
        """Say which peer announces something else than this host has; empty where none does.

        ``own``: what is written here, and what runs here. ``former``: peers of before, whom Keepalived hears no more.
        """
        for source, advert in self.announcing(now).items():
            if source in former:
                return f"{source} announces the {advert.announced}, and is no peer of this host any more"
            for here in own:
                if advert.announced != here:
                    return f"{source} announces the {advert.announced}, and this host has the {here}"
        return ""

    def gives_way(self, address: str, age: float | None, now: float) -> bool:
        """Must this host keep from the VIP, while peers announce something else?

        ``address``: its own. ``age``: for how many seconds it has had the VIP, None where it has not. One that has had
        it for a while keeps it. Of two that have just taken it, each not hearing the other, the lower address gives
        way, and so does one that took it from a peer that was there before.
        """
        if age is None or age > YOUNG:
            return age is None
        return any(
            _number(address) < _number(source) or now - self._first_heard[source] > age + advert.interval
            for source, advert in self.announcing(now).items()
        )

    def two_owners(self, has_vip: bool, now: float) -> str:
        """Say who else announces itself while this host has the VIP, for longer than a takeover lasts."""
        announcing = self.announcing(now) if has_vip else {}
        last = {source: self._heard[source][1] for source in announcing}
        self._beside_since = {source: self._beside_since.get(source, when) for source, when in last.items()}
        for source, since in self._beside_since.items():
            # One advertisement is remembered for longer than that: it goes on only while others follow.
            if last[source] - since > max(TAKEOVER, 3 * announcing[source].interval):
                return f"{source} announces the {announcing[source].announced} while this host has the VIP"
        return ""

    def two_answers(self, answers: Mapping[str, Collection[str]]) -> str:
        """Say who else answers for a VIP of this host, twice in a row: the first time it may have been about to go.

        ``answers``: by VIP, the MAC addresses of others.
        """
        before, self._answered = self._answered, answers
        for vip, macs in answers.items():
            again = sorted(set(macs) & set(before.get(vip, ())))
            if again:
                return f"{', '.join(again)} answers for {vip} as well"
        return ""


def _number(address: str) -> int:
    return int(ipaddress.ip_address(address)) if address else 0
