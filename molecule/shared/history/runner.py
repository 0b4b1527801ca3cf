# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does the steps to the lab under traffic, and writes the history down."""

from __future__ import annotations

import dataclasses
import json
import threading
import time
from collections.abc import Iterable
from typing import TextIO

from . import checker, generator
from .actions import Action, Both, Playbook, Shell, Tasks
from .belief import Belief, Step
from .checker import Context, Violation
from .generator import Operations
from .lab import Lab
from .operation import Operation
from .operations import THIRD_REMOVED
from .sampler import Sampler

PLAYBOOK_AT_MOST = 600  # seconds: a machine may be busy; what hangs takes longer
WHOLE_AT_MOST = 60  # seconds until all is well again
HALF_AT_MOST = 15  # seconds that a pair is given to become whole, of which that is not promised
ANSWERED_AT_MOST = 40  # seconds until each association has had an answer, or has ended
JOINS_FOR = 45  # seconds after a step in which a node came back: it takes its clients within 30 s


# By association, the nodes of each client before and after the step in which it was opened. It stays on its node, also
# where its client's next one goes to another.
Opened = dict[int, tuple[dict[str, list[str]], dict[str, list[str]]]]


class Runner:
    """belief: what is true of the lab at the beginning; history: the file that is written; opened: what is known of the
    associations that are open.
    """

    def __init__(
        self, lab: Lab, operations: Operations, belief: Belief, history: TextIO, opened: Opened | None = None
    ) -> None:
        self._lab, self._operations, self._belief = lab, operations, belief
        self._opened = {} if opened is None else opened
        self.steps: list[Step] = []
        self._file = history
        self._lock = threading.Lock()
        self._events: list[dict] = []  # of this step
        self._placed: dict[str, list[str]] = {}  # the nodes of each client
        self._open: dict[str, str] = {}  # the places of operations that have not been undone
        self._mended: set[str] = set()  # those of them that a deployment has
        self._joined = 0.0  # when a node came back last
        self._sampler = Sampler(lab.pid_files(), lab.vips, self.note)

    def __enter__(self) -> Runner:
        missing = self._observe(wait="whole", seconds=WHOLE_AT_MOST, ask={"do": "ready"})["missing"]
        if missing:
            raise RuntimeError(f"The load balancers are not whole: {'; '.join(missing)}")
        self._placed = self._observe(ask={"do": "report", "since": 0})["paths"]["nodes"]
        self._lab.journal()
        self._sampler.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._sampler.stop()

    def run(self, steps: Iterable[Step], until: float) -> list[Violation]:
        """Do the steps, until one breaks a promise or the time is over; return what was broken."""
        for step in steps:
            if time.time() > until:
                break
            violations = self.step(step)
            if violations:
                return violations
        return []

    def heal(self) -> list[Violation]:
        """Undo everything."""
        return self.run(list(generator.healing(self._belief, self._operations)), float("inf"))

    def reset(self) -> None:
        """Undo what still stands, and deploy the inventory as it was at first, whatever is broken."""
        for operation in self._operations.values():
            for name in set(operation.undoes) & set(self._open):
                for action in operation.does:
                    self._do(action, Step(name), self._open[name], must=False)
        self._lab.site = {}
        for guest in sorted(self._lab.guests):
            for playbook in (Playbook(third=True), THIRD_REMOVED):
                self._lab.start(playbook, "reset", host=guest).end(PLAYBOOK_AT_MOST)
        self._lab.guests.clear()
        self._lab.start(Playbook(), "reset").end(PLAYBOOK_AT_MOST)
        self._lab.serve(Playbook(), Step("reset"), "")

    def step(self, step: Step) -> list[Violation]:
        """Do one step, say how it went, and return what was broken."""
        began = time.time()
        operation, before = self._operations[step.name], self._belief
        self._belief = generator.after(step, before, self._operations)
        self.steps.append(step)
        with self._lock:
            self._events = []
        host = self._place(step, operation)
        standing, cut = set(self._open), self._cut()
        owners = any(self._operations[name].excuses.owners for name in self._open)
        joining = began - self._joined < JOINS_FOR
        self.note("step", step=str(step), host=host)
        # A host is out of reach at some time within its action: it is not counted from before that to after it.
        if operation.cuts:
            self.note("cut", host=host)
        for action in operation.does:
            self._do(action, step, host, must=before.whole or step.name == "completed")
        for name in operation.undoes:
            if self._open.pop(name, None) in cut:
                self.note("join", host=host)
        if any(step.name in other.undoes for other in self._operations.values()):
            self._open[step.name] = host
            self._mended.discard(step.name)
        self._settle()
        self._note_all(self._lab.journal())
        context = Context(
            layer=max(before.layer, self._belief.layer),
            excuses=dataclasses.replace(
                operation.excuses,
                owners=operation.excuses.owners or owners,
                nodes=operation.excuses.nodes or joining,
            ),
            whole=self._belief.whole,
            faulty=any(self._operations[name].visible for name in (standing & set(self._open)) - self._mended),
            node=host,
            placed=self._placed,
            opened_on=self._opened_on(),
            cut=sorted(cut),
        )
        self.note("context", **dataclasses.asdict(context))
        violations = checker.check(self._events, context)
        self._placed = self._placed | checker.of(self._events, "placed")[-1]["nodes"]
        if violations:
            self._lab.keep_evidence(f"{len(self.steps):02}-{step.name}")
        if operation.excuses.nodes and operation.undoes:
            self._joined = time.time()
        verdict = "; ".join(map(str, violations)) or "as promised"
        print(f"{len(self.steps):3} {step!s:28} {host:6} {time.time() - began:4.0f} s  {verdict}", flush=True)
        return violations

    def _opened_on(self) -> dict[str, list[str]]:
        """Return the nodes on which the associations may be that this step has broken."""
        before, after = self._placed, checker.of(self._events, "placed")[-1]["nodes"]
        self._opened |= {event["number"]: (before, after) for event in checker.of(self._events, "opened")}
        return {
            str(event["number"]): sorted({node for nodes in known for node in nodes.get(event["client"], ())})
            for event in checker.of(self._events, "broken")
            if (known := self._opened.get(event["number"]))
        }

    def count(self) -> None:
        """Note which associations are open, as the traffic itself counts them."""
        self._observe(ask={"do": "count"})
        self._note_all(self._lab.journal())

    def note(self, event: str, **more) -> None:
        self._note_all([{"t": time.time(), "event": event, **more}])

    def _note_all(self, events: list[dict]) -> None:
        with self._lock:
            self._events += events
            self._file.writelines(json.dumps(event) + "\n" for event in events)

    def _observe(self, **wanted) -> dict:
        return self._lab.observe(self._belief.layer, **wanted)

    def _cut(self) -> set[str]:
        """Return the hosts that are out of everybody's reach."""
        return {host for name, host in self._open.items() if self._operations[name].cuts}

    def _place(self, step: Step, operation: Operation) -> str:
        """Return the host that the step is for, as things stand now."""
        if step.at in ("holder", "other"):
            holder = self._observe(wait="holder", seconds=10)["holder"] or self._lab.balancers[0]
            return holder if step.at == "holder" else next(host for host in self._lab.balancers if host != holder)
        return step.at or next((self._open[name] for name in operation.undoes if name in self._open), "")

    def _do(self, action: Action, step: Step, host: str, must: bool) -> None:
        match action:
            case Tasks(name, everywhere):
                self._lab.fault(name, self._lab.balancers if everywhere else [host])
            case Shell(command):
                self._lab.execute(host, self._lab.fill(command, step, host))
            case Playbook():
                may_refuse = must and self._belief.layer in action.may_refuse
                self._play([action], step, host, must and not (may_refuse or action.may_stop), may_refuse)
            case Both(first, second):
                self._play([first, second], step, host, must=False, may_refuse=True)

    def _play(self, playbooks: list[Playbook], step: Step, host: str, must: bool, may_refuse: bool) -> None:
        """Run playbooks side by side. may_refuse: if one fails, it has refused."""
        before = self._lab.look()
        running = [
            self._lab.start(playbook, f"{len(self.steps):02}-{step.name}-{number}", step, host)
            for number, playbook in enumerate(playbooks)
        ]
        ended = [run.end(PLAYBOOK_AT_MOST) for run in running]
        after = self._lab.look()
        differing = {key for key in before | after if before.get(key) != after.get(key)}
        for playbook, run, end in zip(playbooks, running, ended):
            # Who is refused takes back what he wrote into the inventory.
            if end["killed"] or (end["code"] == 0 and "--check" not in playbook.options):
                self._lab.site, self._lab.former = self._lab.former if playbook.back else run.site, self._lab.site
            if end["code"] == 0:
                self._lab.serve(playbook, step, host)
                if playbook.name == "site" and "--check" not in playbook.options:
                    self._mended |= {name for name in self._open if self._operations[name].mended}
            if "--check" in playbook.options:
                end["changed"] = {}  # what it would change
            self.note(
                "run",
                playbook=playbook.name,
                **end,
                must=must,
                may_refuse=may_refuse,
                unchanging=playbook.unchanging,
                alone=len(playbooks) == 1,
                missing=[] if end["code"] else self._observe(wait="whole", seconds=5)["missing"],
                differing=sorted(differing),
            )

    def _settle(self) -> None:
        """Wait until what the step caused has happened, and ask for it."""
        if self._belief.faulty:
            self._observe(wait="holder", seconds=10)
        else:
            seconds = WHOLE_AT_MOST if self._belief.whole else HALF_AT_MOST
            self.note("settled", missing=self._observe(wait="whole", seconds=seconds)["missing"])
        self._observe(ask={"do": "round", "seconds": ANSWERED_AT_MOST})
        seen = self._observe(ask={"do": "report", "since": time.time(), "silent": True})
        self.note("placed", nodes=seen["paths"]["nodes"])
        self._status()

    def _status(self) -> None:
        """Compare what status.yml says with what is the case; what has just changed may take it a moment."""
        for _attempt in range(3):
            before = self._observe()["missing"]
            end = self._lab.start(Playbook("status"), f"{len(self.steps):02}-status").end(PLAYBOOK_AT_MOST)
            after = self._observe()["missing"]
            if end["code"] == 0 or after or not self._belief.whole:
                break
        self.note("status", code=end["code"], said=end["said"], before=before, after=after)
