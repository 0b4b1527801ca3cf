# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run every test: a line for each that passes, the whole output of each that fails, their number, and last, for those
who see only the end of a log, what took the time and what each failure said.

The labs of the tests are removed afterwards, even if one fails or the run is interrupted; the demo's stays.
"""

from __future__ import annotations

import itertools
import os
import pathlib
import re
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

LOGS = pathlib.Path(".build/log")
SIDE_BY_SIDE = 2


# `make test-all` alone has these.
LATER = set() if os.environ.get("ALL") else {"ipv6"}
SCENARIOS = sorted({path.parent.name for path in pathlib.Path("molecule").glob("*/molecule.yml")} - LATER)
WITH_LAB = {"tower": ["make", "tower"]} | {
    name: ["make", "scenario", f"NAME={name}"] for name in SCENARIOS
}  # each in the lab of its name
# One pair is deployed by the newest ansible-core that there is; the oldest is that of `tower`.
WITH_LAB["failover"] = ["make", "matrix", "ONLY=newest", "TARGETS=scenario", "NAME=failover"]
WITHOUT_LAB = {"unit": ["make", "unit"]}
# None of these watches a clock: they take what the others leave of the processors.
BESIDE = {target: ["nice", "make", target] for target in ("lint", "artefact", "controller")}
BESIDE["matrix"] = ["nice", "make", "matrix", "ONLY=ends", "TARGETS=sanity unit-ansible artefact"]
# The longest first, so that the two ends of the run come close together; one that is not named here comes before them.
LONGEST_FIRST = ("default", "associations", "unit", "history", "doors", "failover", "single", "eyes", "tower")
# A lab of its own addresses, but for this one: the demo's.
LIKE_THE_DEMO = "eyes"

# What Ansible prints of a task that failed, up to the next one.
FATAL = re.compile(r"^fatal: .*?(?=^(?:TASK|PLAY|RUNNING|NO MORE) |\Z)", re.MULTILINE | re.DOTALL)
SAID_AT_MOST = 700  # characters


class Run:
    """The processes that are running."""

    def __init__(self):
        self.lock = threading.Lock()
        self.running = set()
        self.interrupted = False
        self.failed = []
        self.took = {}

    def test(self, name, command):
        """Run one test to its end and return whether it passed."""
        started = time.monotonic()
        log = LOGS / f"{name}.log"
        with log.open("w") as output:
            with self.lock:
                if self.interrupted:
                    return False
                process = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
                )
                self.running.add(process)
            code = process.wait()
        with self.lock:
            self.running.remove(process)
            if self.interrupted:
                return False
            self.took[name] = time.monotonic() - started
            if code != 0:
                self.failed.append(name)
                print(f"{name}: FAILED, with this output:\n{log.read_text(errors='replace')}{name}: end of its output")
            print(f"{name}: {'passed' if code == 0 else 'failed'} after {self.took[name]:.0f} s", flush=True)
        return code == 0

    def interrupt(self, signum, frame):
        """End what is running, as whoever sent the signal wants."""
        with self.lock:
            self.interrupted = True
            for process in self.running:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGTERM)


def why(log):
    """Return the ends of what the task of Ansible said that failed last, or the end of the log."""
    failures = [text.strip() for text in FATAL.findall(log) if not text.rstrip().endswith("...ignoring")]
    if not failures:
        return log.strip()[-SAID_AT_MOST:]
    said, half = failures[-1], SAID_AT_MOST // 2
    return said if len(said) <= SAID_AT_MOST else f"{said[:half]} [...] {said[-half:]}"


def main():
    """Run all, clean up, and return the exit code."""
    os.environ["NO_COLOR"] = "1"
    os.environ.pop("FORCE_COLOR", None)
    LOGS.mkdir(parents=True, exist_ok=True)
    if subprocess.run(["podman", "network", "exists", "pacs-demo"], check=False).returncode == 0:
        print(
            f"{LIKE_THE_DEMO} is left out: the demo's lab has its addresses. To try it as well: make down", flush=True
        )
        del WITH_LAB[LIKE_THE_DEMO]
    timed = WITH_LAB | WITHOUT_LAB
    order = sorted(timed, key=lambda name: LONGEST_FIRST.index(name) if name in LONGEST_FIRST else -1)
    timed = {name: timed[name] for name in order}
    tests = timed | BESIDE
    run = Run()
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, run.interrupt)
    print(f"Running {', '.join(tests)}; their output is in {LOGS}", flush=True)
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool, ThreadPoolExecutor(1) as beside:
        ended = [pool.map(run.test, timed, timed.values()), beside.map(run.test, BESIDE, BESIDE.values())]
    passed = sum(itertools.chain(*ended))
    subprocess.run(["tools/down.sh", *WITH_LAB], check=True)
    if run.interrupted:
        print("interrupted")
    slowest = sorted(run.took, key=run.took.get, reverse=True)
    print(f"What took the time: {', '.join(f'{name} {run.took[name]:.0f} s' for name in slowest)}")
    print(f"{passed} passed, {len(tests) - passed} failed")
    for name in run.failed:
        print(f"{name} said last: {why((LOGS / f'{name}.log').read_text(errors='replace'))}")
    return 0 if passed == len(tests) else 1


if __name__ == "__main__":
    sys.exit(main())
