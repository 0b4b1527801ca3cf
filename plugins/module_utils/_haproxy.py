# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a running HAProxy says about itself on its UNIX sockets.

`parse_info`, `parse_stat`, `parse_proc` and `combine` are pure; `ask` sends one command; `gather` asks the worker, the
master and the old workers, and combines their answers.

Answers: HAProxy Management Guide, "9.1. CSV format" and "9.3. Unix Socket commands" (`show info`, `show stat`),
"9.4. Master CLI" (`show proc`, `@!<pid>`). The same in 2.6 and in 3.0.
"""

from __future__ import annotations

import csv
import re
import select
import socket
import time
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor

# Bytes of an answer; 50 nodes of 4 services take 120 kB.
MAX_ANSWER = 16 * 1024 * 1024

# Seconds between two questions to a master that is being reloaded.
POLL = 0.02

# Column "type" of `show stat`.
BACKEND, SERVER = "1", "2"


class NoAnswer(Exception):
    """A socket did not answer; the message is a sentence that says which, and why.

    `passing`: the master's socket may also fail so for a moment, while a reload re-executes the master.
    """

    def __init__(self, message: str, passing: bool = False) -> None:
        super().__init__(message)
        self.passing = passing


def ask(path: str, command: str, timeout: float) -> str:
    """Return the whole answer to one command on a stats or master socket, within `timeout` seconds in all.

    Raises NoAnswer when the socket is absent, refuses, may not be opened, does not answer in time or answers too much.
    """
    deadline = time.monotonic() + timeout
    answer = bytearray()
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout)
            connection.connect(path)
            connection.sendall(command.encode("ascii") + b"\n")
            # The master socket waits for another command until it sees the end of the stream.
            connection.shutdown(socket.SHUT_WR)
            while True:
                connection.settimeout(max(deadline - time.monotonic(), 0.001))
                part = connection.recv(65536)
                if not part:
                    return answer.decode("utf-8", "replace")
                answer += part
                if len(answer) > MAX_ANSWER:
                    raise NoAnswer(f"{path} sent more than {MAX_ANSWER >> 20} MiB: this is not HAProxy.")
    except FileNotFoundError:
        raise NoAnswer(f"There is no socket {path}: HAProxy is not running, or its socket is elsewhere.") from None
    except ConnectionRefusedError:
        raise NoAnswer(f"{path} refuses connections: HAProxy is not running.", passing=True) from None
    except (ConnectionResetError, BrokenPipeError):
        raise NoAnswer(f"{path} closed the connection without an answer.", passing=True) from None
    except socket.timeout:
        raise NoAnswer(f"{path} did not answer within {timeout:g} s: HAProxy hangs.") from None
    except PermissionError:
        raise NoAnswer(f"{path} may not be opened by this user: root is needed.") from None
    except OSError as error:
        raise NoAnswer(f"{path} cannot be asked: {error.strerror or error}.") from None


def parse_info(text: str) -> dict[str, str]:
    """Parse the answer of `show info`, whose lines are `Name: value`."""
    pairs = (line.partition(": ") for line in text.splitlines())
    return {name: value.strip() for name, colon, value in pairs if colon}


def parse_stat(text: str) -> list[dict[str, str]]:
    """Parse the CSV of `show stat`: a dict for each frontend, backend and server, keyed by the names in the header.

    Returns an empty list for any other answer, such as the master's for a worker that has just ended.
    """
    header, rows = "# pxname,", text.lstrip()
    if not rows.startswith(header):
        return []
    return [row for row in csv.DictReader(rows[2:].splitlines()) if row["svname"]]


_PROC = re.compile(r"(\d+)\s+(\S+)\s+(\d+)(?: \[failed: (\d+)\])?\s+(\d+)d(\d+)h(\d+)m(\d+)s")


def parse_proc(text: str) -> dict:
    """Parse the answer of `show proc`: `reloads`, `failed_reloads` (since the last good one) and `workers`.

    A worker has `pid`, `current` (False: replaced by a reload, it ends with its last session) and `uptime_s`. Raises
    ValueError where the answer has no line of a master: the socket is not a master's.
    """
    reloads, workers, section = {}, [], ""
    for line in text.splitlines():
        found = _PROC.match(line)
        if line.startswith("# "):
            section = line[2:].strip()
        elif found and found.group(2) == "master":
            reloads = {"reloads": int(found.group(3)), "failed_reloads": int(found.group(4) or 0)}
        elif found and section in ("workers", "old workers"):
            days, hours, minutes, seconds = (int(number) for number in found.groups()[4:])
            uptime = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
            workers.append({"pid": int(found.group(1)), "current": section == "workers", "uptime_s": uptime})
    if not reloads:
        raise ValueError("no line of a master in the answer")
    return {**reloads, "workers": workers}


def _number(text: str | None) -> int | None:
    return int(text) if text else None


def _node(row: dict[str, str], old: int) -> dict:
    """Return a node as its check sees it. `up` is None until a check has finished: a new worker calls every node up."""
    # "* " marks a check that is under way; the rest is the result of the one before.
    check_status = (row["check_status"] or "").lstrip("* ")
    up = row["status"].startswith(("UP", "DRAIN", "no check"))
    return {
        "address": row["addr"].rpartition(":")[0].strip("[]"),
        "port": _number(row["addr"].rpartition(":")[2]),
        "status": row["status"],
        "up": None if up and check_status == "INI" else up,
        "check_status": check_status,
        "check_code": _number(row["check_code"]),
        "check_text": ": ".join(filter(None, (row["check_desc"], row["last_chk"]))),
        "last_change_s": _number(row["lastchg"]),
        "weight": _number(row["weight"]),
        "throttle": _number(row["throttle"]),
        "backup": row["bck"] == "1",
        "sessions": int(row["scur"]) + old,
        "old_sessions": old,
    }


def _sessions(rows: list[dict[str, str]], kind: str) -> Counter:
    """Count the sessions by backend and "BACKEND" or node name; leave out backends without nodes."""
    services = {row["pxname"] for row in rows if row["type"] == SERVER}
    return Counter(
        {
            (row["pxname"], row["svname"]): int(row["scur"])
            for row in rows
            if row["type"] == kind and row["pxname"] in services
        }
    )


def combine(current: list[dict[str, str]], old: list[list[dict[str, str]]]) -> dict:
    """Return `services`, `sessions` and `old_sessions` as the module haproxy_info returns them.

    `current` is the `show stat` of the current worker, `old` those of the old workers. A service or node that a reload
    has removed counts among the sessions, and is not among the nodes.
    """
    by_node = sum((_sessions(rows, SERVER) for rows in old), Counter())
    by_service = sum((_sessions(rows, BACKEND) for rows in old), Counter())
    services: dict[str, dict] = {}
    for row in current:
        if row["type"] == SERVER:
            node = _node(row, by_node[row["pxname"], row["svname"]])
            services.setdefault(row["pxname"], {})[row["svname"]] = node
    sessions = _sessions(current, BACKEND)
    sessions.update(by_service)
    return {
        "services": services,
        "sessions": {service: number for (service, _backend), number in sessions.items()},
        "old_sessions": sum(by_service.values()),
    }


def _ask_worker(path: str, timeout: float) -> tuple[dict[str, str], list[dict[str, str]]]:
    """Return `show info` and `show stat` of the current worker."""
    info, header, stat = ask(path, "show info;show stat", timeout).partition("# pxname,")
    return parse_info(info), parse_stat(header + stat)


def _ask_master(path: str, timeout: float) -> tuple[dict, list[list[dict[str, str]]]]:
    """Return `show proc` of the master, and `show stat` of each old worker."""
    deadline = time.monotonic() + timeout
    try:
        answer = ask(path, "show proc", timeout)
        processes = parse_proc(answer)
    except ValueError:
        raise NoAnswer(f"{path} is not the socket of an HAProxy master.", passing=not answer) from None

    def ask_old(worker: dict) -> list[dict[str, str]]:
        try:
            return parse_stat(ask(path, f"@!{worker['pid']} show stat", max(deadline - time.monotonic(), 0.001)))
        except NoAnswer:
            return []  # it hangs, or has just ended: what it carries is unknown

    old = [worker for worker in processes["workers"] if not worker["current"]]
    with ThreadPoolExecutor(max(len(old), 1)) as pool:
        answers = list(pool.map(ask_old, old))
    for worker, rows in zip(old, answers):
        worker["sessions"] = sum(_sessions(rows, BACKEND).values()) if rows else None
    return processes, answers


def gather(stats_socket: str, master_socket: str, timeout: float) -> dict:
    """Ask both sockets at once, for `timeout` seconds at most; return what the module haproxy_info returns."""
    deadline = time.monotonic() + timeout
    with ThreadPoolExecutor(2) as pool:
        worker = pool.submit(_ask_worker, stats_socket, timeout)
        master: Future | None = pool.submit(_ask_master, master_socket, timeout)

    silent = []
    try:
        info, current = worker.result()
    except NoAnswer as reason:
        info, current = {}, []
        silent.append(str(reason))
    while True:
        try:
            processes, old = master.result() if master else _ask_master(master_socket, deadline - time.monotonic())
        except NoAnswer as reason:
            # A worker has a master: where that does not answer, a reload is under way.
            master = None
            if info and reason.passing and time.monotonic() + POLL < deadline:
                select.select([], [], [], POLL)
                continue
            processes, old = {"reloads": None, "failed_reloads": None, "workers": []}, []
            # Where the worker is silent too, its reason is enough.
            silent += [] if silent else [str(reason)]
        break

    for process in processes["workers"]:
        if process["current"]:
            process["sessions"] = sum(_sessions(current, BACKEND).values()) if info else None
    return {
        "running": bool(info),
        "version": info.get("Version"),
        "uptime_s": _number(info.get("Uptime_sec")),
        "description": info.get("description"),
        "msg": " ".join(silent),
        **processes,
        **combine(current, old),
    }
