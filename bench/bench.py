# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures a lab that services.yml was deployed on, and writes what it saw to a file; report.py makes a page of it.

usage: bench.py LAB RESULT    LAB is what prepare.yml has written down

Directly to the node, through HAProxy (7) and through the kernel (4): one after another, in several rounds that each begin with
another way, so that what else the machine does meets all three alike.
"""

from __future__ import annotations

import collections
import json
import os
import pathlib
import platform
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

from ansible_collections.pacs.loadbalancer.plugins.module_utils._dicom import association

HERE = pathlib.Path(__file__).parent
LOOK = HERE.parent / "molecule/shared/files/load_balancer.py"
UNITS = ["haproxy", "layer4", "conntrackd", "keepalived"]
WAYS = ("direct", "7", "4")
STORE = {"direct": 11112, "7": 7112, "4": 11112}  # ports: see services.yml
FILE = {"direct": 8080, "7": 7080, "4": 8080}

ROUNDS = 3
LINKS = {"1 Gbit/s": "tbf rate 1gbit burst 256kb latency 20ms", "unlimited": ""}  # of all hosts
# How much is sent: the study so often (200 MiB each), and so many bytes of the file.
STUDIES = {"1 Gbit/s": 1, "unlimited": 2}
BYTES = {"1 Gbit/s": 200 * 2**20, "unlimited": 2**31}
ECHOES = 300  # over one association, and a tenth of that by associations of their own
LOSSES = {1: 0.01, 100: 0.1, 1000: 1.0}  # associations at layer 4, and the seconds between two C-ECHOs of each
PROXIED = 100  # so many at layer 7 at most beside them: each takes processor time from those at layer 4
RATES = (500, 1000, 2000, 4000, 8000)  # new connections a second
RATE_SECONDS = 2


def run(*command: str, given: str | None = None) -> str:
    done = subprocess.run(command, input=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def wait(what: str, seconds: float, done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            sys.exit(f"After {seconds} s this is not so: {what}.")
        time.sleep(0.2)


class Lab:
    def __init__(self, who: dict) -> None:
        self.vip, self.node, self.clients = who["vip"], who["node"], who["clients"]
        self.balancers, self.containers = who["balancers"], who["containers"]
        # The program's text is its argument: there is nothing to be copied.
        requestor = association.Requestor()
        steps = {
            "associate": requestor.associate().hex(),
            "echo": requestor.echo().hex(),
            "release": requestor.release().hex(),
        }
        program = (HERE / "modality.py").read_text()
        self.traffic = subprocess.Popen(
            [
                "podman",
                "exec",
                "--interactive",
                self.containers["modality"],
                "python3",
                "-c",
                program,
                json.dumps(steps),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def on(self, host: str, *command: str) -> str:
        return run("podman", "exec", self.containers[host], *command)

    def ask(self, do: str, *, may_break: bool = False, **more) -> dict:
        """Let the modality do that (see modality.py)."""
        self.traffic.stdin.write(json.dumps({"do": do, **more}) + "\n")
        self.traffic.stdin.flush()
        answer = json.loads(self.traffic.stdout.readline() or '{"error": "it says nothing"}')
        if "error" in answer and not may_break:
            sys.exit(f"The modality's {do} {more}: {answer['error']}")
        return answer

    def address(self, way: str) -> str:
        return self.node if way == "direct" else self.vip

    def look(self, host: str) -> dict:
        """What load_balancer.py says there."""
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
        holding = [name for name in self.balancers if self.look(name)["holds"]]
        if len(holding) != 1:
            sys.exit(f"One load balancer must hold the VIP, and these do: {holding}.")
        return holding[0]

    def other(self, host: str) -> str:
        return next(name for name in self.balancers if name != host)

    def forwarded(self, host: str, port: int) -> set[str]:
        """The connections to a port of the VIP which go, or went, to a node by its kernel; by client and its port."""
        return {
            flow["client"] for flow in self.look(host)["flows"] if flow["port"] == port and flow["node"] != self.vip
        }

    def stands_by(self, host: str) -> bool:
        """Has it booted, and would it take the VIP? Keepalived is asked by a signal, and one that only starts would be ended by it."""
        units = ["podman", "exec", self.containers[host], "systemctl", "is-active", *UNITS]
        said = subprocess.run(units, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False).stdout
        return said.split() == ["active"] * len(UNITS) and self.look(host)["state"] == "BACKUP"

    def power_off(self, host: str) -> float:
        """Its cable first: else the kernel would end the killed processes' connections, and say so to their other ends. Returns when."""
        end = int(self.on(host, "cat", "/sys/class/net/eth0/iflink"))
        cable = next(link["ifname"] for link in json.loads(run("ip", "-json", "link")) if link["ifindex"] == end)
        lost = time.time()
        run("ip", "link", "set", "dev", cable, "down")
        run("podman", "kill", "--signal", "KILL", self.containers[host])
        return lost

    def serves(self) -> bool:
        """Do all load balancers have a node for every service of ours?"""
        said = [json.loads(self.on(host, "/usr/local/sbin/layer4", "status"))["services"] for host in self.balancers]
        return all(node["state"] == "up" for services in said for nodes in services.values() for node in nodes.values())

    def processor(self, host: str, unit: str) -> float:
        """Seconds of processor time that a unit's main process has used."""
        pid = self.on(host, "systemctl", "show", "--property=MainPID", "--value", unit).strip()
        fields = self.on(host, "cat", f"/proc/{pid}/stat").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def used(self) -> collections.Counter:
        """Seconds of processor time until now, as the kernel books them: of the machine, of this lab's containers, of the load balancers."""
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
        """Let the modality do that, and add what was used meanwhile."""
        before = self.used()
        result = self.ask(**order)
        after = self.used()
        after.subtract(before)
        return {**result, **after}


def transfers(lab: Lab) -> list[dict]:
    found = []

    for link, discipline in LINKS.items():
        for host in ("modality", "pacs1", *lab.balancers):
            if discipline:
                lab.on(host, "tc", "qdisc", "replace", "dev", "eth0", "root", *discipline.split())
            else:
                lab.on(host, "tc", "qdisc", "delete", "dev", "eth0", "root")
        for what, ports, amount in (
            ("C-STORE", STORE, {"times": STUDIES[link]}),
            ("HTTP", FILE, {"size": BYTES[link]}),
        ):
            for streams in (1, 10):
                case = {
                    "link": link,
                    "what": what,
                    "streams": streams,
                    "idle": lab.metered(do="rest", seconds=1),
                    "runs": [],
                    "broken": [],
                }
                for number in range(ROUNDS):
                    for way in WAYS[number:] + WAYS[:number]:
                        order = {
                            "do": "store" if what == "C-STORE" else "fetch",
                            "address": lab.address(way),
                            "port": ports[way],
                            "streams": streams,
                            **amount,
                        }
                        while "error" in (transfer := lab.metered(may_break=True, **order)):
                            print(
                                f"{link}, {what}, streams {streams}, {way} broke, and is made anew: {transfer['error']}",
                                flush=True,
                            )
                            case["broken"].append(way)
                            if case["broken"].count(way) > ROUNDS:
                                sys.exit("It breaks again and again.")
                        case["runs"].append({"way": way, **transfer})
                found.append(case)
                rates = {
                    way: [8e-9 * one["bytes"] / one["seconds"] for one in case["runs"] if one["way"] == way]
                    for way in WAYS
                }
                spans = ", ".join(f"{way} {min(rate):.2f} to {max(rate):.2f}" for way, rate in rates.items())
                print(f"{link}, {what}, streams {streams}, in Gbit/s: {spans}", flush=True)
    prove_ways(lab)
    return found


def echoes(lab: Lab) -> dict:
    found = {way: {"echo": [], "association": []} for way in WAYS}
    for number in range(ROUNDS):
        for way in WAYS[number:] + WAYS[:number]:
            for kind, times in lab.ask("ask", address=lab.address(way), port=STORE[way], number=ECHOES).items():
                found[way][kind] += times
    medians = {way: statistics.median(one["echo"]) for way, one in found.items()}
    print(f"C-ECHO, median in ms: {', '.join(f'{way} {median:.3f}' for way, median in medians.items())}", flush=True)
    return found


def losses(lab: Lab) -> list[dict]:
    found = []
    for number, every in LOSSES.items():
        # The children of ended associations stay as zombies, until there may be no more processes.
        lab.on("pacs1", "systemctl", "restart", "bench-store")
        wait("the receiver answers", 30, lab.serves)
        holder = lab.holder()
        successor = lab.other(holder)
        numbers = {"7": min(number, PROXIED), "4": number}
        lab.ask("hold", ways={way: [lab.vip, STORE[way], numbers[way]] for way in numbers}, every=every)
        wait(f"{successor} knows the connections", 30, lambda: len(lab.forwarded(successor, STORE["4"])) >= number)
        lab.ask("forget")
        time.sleep(2)  # so long the associations are watched without a fault
        before = lab.ask("forget")
        if lab.holder() != holder:
            sys.exit("The VIP has moved already: this machine has too much else to do.")
        lost = lab.power_off(holder)
        time.sleep(5)  # and so long with one: every association has asked, and has been answered or is broken
        after = lab.ask("drop", since=lost)
        found.append({"numbers": numbers, "every": every, "before": before, "after": after})
        says = {
            way: f"{one['alive']} of {numbers[way]} alive, longest wait {max(one['waited'], default=0):.2f} s"
            for way, one in after.items()
        }
        print(f"Power loss of {holder}: layer 4: {says['4']}; layer 7: {says['7']}", flush=True)
        run("podman", "start", lab.containers[holder])
        wait(f"{holder} stands by", 60, lambda: lab.stands_by(holder))
    return found


def mirror(lab: Lab) -> list[dict]:
    found = []
    holder = lab.holder()
    successor = lab.other(holder)
    for rate in RATES:
        used = {host: lab.processor(host, "conntrackd") for host in (holder, successor)}
        came = lab.ask("connect", address=lab.vip, port=FILE["4"], clients=lab.clients, rate=rate, seconds=RATE_SECONDS)
        time.sleep(1)  # within so long an entry is to be there
        made = set(came["made"])
        seen = {
            "asked": rate,
            "rate": len(made) / came["seconds"],
            "made": len(made),
            "failed": came["failed"],
            "mirrored": len(made & lab.forwarded(successor, FILE["4"])),
            "holder": (lab.processor(holder, "conntrackd") - used[holder]) / came["seconds"],
            "successor": (lab.processor(successor, "conntrackd") - used[successor]) / came["seconds"],
        }
        found.append(seen)
        print(
            f"{rate} connections a second: {seen['rate']:.0f} made, {seen['mirrored']} of {seen['made']} mirrored",
            flush=True,
        )
        if seen["mirrored"] < seen["made"] or seen["rate"] < 0.9 * rate:
            break
    return found


def prove_ways(lab: Lab) -> None:
    """What went through the VIP took the way that its port says."""
    flows = lab.look(lab.holder())["flows"]
    for ports in (STORE, FILE):
        for way in ("7", "4"):
            nodes = {
                flow["node"]
                for flow in flows
                if flow["port"] == ports[way] and flow["client"].partition(":")[0] in lab.clients
            }
            if nodes != {lab.vip if way == "7" else lab.node}:
                sys.exit(
                    f"Connections to port {ports[way]} must take the way of layer {way}, and ended at {nodes or 'no place'}."
                )


def surroundings(lab: Lab) -> dict:
    versions = lab.on(
        lab.balancers[0],
        "dpkg-query",
        "--show",
        "--showformat=${Package} ${Version}\n",
        "haproxy",
        "keepalived",
        "conntrackd",
        "nftables",
    )
    tools = lab.on("modality", "dpkg-query", "--show", "--showformat=${Package} ${Version}\n", "dcmtk", "curl")
    web = lab.on("pacs1", "dpkg-query", "--show", "--showformat=${Package} ${Version}\n", "nginx-light")
    cpu = re.search(r"model name\s*:\s*(.*)", pathlib.Path("/proc/cpuinfo").read_text())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "machine": f"{os.cpu_count()} cores ({cpu[1] if cpu else platform.machine()}), {memory:.0f} GiB",
        "kernel": platform.release(),
        "congestion": lab.on("modality", "sysctl", "--values", "net.ipv4.tcp_congestion_control").strip(),
        "cores": os.cpu_count(),
        "versions": [line.split() for line in (versions + tools + web).splitlines()],
    }


def others(lab: Lab) -> int:
    """How many containers run that are not this lab's?"""
    return len(set(run("podman", "ps", "--format", "{{.Names}}").split()) - set(lab.containers.values()))


def main() -> None:
    who, path = map(pathlib.Path, sys.argv[1:])
    lab = Lab(json.loads(who.read_text()))
    result = {"surroundings": surroundings(lab), "rounds": ROUNDS}
    beside = [others(lab)]
    for part in (transfers, echoes, losses, mirror):
        result[part.__name__] = part(lab)
        beside.append(others(lab))
    result["surroundings"]["others"] = max(beside)
    path.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
