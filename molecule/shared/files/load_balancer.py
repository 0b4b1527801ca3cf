# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Print the state of this load balancer and the paths of its connections as JSON, with nothing but Python's library.

usage: load_balancer.py VIP UNIT...
"""

from __future__ import annotations

import json
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time

DUMP_SIGNAL = signal.SIGRTMIN + 2  # keepalived(8), SIGNALS
STATES = {0: "INIT", 1: "BACKUP", 2: "MASTER", 3: "FAULT"}


def output(*command: str) -> str:
    try:
        return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False).stdout
    except FileNotFoundError:
        return ""  # without layer 4 there is no conntrack


def keepalived() -> str:
    """Return Keepalived's state, or nothing where it does not answer."""
    pid = output("systemctl", "show", "--property=MainPID", "--value", "keepalived").strip()
    if pid == "0":  # it is not running, and a signal to process 0 would go to this process's whole group
        return ""
    dump = pathlib.Path(f"/proc/{pid}/root/tmp/keepalived.json")
    try:
        dump.unlink(missing_ok=True)
        subprocess.run(["kill", f"-{DUMP_SIGNAL}", pid], stderr=subprocess.DEVNULL, check=True)
        deadline = time.monotonic() + 0.5
        while time.monotonic() < deadline:
            try:
                state = json.loads(dump.read_text())
            except (FileNotFoundError, ValueError):
                time.sleep(0.02)  # not written yet, or incomplete
                continue
            return STATES.get((state["vrrp"] if isinstance(state, dict) else state)[0]["data"]["state"], "")
    except (OSError, subprocess.CalledProcessError):
        pass  # it is not running
    return ""


def flows(vip: str) -> list[dict]:
    """Return the kernel's connections to the VIP.

    Each has the client (with its port), the port, the node (the VIP itself where HAProxy serves it), and the seconds
    until it expires if no packet comes.
    """
    found = []
    for line in output("conntrack", "--dump", "--proto", "tcp", "--dst", vip).splitlines():
        pairs = re.findall(r"(src|dst|sport|dport)=(\S+)", line)
        if len(pairs) == 8:
            original, reply = dict(pairs[:4]), dict(pairs[4:])
            client = f"{original['src']}:{original['sport']}"
            flow = {"client": client, "port": int(original["dport"]), "node": reply["src"]}
            found.append({**flow, "established": " ESTABLISHED " in line, "expires": int(line.split()[2])})
    return found


def sessions() -> dict[str, str]:
    """Return the frontend of each of HAProxy's sessions, by the client and its port."""
    with socket.socket(socket.AF_UNIX) as admin:
        admin.settimeout(1)
        try:
            admin.connect("/run/haproxy/admin.sock")
            admin.sendall(b"show sess\n")
            answer = b"".join(iter(lambda: admin.recv(65536), b"")).decode()
        except OSError:
            return {}
    return dict(re.findall(r"proto=tcpv4 src=(\S+) fe=(\S+)", answer))


def main() -> None:
    vip, units = sys.argv[1], sys.argv[2:]
    active = output("systemctl", "is-active", *units).split()
    print(
        json.dumps(
            {
                "holds": bool(output("ip", "-oneline", "address", "show", "to", vip)),
                "state": keepalived(),
                "inactive": [unit for unit, state in zip(units, active) if state != "active"],
                "flows": flows(vip),
                "sessions": sessions(),
            }
        )
    )


if __name__ == "__main__":
    main()
