# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab of the benchmark: what it is asked, and what is done to it."""

from __future__ import annotations

import collections
import json
import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Callable

HERE = pathlib.Path(__file__).parent
LOOK = HERE.parent / "molecule/shared/files/load_balancer.py"
UNITS = ["haproxy", "layer4", "conntrackd", "keepalived"]


def run(*command: str, given: str | None = None) -> str:
    done = subprocess.run(command, input=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} exited with {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def wait(what: str, seconds: float, done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            sys.exit(f"Not so after {seconds} s: {what}.")
        time.sleep(0.2)


class Lab:
    """The hosts of a lab that prepare.yml has described (``who``), and a program on the modality that makes traffic."""

    def __init__(self, who: dict) -> None:
        self.vip, self.node, self.clients = who["vip"], who["node"], who["clients"]
        self.balancers, self.containers = who["balancers"], who["containers"]
        # The program's text is its argument; what it imports is in /srv (see molecule/shared/tasks/traffic.yml).
        program = (HERE / "modality.py").read_text()
        self.traffic = subprocess.Popen(
            [
                "podman",
                "exec",
                "--interactive",
                "--workdir",
                "/srv",
                self.containers["modality"],
                "python3",
                "-c",
                program,
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def on(self, host: str, *command: str) -> str:
        return run("podman", "exec", self.containers[host], *command)

    def ask(self, do: str, *, may_break: bool = False, **more) -> dict:
        """Let the modality do something (see modality.py)."""
        self.traffic.stdin.write(json.dumps({"do": do, **more}) + "\n")
        self.traffic.stdin.flush()
        answer = json.loads(self.traffic.stdout.readline() or '{"error": "no answer"}')
        if "error" in answer and not may_break:
            sys.exit(f"The modality's {do} {more}: {answer['error']}")
        return answer

    def address(self, way: str) -> str:
        return self.node if way == "direct" else self.vip

    def look(self, host: str) -> dict:
        """Return what load_balancer.py reports there."""
        return json.loads(
            run(
                "podman",
                "exec",
                "--interactive",
                self.containers[host],
                "python3",
                "-",
                self.vip,
                *UNITS,
                given=LOOK.read_text(),
            )
        )

    def holder(self) -> str:
        """Return the load balancer that holds the VIP."""
        holding = [name for name in self.balancers if self.look(name)["holds"]]
        if len(holding) != 1:
            sys.exit(f"One load balancer must hold the VIP, and these do: {holding}.")
        return holding[0]

    def other(self, host: str) -> str:
        return next(name for name in self.balancers if name != host)

    def forwarded(self, host: str, port: int) -> set[str]:
        """Return the clients (address and port) whose connections to a port of the VIP its kernel forwards."""
        return {
            flow["client"] for flow in self.look(host)["flows"] if flow["port"] == port and flow["node"] != self.vip
        }

    def is_standby(self, host: str) -> bool:
        """Has it booted, and would it take the VIP?

        Keepalived is asked by a signal, which ends one that is still starting: so its unit is asked first.
        """
        units = ["podman", "exec", self.containers[host], "systemctl", "is-active", *UNITS]
        said = subprocess.run(units, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False).stdout
        return said.split() == ["active"] * len(UNITS) and self.look(host)["state"] == "BACKUP"

    def power_off(self, host: str) -> float:
        """Take the power from a host, and return when.

        Its cable goes first: otherwise the kernel would close the killed processes' connections and tell their peers.
        """
        end = int(self.on(host, "cat", "/sys/class/net/eth0/iflink"))
        cable = next(link["ifname"] for link in json.loads(run("ip", "-json", "link")) if link["ifindex"] == end)
        lost = time.time()
        run("ip", "link", "set", "dev", cable, "down")
        run("podman", "kill", "--signal", "KILL", self.containers[host])
        return lost

    def serves(self) -> bool:
        """Does every load balancer have a node for every service at layer 4?"""
        said = [json.loads(self.on(host, "/usr/local/sbin/layer4", "status"))["services"] for host in self.balancers]
        return all(node["state"] == "up" for services in said for nodes in services.values() for node in nodes.values())

    def processor(self, host: str, unit: str) -> float:
        """Return the seconds of processor time that a unit's main process has used."""
        pid = self.on(host, "systemctl", "show", "--property=MainPID", "--value", unit).strip()
        fields = self.on(host, "cat", f"/proc/{pid}/stat").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def used(self) -> collections.Counter:
        """Return the seconds of processor time used until now, as the kernel accounts for them.

        Of the machine, of this lab's containers and of the load balancers; ``elapsed`` is the clock.
        """
        fields = [
            int(field) / os.sysconf("SC_CLK_TCK")
            for field in pathlib.Path("/proc/stat").read_text().splitlines()[0].split()[1:]
        ]
        user, nice, system, _idle, _iowait, irq, softirq, *_stolen = fields
        stats = run("podman", "stats", "--no-stream", "--format", "{{.Name}} {{.CPUNano}}", *self.containers.values())
        containers = {name: int(nanoseconds) / 1e9 for name, nanoseconds in map(str.split, stats.splitlines())}
        balancers = sum(containers[self.containers[host]] for host in self.balancers)
        machine = user + nice + system + irq + softirq
        return collections.Counter(
            machine=machine, lab=sum(containers.values()), balancers=balancers, elapsed=time.monotonic()
        )

    def metered(self, **order) -> dict:
        """Let the modality do something, and add what was used meanwhile."""
        before = self.used()
        result = self.ask(**order)
        after = self.used()
        after.subtract(before)
        return {**result, **after}
