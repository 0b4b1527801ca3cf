# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Playbooks and modules, run as a user runs them, and who holds a VIP."""

from __future__ import annotations

import datetime
import json
import os
import re
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

REPOSITORY = Path(__file__).parents[3]
INVENTORY = REPOSITORY / "inventory/lab"
PAIR = ("lb1", "lb2")
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "pacs.loadbalancer"


@dataclass
class Played:
    """What a playbook did: its exit code, its output on one line a paragraph, and the changed tasks of each host."""

    code: int
    said: str = field(repr=False)
    changed: dict[str, int]


def ansible(*command, **environment):
    variables = {
        **os.environ,
        "ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg"),
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_FORCE_COLOR": "0",
        **environment,
    }
    return subprocess.run(
        command,
        cwd=REPOSITORY,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def play(playbook, *arguments, inventory=INVENTORY, environment=None, **variables):
    """Run one of the collection's playbooks; variables are given as extra variables."""
    extra = ["--extra-vars", json.dumps(variables)] if variables else []
    command = ("ansible-playbook", "--inventory", str(inventory), f"playbooks/{playbook}.yml", *arguments, *extra)
    done = ansible(*command, **(environment or {}))
    recap = re.findall(r"^(\S+) +: ok=\d+ +changed=(\d+)", done.stdout, re.MULTILINE)
    return Played(done.returncode, re.sub(r"\s+", " ", done.stdout), {name: int(changed) for name, changed in recap})


def module(host, name, **parameters):
    """The result of one module, run on a host of the lab as a playbook would run it."""
    arguments = ["--args", json.dumps(parameters)] if parameters else []
    command = ("ansible", "--inventory", str(INVENTORY), host, "--module-name", name, *arguments, "--become")
    done = ansible(*command, ANSIBLE_CALLBACK_RESULT_FORMAT="json")
    return json.JSONDecoder().raw_decode(done.stdout[done.stdout.index("=> {") + 3 :])[0]


def until(condition, seconds):
    """Poll a condition; return whether it held within so many seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True


def holds(host, vip):
    return f" {vip}/" in host.check_output("ip -oneline address")


@contextmanager
def owners(lab, vip):
    """Who has the address meanwhile, as the kernels say.

    When the block ends it is filled: ``both``, for how long two had it, and ``nobody``, for how long at most none had
    it, in seconds.
    """
    seen: dict[str, float] = {}
    for name in PAIR:
        lab[name].check_output(
            "systemd-run --unit lab-owners --collect sh -c 'ip -ts -oneline monitor address > /run/lab-owners'"
        )
    began = time.time()
    yield seen
    moments = []
    for name in PAIR:
        lab[name].check_output("systemctl stop lab-owners")
        here = holds(lab[name], vip)
        lines = [line for line in lab[name].check_output("cat /run/lab-owners").splitlines() if f" {vip}/" in line]
        first = "Deleted" in lines[0] if lines else here
        moments += [(began, 1)] if first else []
        for line in lines:
            moment = datetime.datetime.fromisoformat(line[1 : line.index("]")]).replace(tzinfo=datetime.UTC)
            moments.append((moment.timestamp(), -1 if "Deleted" in line else 1))
    number, since, seen["both"], seen["nobody"] = 0, began, 0.0, 0.0
    for moment, change in sorted([*moments, (time.time(), 0)]):
        if number > 1:
            seen["both"] += moment - since
        elif number == 0 and since > began:
            seen["nobody"] = max(seen["nobody"], moment - since)
        number, since = number + change, moment


def the_holder(lab, vip):
    holders = [name for name in PAIR if holds(lab[name], vip)]
    assert len(holders) == 1, f"{vip} is held by {holders}"
    return holders[0]
