# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a running Keepalived says about itself.

Keepalived has no socket: on a signal it writes a file into /tmp. keepalived(8), "SIGNALS": SIGRTMIN+2 gives
keepalived.json (the instances), SIGUSR1 gives keepalived.data (the configuration in use, in text). The same in
2.2.7 and in 2.3.3. It renames the file into place before it fills it, so that a file may be incomplete.

`parse_json` and `parse_data` are pure; `gather` asks the daemon and the kernel.
"""

from __future__ import annotations

import json
import os
import re
import select
import signal
import stat
import subprocess
import time

from ._addresses import held_since
from ._programs import run

JSON_SIGNAL = signal.SIGRTMIN + 2
DATA_SIGNAL = signal.SIGUSR1

# Its own /tmp, which systemd's PrivateTmp hides from everybody else.
DUMPS = "/proc/{pid}/root/tmp"

# Keepalived ignores both signals until it has started, so they are sent again.
RESEND = 0.5
POLL = 0.01

MAX_FILE = 16 * 1024 * 1024

# Why it has ignored advertisements: the names here, and its own.
REJECTED = {
    "ttl": "ip_ttl_err",
    "addresses": "addr_list_err",
    "interval": "advert_interval_err",
    "type": "invalid_type_rcvd",
    "length": "packet_len_err",
}

# vrrp.h; the same words as in its log.
STATES = {0: "INIT", 1: "BACKUP", 2: "MASTER", 3: "FAULT", 97: "DELETED", 98: "STOP"}


class NoAnswer(Exception):
    """Keepalived is not running or does not answer; the message is a sentence that says which."""


def parse_json(text: str) -> list[dict]:
    """Return the instances of keepalived.json, without peers; raise ValueError for an incomplete or unknown file.

    `last_transition` is in seconds since the epoch; a reload resets it.
    """
    content = json.loads(text)
    try:
        # json_version 2 has an object around the list.
        entries = content["vrrp"] if isinstance(content, dict) else content
        return [_instance(entry["data"], entry["stats"]) for entry in entries]
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"keepalived.json has an unknown form: {error}") from None


def _instance(data: dict, stats: dict) -> dict:
    return {
        "name": data["iname"],
        "state": STATES.get(data["state"], "UNKNOWN"),
        "last_transition": data["last_transition"],
        "interface": data.get("ifp_ifname"),
        "virtual_router_id": data["vrid"],
        "advertisement": round(float(data["adver_int"]), 2),
        "priority": data["effective_priority"],
        "configured_priority": data["base_priority"],
        # "198.51.100.10/24 dev eth0 scope global set"
        "vips": [address.split()[0] for address in data.get("vips", []) + data.get("evips", [])],
        "adverts_received": stats["advert_rcvd"],
        "adverts_sent": stats["advert_sent"],
        "adverts_rejected": {name: stats.get(key, 0) for name, key in REJECTED.items()},
        "became_master": stats["become_master"],
    }


def parse_data(text: str) -> dict:
    """Return of keepalived.data `configuration`, the router_id of global_defs, and `peers`, addresses by instance.

    Raises ValueError for an incomplete file.
    """
    # The last section, after everything that is read below.
    whole, end, _interfaces = text.partition("------< Interfaces >------")
    if not end:
        raise ValueError("keepalived.data ends early")
    found = re.search(r"^ Router ID = (.*)$", whole, re.MULTILINE)
    peers: dict[str, list[str]] = {}
    instance, in_peers = None, False
    for line in whole.splitlines():
        if line.startswith(" VRRP Instance = "):
            instance = line.partition(" = ")[2]
            peers[instance] = []
        elif line.startswith("   Unicast Peer"):
            in_peers = True
        elif in_peers and line.startswith("     ") and instance is not None:
            peers[instance].append(line.split()[0])
        else:
            in_peers = False
    return {"configuration": found.group(1) if found else None, "peers": peers}


def daemon_pid(pid_file: str) -> int:
    """Return the process ID of this user's running Keepalived; raise NoAnswer where there is none.

    A pid file may outlive its daemon; the number may then belong to another program, which must get no signal.
    """
    try:
        with open(pid_file, encoding="ascii") as file:
            pid = int(file.read())
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
            status = dict(line.rstrip("\n").partition(":\t")[::2] for line in file)
    except (OSError, ValueError):
        status = {}
    if status.get("Name") != "keepalived":
        raise NoAnswer(f"Keepalived is not running: {pid_file} does not name a process of it.")
    if int(status["Uid"].split()[0]) != os.geteuid():
        raise NoAnswer(f"Keepalived (process {pid}) belongs to another user: root is needed.")
    return pid


def _read(path: str) -> tuple[tuple, str] | None:
    """Return identity and text of a dump, None where this user's Keepalived has written none.

    Anyone may put something under that name into /tmp: a link is not followed, and a pipe does not block.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid():
            return None
        with open(descriptor, "rb", closefd=False) as file:
            text = file.read(MAX_FILE).decode("utf-8", "replace")
    finally:
        os.close(descriptor)
    return (status.st_dev, status.st_ino, status.st_mtime_ns), text


def dump(pid: int, signal_number: int, name: str, parse, deadline: float):
    """Return what `parse` makes of the dump `name` that the daemon writes on a signal.

    `deadline` is a time of time.monotonic(); raises NoAnswer when there is no dump by then.
    """
    path = os.path.join(DUMPS.format(pid=pid), name)
    before = _read(path)
    while time.monotonic() < deadline:
        os.kill(pid, signal_number)
        again = min(deadline, time.monotonic() + RESEND)
        while time.monotonic() < again:
            now = _read(path)
            # The new file is created while the old one exists, so that it has another inode.
            if now and (not before or now[0] != before[0]):
                try:
                    return parse(now[1])
                except ValueError:
                    pass  # incomplete
            select.select([], [], [], POLL)
    raise NoAnswer(f"Keepalived (process {pid}) did not write /tmp/{name} in time: it hangs or is still starting.")


def version_of(pid: int) -> str | None:
    """Return the version of the running program, which is not always that of the installed package."""
    # The link leads to the file that the process runs, even when an upgrade has replaced it.
    output = run([f"/proc/{pid}/exe", "--version"], stderr=subprocess.STDOUT, text=False).stdout
    found = re.search(r"Keepalived v(\S+)", output.decode("utf-8", "replace"))
    return found.group(1) if found else None


def _whole_seconds(moments: dict[str, float]) -> dict[str, int]:
    return {address: int(moment) for address, moment in moments.items()}


def gather(pid_file: str, timeout: float) -> dict:
    """Return what the module keepalived_info returns; give the daemon `timeout` seconds.

    The kernel is asked before the daemon and after it. A VIP that comes or goes meanwhile is no address that was left
    behind, nor one that somebody took away.
    """
    before = held_since()
    answer = {
        "running": False,
        "msg": "",
        "version": None,
        "configuration": None,
        "instances": [],
        "addresses": _whole_seconds(before),
    }
    deadline = time.monotonic() + timeout
    try:
        pid = daemon_pid(pid_file)
        answer["version"] = version_of(pid)
        data = dump(pid, DATA_SIGNAL, "keepalived.data", parse_data, deadline)
        instances = dump(pid, JSON_SIGNAL, "keepalived.json", parse_json, deadline)
    except NoAnswer as reason:
        return {**answer, "msg": str(reason)}
    except (FileNotFoundError, ProcessLookupError):
        return {**answer, "msg": "Keepalived ended while it was being asked."}
    after = held_since()
    answer["addresses"] = _whole_seconds({address: moment for address, moment in after.items() if address in before})
    moments = _whole_seconds(before | after)
    for instance in instances:
        plain = [vip.partition("/")[0] for vip in instance["vips"]]
        held = [vip for vip in plain if vip in moments]
        transition = int(instance.pop("last_transition"))
        # A reload resets Keepalived's own moment; the kernel knows since when the VIP has been here.
        since = min(moments[vip] for vip in held) if instance["state"] == "MASTER" and held else transition
        instance.update(since=since, held=held, peers=data["peers"].get(instance["name"], []))
    return {**answer, "running": True, "configuration": data["configuration"], "instances": instances}
