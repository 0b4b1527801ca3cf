# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a load balancer is and which way its connections take, as one JSON object; runs there, with no help but Python's library.

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


def said(*command: str) -> str:
    try:
        return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False).stdout
    except FileNotFoundError:
        return ""  # without layer 4 there is no conntrack


def keepalived() -> str:
    """Its state, or an empty word where it says none."""
    pid = said("systemctl", "show", "--property=MainPID", "--value", "keepalived").strip()
    if pid == "0":  # it does not run; and to the process 0 kill would send it to all of ours
        return ""
    dump = pathlib.Path(f"/proc/{pid}/root/tmp/keepalived.json")
    try:
        dump.unlink(missing_ok=True)
        subprocess.run(["kill", f"-{DUMP_SIGNAL}", pid], stderr=subprocess.DEVNULL, check=True)
        deadline = time.monotonic() + 0.5
        while time.monotonic() < deadline:
            try:
                told = json.loads(dump.read_text())
            except (FileNotFoundError, ValueError):
                time.sleep(0.02)  # it is not written yet, or not to its end
                continue
            return STATES.get((told["vrrp"] if isinstance(told, dict) else told)[0]["data"]["state"], "")
    except (OSError, subprocess.CalledProcessError):
        pass  # it does not run
    return ""


def flows(vip: str) -> list[dict]:
    """The kernel's connections to the VIP: client (with its port), port, the node, which is the VIP where HAProxy has it, and in
    how many seconds it is forgotten if nothing comes."""
    found = []
    for line in said("conntrack", "--dump", "--proto", "tcp", "--dst", vip).splitlines():
        pairs = re.findall(r"(src|dst|sport|dport)=(\S+)", line)
        if len(pairs) == 8:
            there, back = dict(pairs[:4]), dict(pairs[4:])
            flow = {"client": f"{there['src']}:{there['sport']}", "port": int(there["dport"]), "node": back["src"]}
            found.append({**flow, "established": " ESTABLISHED " in line, "expires": int(line.split()[2])})
    return found


def sessions() -> dict[str, str]:
    """HAProxy's sessions: the frontend by the client and its port."""
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
    active = said("systemctl", "is-active", *units).split()
    print(
        json.dumps(
            {
                "holds": bool(said("ip", "-oneline", "address", "show", "to", vip)),
                "state": keepalived(),
                "inactive": [unit for unit, state in zip(units, active) if state != "active"],
                "flows": flows(vip),
                "sessions": sessions(),
            }
        )
    )


if __name__ == "__main__":
    main()
