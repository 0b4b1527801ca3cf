# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks a history: events in, violations out. Pure, so that an old history can be checked again.

The events of one step, in the order of time `t` (seconds since the epoch), each with its kind in `event`:
  step      the step, whose operation says what it may break; `host` is where it was done
  cut, join the host is out of everybody's reach, and within it again
  sample    who has the VIP and who has the rules, by load balancer; a host that is away is in neither
  run       of a playbook: `code`, what it `said`, `changed` by host, the files and units that are `differing` since,
            what is `missing` to a whole pair; whether it was `killed`, ran `alone`, `must` say well, `may_refuse`, or
            has nothing to change (`unchanging`)
  settled   what is `missing` to a whole pair when there was time enough to become one
  status    of playbooks/status.yml: `code`, and what was `missing` before and after it
  placed    the `nodes` of each client
  context   what this is judged by: a Context
and those of the clients, see ../traffic/journal.py.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from .operation import Excuses

OWNERS_AT_MOST = 1.0  # seconds for which two may have the VIP
RULES_AT_MOST = 1.0  # seconds for which the holder may be without rules
# Clients of which a visit may come to another node while others come to their own, as happens where a SYN is lost
# (docs/layer4.md, Newcomers). Seen on an overloaded machine, once in 600 visits.
STRAYS_AT_MOST = 1
SETTLE = 1.0  # seconds after a cut has ended in which both may think that they have the VIP


@dataclasses.dataclass(frozen=True)
class Violation:
    promise: str
    text: str

    def __str__(self) -> str:
        return f"{self.promise}: {self.text}"


@dataclasses.dataclass(frozen=True)
class Context:
    """What a history is judged by: the excuses that hold, and what was there before it."""

    layer: int
    excuses: Excuses = Excuses()
    whole: bool = True  # whether the load balancers are believed to be well and alike at the end
    faulty: bool = False  # whether something is believed to be wrong throughout, so that status must fail
    node: str = ""  # the node that the excuses mean
    placed: dict[str, list[str]] = dataclasses.field(default_factory=dict)  # the nodes of each client before
    opened_on: dict[str, list[str]] = dataclasses.field(default_factory=dict)  # those of an association, by number
    cut: list[str] = dataclasses.field(default_factory=list)  # hosts that were out of reach before

    def excuses_broken(self, event: dict) -> bool:
        """May this association have been broken?"""
        match self.excuses.broken:
            case "proxied":
                return self.layer == 7
            case "node":
                return self.is_of_node(event)
        return self.excuses.broken == "all"

    def is_of_node(self, event: dict) -> bool:
        """Was this association's node the one that the excuses mean? If nobody saw it open: its client's node."""
        nodes = self.opened_on.get(str(event.get("number"))) or self.placed.get(event["client"], [self.node])
        return self.node in nodes


def check(events: list[dict], context: Context) -> list[Violation]:
    events = sorted(events, key=lambda event: event["t"])
    rules = (owners, without_rules, associations, acknowledged, nodes, playbooks, two_at_once, recovered, status)
    return [violation for rule in rules for violation in rule(events, context)]


def check_again(events: list[dict]) -> Iterator[tuple[str, list[Violation]]]:
    """Check a whole history, as it was written down; yield each step with what it broke."""
    part: list[dict] = []
    for event in events:
        part.append(event)
        if event["event"] == "context":
            judged = {field.name: event[field.name] for field in dataclasses.fields(Context)}
            context = Context(**judged | {"excuses": Excuses(**event["excuses"])})
            (step,) = (event["step"] for event in of(part, "step"))
            yield step, check(part, context)
            part = []


def of(events: list[dict], *kinds: str) -> list[dict]:
    return [event for event in events if event["event"] in kinds]


def longest(spells: list[tuple[float, bool]]) -> float:
    """Return the longest time for which something was so, given when it was seen to be so or not."""
    began, most = None, 0.0
    for t, so in spells:
        began = (t if began is None else began) if so else None
        most = max(most, t - began if began is not None else 0.0)
    return most


def owners(events: list[dict], context: Context) -> Iterator[Violation]:
    """Never two owners, but for a moment."""
    if context.excuses.owners:
        return
    cut = dict.fromkeys(context.cut, float("inf"))  # until when, by host
    spells, seen = [], set()
    for event in of(events, "cut", "join", "sample"):
        if event["event"] == "cut":
            cut[event["host"]] = float("inf")
        elif event["event"] == "join":
            cut[event["host"]] = event["t"] + SETTLE
        else:
            having = {host for host in event["vip"] if cut.get(host, 0) < event["t"]}
            spells.append((event["t"], len(having) > 1))
            seen |= having if len(having) > 1 else set()
    if longest(spells) > OWNERS_AT_MOST:
        yield Violation("two owners", f"{' and '.join(sorted(seen))} had the VIP for {longest(spells):.1f} s")


def without_rules(events: list[dict], context: Context) -> Iterator[Violation]:
    """Nobody is served by a host without rules."""
    if context.layer != 4:
        return
    samples = of(events, "sample")
    for host in sorted({host for sample in samples for host in sample["vip"]}):
        spell = longest([(sample["t"], host in sample["vip"] and host not in sample["rules"]) for sample in samples])
        if spell > RULES_AT_MOST:
            yield Violation("without rules", f"{host} had the VIP without the kernel's rules for {spell:.1f} s")


def associations(events: list[dict], context: Context) -> Iterator[Violation]:
    """None is broken, and nobody is refused, but what is excused."""
    broken = [event for event in of(events, "broken") if not context.excuses_broken(event)]
    allowed = context.excuses.newcomers
    young = [event for event in broken if event.get("answers", 0) == 0]
    old = [event for event in broken if event not in young]
    if old:
        some = "; ".join(f"{event['kind']} {event['number']}: {event['why']}" for event in old[:3])
        yield Violation("associations", f"{len(old)} broken, such as {some}")
    failed = of(events, "failed") + young
    if context.excuses.silent:
        failed = [event for event in failed if not context.is_of_node(event)]
    if len(failed) > allowed and context.excuses.broken != "all":
        some = "; ".join(f"{event['kind']} from {event['client']}: {event['why']}" for event in failed[:3])
        yield Violation("newcomers", f"{len(failed)} failed, and {allowed} may, such as {some}")


def acknowledged(events: list[dict], context: Context) -> Iterator[Violation]:
    """Whatever was acknowledged is found."""
    missing = [(event["study"], number) for event in of(events, "stored") for number in event["missing"]]
    if missing:
        yield Violation(
            "acknowledged", f"{len(missing)} images that were acknowledged are on no node, such as {missing[0]}"
        )


def nodes(events: list[dict], context: Context) -> Iterator[Violation]:
    """Each client keeps its node."""
    if context.excuses.nodes:
        return
    for event in of(events, "placed"):
        before = {client: context.placed.get(client, now) for client, now in event["nodes"].items()}
        strays = [client for client, now in event["nodes"].items() if set(before[client]) < set(now)]
        moved = [
            f"{client} from {' and '.join(before[client])} to {' and '.join(now)}"
            for client, now in event["nodes"].items()
            if not set(now) <= set(before[client]) and not (client in strays and len(strays) <= STRAYS_AT_MOST)
        ]
        if moved:
            yield Violation("nodes", f"{len(moved)} clients came to another node, such as {moved[0]}")


def playbooks(events: list[dict], context: Context) -> Iterator[Violation]:
    """Who said well left it well, a refusal changed nothing, and a second run changes nothing."""
    for run in of(events, "run"):
        name, changed = run["playbook"], sum(run["changed"].values())
        differing = ", ".join(run["differing"][:5])
        if run["killed"]:
            continue
        if run["code"] == 0 and context.whole and run["missing"]:
            yield Violation("said well", f"{name} said that all is well, but {'; '.join(run['missing'])}")
        if run["code"] != 0 and run["must"]:
            yield Violation("failed", f"{name} failed: {run['said']}")
        refused = run["code"] != 0 and (run.get("may_refuse") or not changed)
        if refused and differing and run["alone"]:
            yield Violation("refusal", f"{name} refused and changed {differing}")
        # What differs is the other one's work, unless this one says that it was at work too.
        if refused and changed and not run["alone"]:
            yield Violation("refusal", f"{name} was refused beside another run and changed {changed} things")
        if run["unchanging"] and run["code"] == 0 and (changed or differing):
            yield Violation("second run", f"{name} changed {changed} things: {differing}")


def two_at_once(events: list[dict], _context: Context) -> Iterator[Violation]:
    """Of two runs that begin together, one does its work."""
    runs = [run for run in of(events, "run") if not run["alone"]]
    if runs and all(run["code"] for run in runs):
        yield Violation("two at once", f"neither did its work: {'; '.join(run['said'] for run in runs)}")


def recovered(events: list[dict], context: Context) -> Iterator[Violation]:
    """What was undone leaves a whole pair."""
    for event in of(events, "settled"):
        if context.whole and event["missing"]:
            yield Violation("not whole", f"a minute later {'; '.join(event['missing'])}")


def status(events: list[dict], context: Context) -> Iterator[Violation]:
    """Status tells the truth."""
    for event in of(events, "status"):
        wrong = sorted(set(event["before"]) & set(event["after"]))
        if event["code"] == 0 and (wrong or context.faulty):
            yield Violation("status", f"status.yml says that all is well, but {'; '.join(wrong) or 'a fault stands'}")
        if event["code"] != 0 and context.whole and not (event["before"] or event["after"]):
            yield Violation("status", f"status.yml sees a problem where there is none: {event['said']}")
