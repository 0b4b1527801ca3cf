# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure a lab on which services.yml was deployed, and write the results to a file; report.py makes a page of it.

usage: bench.py LAB RESULT    LAB is what prepare.yml has written down

Directly to the node, through HAProxy (7) and through the kernel (4), one after another, in several rounds. Each round
begins with a different way, so that whatever else the machine does affects all three alike.
"""

from __future__ import annotations

import json
import os
import pathlib
import platform
import re
import statistics
import sys
import time

from lab import Lab, run, wait

WAYS = ("direct", "7", "4")
STORE = {"direct": 11112, "7": 7112, "4": 11112}  # ports: see services.yml
FILE = {"direct": 8080, "7": 7080, "4": 8080}

ROUNDS = 3
LINKS = {"1 Gbit/s": "tbf rate 1gbit burst 256kb latency 20ms", "unlimited": ""}  # of all hosts
# How much is sent: how many times the study (200 MiB), and how many bytes of the file.
STUDIES = {"1 Gbit/s": 1, "unlimited": 2}
BYTES = {"1 Gbit/s": 200 * 2**20, "unlimited": 2**31}
ECHOES = 300  # over one association, and a tenth of that by associations of their own
LOSSES = {1: 0.01, 100: 0.1, 1000: 1.0}  # associations at layer 4, and the seconds between two C-ECHOs of each
PROXIED = 100  # at most this many at layer 7 beside them: each takes processor time from those at layer 4
RATES = (500, 1000, 2000, 4000, 8000)  # new connections a second
RATE_SECONDS = 2


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
                            error = f"{way} broke and is repeated: {transfer['error']}"
                            print(f"{link}, {what}, streams {streams}, {error}", flush=True)
                            case["broken"].append(way)
                            if case["broken"].count(way) > ROUNDS:
                                sys.exit(f"{way} broke more than {ROUNDS} times.")
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
        # The children of ended associations stay as zombies, until no more processes are allowed.
        lab.on("pacs1", "systemctl", "restart", "bench-store")
        wait("the receiver answers", 30, lab.serves)
        holder = lab.holder()
        successor = lab.other(holder)
        numbers = {"7": min(number, PROXIED), "4": number}
        lab.ask("hold", ways={way: [lab.vip, STORE[way], numbers[way]] for way in numbers}, every=every)
        wait(f"{successor} knows the connections", 30, lambda: len(lab.forwarded(successor, STORE["4"])) >= number)
        lab.ask("forget")
        time.sleep(2)  # the associations are watched without a fault for this long
        before = lab.ask("forget")
        if lab.holder() != holder:
            sys.exit("The VIP moved before the fault: this machine is too busy.")
        lost = lab.power_off(holder)
        time.sleep(5)  # and with one for this long: every association has asked, and was answered or is broken
        after = lab.ask("drop", since=lost)
        found.append({"numbers": numbers, "every": every, "before": before, "after": after})
        says = {
            way: f"{one['alive']} of {numbers[way]} alive, longest wait {max(one['waited'], default=0):.2f} s"
            for way, one in after.items()
        }
        print(f"Power loss of {holder}: layer 4: {says['4']}; layer 7: {says['7']}", flush=True)
        run("podman", "start", lab.containers[holder])
        wait(f"{holder} is standby", 60, lambda: lab.is_standby(holder))
    return found


def mirror(lab: Lab) -> list[dict]:
    found = []
    holder = lab.holder()
    successor = lab.other(holder)
    for rate in RATES:
        used = {host: lab.processor(host, "conntrackd") for host in (holder, successor)}
        came = lab.ask("connect", address=lab.vip, port=FILE["4"], clients=lab.clients, rate=rate, seconds=RATE_SECONDS)
        time.sleep(1)  # an entry must have arrived by then
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
    """Check that what went through the VIP took the way that its port stands for."""
    flows = lab.look(lab.holder())["flows"]
    for ports in (STORE, FILE):
        for way in ("7", "4"):
            nodes = {
                flow["node"]
                for flow in flows
                if flow["port"] == ports[way] and flow["client"].partition(":")[0] in lab.clients
            }
            if nodes != {lab.vip if way == "7" else lab.node}:
                sys.exit(f"Connections to port {ports[way]} must go by layer {way}, and ended at {nodes or 'no node'}.")


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
        "load": os.environ["LOAD_BEFORE"],
        "congestion": lab.on("modality", "sysctl", "--values", "net.ipv4.tcp_congestion_control").strip(),
        "cores": os.cpu_count(),
        "versions": [line.split() for line in (versions + tools + web).splitlines()],
    }


def others(lab: Lab) -> int:
    """Return how many containers run that are not this lab's."""
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
