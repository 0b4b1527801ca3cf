# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Go through the cycle of history/soak.py under traffic, with a Prometheus that watches; see that nothing grows, and
that each alert fires when it should and no other does.

usage: python3 -m soaking CONFIG [MINUTES]
CONFIG is JSON: see history/lab.py. What happened is written to .build/results/soak.json, one event a line. The exit
code is 1 where a promise was broken.
"""

from __future__ import annotations

import json
import pathlib
import sys
import tempfile
import time

import prometheus
from history import soak
from history.__main__ import available
from history.belief import Belief
from history.lab import REPOSITORY, Lab
from history.runner import Runner
from history.usage import Usage

RESULTS = REPOSITORY / ".build/results/soak.json"
MOMENTS = 5  # seconds: whether an alert fired is asked for every so many


def main(path: str, minutes: str = "60") -> int:
    config = json.loads(pathlib.Path(path).read_text())
    until = time.time() + float(minutes) * 60
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    with RESULTS.open("w", buffering=1) as history:
        lab = Lab(config)
        runner = Runner(lab, available(), Belief(config["layer"]), history)
        addresses = [config["addresses"][host] for host in lab.balancers]
        with (
            tempfile.TemporaryDirectory() as empty,  # else it would go on firing what fired in the run before
            prometheus.running(pathlib.Path(empty), addresses, alerts=1, looks=1) as watcher,
        ):
            broken = soak.soak(runner, Usage(lab.execute, lab.balancers, runner.note), watcher.firing, until)
            for name, moments in watcher.moments(watcher.began, MOMENTS).items():
                runner.note("fired", name=name, moments=moments, step=MOMENTS)
    # What leaks shows within half of the time.
    lines, wrong = soak.summary(RESULTS, float(minutes) * 30)
    failures = [*map(str, broken), *wrong]
    print(f"\n{len(runner.steps)} steps", *lines, f"Broken promises: {len(failures) or 'none'}", *failures, sep="\n")
    return bool(failures)


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
