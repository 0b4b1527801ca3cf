# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Playbooks and modules, run as a user runs them, and who holds a VIP."""

from __future__ import annotations

import datetime
import itertools
import json
import os
import re
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

REPOSITORY = Path(__file__).parents[3]
PAIR = ("lb1", "lb2")
AE = "INFINITT"
CONFIGURATION = (
    "find /etc/haproxy/haproxy.cfg /etc/keepalived/keepalived.conf /etc/layer4 -type f 2>/dev/null | sort"
    " | xargs sha256sum"
)
ASSOCIATION = {"port": 104, "check": "association", "interval": 100, "timeout": 5}
FORWARDED = os.environ.get("PACS_LAYER") == "4"
# What no planned move breaks. At layer 7 it would wait for the end of an association, and holds requests for a second.
UNBROKEN = ASSOCIATION if FORWARDED else {"timeout": 3}
STOP = "/run/lab-traffic-ends"
MEASURED: list[tuple[str, str]] = []  # what clients and kernels have seen, by test; shown at the end
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "pacs.loadbalancer"


@dataclass
class Played:
    """What a playbook did: its exit code, its output on one line a paragraph, and the changed tasks of each host."""

    code: int
    said: str = field(repr=False)
    changed: dict[str, int]


def inventory():
    """The lab, and what its scenario adds to it."""
    more = REPOSITORY / "molecule" / os.environ["PACS_LAB"] / "lab.yml"
    return ",".join(str(path) for path in (REPOSITORY / "inventory/lab", more) if path.exists())


@contextmanager
def started(*command, **environment):
    """A program of Ansible's, at work until the block ends; then it is waited for. ``said``: what it printed."""
    variables = {
        **os.environ,
        "ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg"),
        "ANSIBLE_INVENTORY": inventory(),
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_FORCE_COLOR": "0",
        **environment,
    }
    with subprocess.Popen(
        command,
        cwd=REPOSITORY,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        yield process


def ansible(*command, **environment):
    """Run a program of Ansible's; return its exit code and what it printed."""
    with started(*command, **environment) as process:
        said = process.communicate()[0]
    return process.returncode, said


def play(playbook, *arguments, environment=None, **variables):
    """Run one of the collection's playbooks; variables are given as extra variables."""
    extra = ["--extra-vars", json.dumps(variables)] if variables else []
    code, said = ansible("ansible-playbook", f"playbooks/{playbook}.yml", *arguments, *extra, **(environment or {}))
    assert "[DEPRECATION WARNING]" not in said, said
    recap = re.findall(r"^(\S+) +: ok=\d+ +changed=(\d+)", said, re.MULTILINE)
    return Played(code, re.sub(r"\s+", " ", said), {name: int(changed) for name, changed in recap})


def module(host, name, **parameters):
    """The result of one module, run on a host of the lab as a playbook would run it."""
    arguments = ["--args", json.dumps(parameters)] if parameters else []
    command = ("ansible", host, "--module-name", name, *arguments, "--become")
    return result(ansible(*command, ANSIBLE_CALLBACK_RESULT_FORMAT="json")[1])


def result(said):
    """The result of a module in what `ansible` printed of it."""
    return json.JSONDecoder().raw_decode(said[said.index("=> {") + 3 :])[0]


@contextmanager
def traffic(lab, vip, **more):
    """vip_probe on the modality, which asks already, until the block ends; the mapping that it gives is filled then."""
    lab["modality"].check_output(f"rm --force {STOP}")
    before = waiting(lab["modality"])
    arguments = {"address": vip, "port": 80, "check": "http", "duration": 600, "stop_file": STOP, **more}
    command = ("ansible", "modality", "--module-name", "pacs.loadbalancer.vip_probe", "--args", json.dumps(arguments))
    seen = {}
    with started(*command, ANSIBLE_CALLBACK_RESULT_FORMAT="json") as probe:
        try:
            begun = until(lambda: waiting(lab["modality"]) > before or probe.poll() is not None, 60)
            assert begun, "the probe has not begun within a minute"
            yield seen
        finally:
            lab["modality"].check_output(f"touch {STOP}")
        seen.update(result(probe.communicate()[0]))
    assert seen["requests"], "nothing was asked, so nothing is known"
    measured(
        f"{arguments['check']}, port {arguments['port']}: {seen['failures']} of {seen['requests']} failed,"
        f" longest wait {seen['latency_ms']['max']} ms"
    )


def waiting(host):
    """How many loops of events run there (epoll(7)): a probe's is the next one."""
    return int(host.run("ls -l /proc/[0-9]*/fd 2>/dev/null | grep --count eventpoll").stdout)


def haproxy(host, command):
    """What HAProxy says on its socket."""
    return host.check_output(
        'python3 -c \'import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect("/run/haproxy/admin.sock");'
        ' s.sendall(sys.argv[1].encode() + bytes([10])); print("".join(iter(lambda: s.recv(65536).decode(), "")))\' %s',
        command,
    )


def header(answer, name):
    (value,) = re.findall(rf"^{name}: (.*?)\r?$", answer, re.MULTILINE | re.IGNORECASE)
    return value


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
    it, in seconds; and ``moves``, how often one of them got it from the other one.
    """
    seen: dict[str, float] = {}
    for name in PAIR:
        lab[name].check_output(
            "systemd-run --unit lab-owners --collect sh -c 'ip -ts -oneline monitor address > /run/lab-owners'"
        )
    began = time.time()
    yield seen
    moments, taken = [], []
    for name in PAIR:
        lab[name].check_output("systemctl stop lab-owners")
        here = holds(lab[name], vip)
        lines = [line for line in lab[name].check_output("cat /run/lab-owners").splitlines() if f" {vip}/" in line]
        first = "Deleted" in lines[0] if lines else here
        its = [(began, 1)] if first else []
        for line in lines:
            moment = datetime.datetime.fromisoformat(line[1 : line.index("]")]).replace(tzinfo=datetime.UTC)
            its.append((moment.timestamp(), -1 if "Deleted" in line else 1))
        moments += its
        taken += [(moment, name) for moment, change in its if change > 0]
    seen["moves"] = sum(former[1] != later[1] for former, later in itertools.pairwise(sorted(taken)))
    number, since, seen["both"], seen["nobody"] = 0, began, 0.0, 0.0
    for moment, change in sorted([*moments, (time.time(), 0)]):
        if number > 1:
            seen["both"] += moment - since
        elif number == 0 and since > began:
            seen["nobody"] = max(seen["nobody"], moment - since)
        number, since = number + change, moment
    measured(f"the VIP: two owners for {seen['both']:.2f} s, none for {seen['nobody']:.2f} s")


def measured(what):
    MEASURED.append((os.environ["PYTEST_CURRENT_TEST"].split("::")[-1].split(" ")[0], what))


def other(holder):
    return next(name for name in PAIR if name != holder)


def the_holder(lab, vip):
    holders = [name for name in PAIR if holds(lab[name], vip)]
    assert len(holders) == 1, f"{vip} is held by {holders}"
    return holders[0]
