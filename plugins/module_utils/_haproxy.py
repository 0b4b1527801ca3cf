# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a running HAProxy says of itself on its UNIX sockets.

`parse_info`, `parse_stat` and `parse_proc` turn an answer into data and touch nothing else; `ask` puts one
question; `gather` asks the worker, the master and the old workers, and puts their answers together.

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
from concurrent.futures import ThreadPoolExecutor

# 50 nodes of 4 services are 120 kB; what is larger is not an answer.
MAX_ANSWER = 16 * 1024 * 1024

# Seconds between two questions to a master that is starting anew.
POLL = 0.02

# Column "type" of `show stat`.
BACKEND, SERVER = "1", "2"


class NoAnswer(Exception):
    """A socket did not answer; the message says in words which, and why.

    `passing`: the master's socket answers so too for the moment in which a reload starts the master anew.
    """

    def __init__(self, message: str, passing: bool = False) -> None:
        super().__init__(message)
        self.passing = passing


def ask(path: str, command: str, timeout: float) -> str:
    """The whole answer to one command on a stats or master socket, within `timeout` seconds in all.

    Raises NoAnswer when the socket is absent, refuses, is forbidden, says nothing in time or does not stop talking.
    """
    deadline = time.monotonic() + timeout
    answer = bytearray()
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout)
            connection.connect(path)
            connection.sendall(command.encode("ascii") + b"\n")
            # The master socket waits for another command until it hears that there is none.
            connection.shutdown(socket.SHUT_WR)
            while True:
                connection.settimeout(max(deadline - time.monotonic(), 0.001))
                part = connection.recv(65536)
                if not part:
                    return answer.decode("utf-8", "replace")
                answer += part
                if len(answer) > MAX_ANSWER:
                    raise NoAnswer("%s sent more than %d MiB: this is no HAProxy." % (path, MAX_ANSWER >> 20))
    except FileNotFoundError:
        raise NoAnswer("There is no socket %s: HAProxy does not run, or its socket is elsewhere." % path) from None
    except ConnectionRefusedError:
        raise NoAnswer("%s refuses: nothing listens there, HAProxy does not run." % path, passing=True) from None
    except (ConnectionResetError, BrokenPipeError):
        raise NoAnswer("%s hung up without an answer." % path, passing=True) from None
    except socket.timeout:
        raise NoAnswer("%s did not answer within %g s: HAProxy hangs." % (path, timeout)) from None
    except PermissionError:
        raise NoAnswer("%s may not be opened by this user: root is needed." % path) from None
    except OSError as error:
        raise NoAnswer("%s cannot be asked: %s." % (path, error.strerror or error)) from None


def parse_info(text: str) -> dict[str, str]:
    """Answer of `show info`: each line is `Name: value`."""
    pairs = (line.partition(": ") for line in text.splitlines())
    return {name: value.strip() for name, colon, value in pairs if colon}


def parse_stat(text: str) -> list[dict[str, str]]:
    """Answer of `show stat` in CSV: one dict for each frontend, backend and server, keyed by the header's names.

    Empty where there is no such answer, as from the master for a worker that has just ended.
    """
    header, rows = "# pxname,", text.lstrip()
    if not rows.startswith(header):
        return []
    return [row for row in csv.DictReader(rows[2:].splitlines()) if row["svname"]]


_PROC = re.compile(r"(\d+)\s+(\S+)\s+(\d+)(?: \[failed: (\d+)\])?\s+(\d+)d(\d+)h(\d+)m(\d+)s")


def parse_proc(text: str) -> dict:
    """Answer of `show proc`: `reloads`, `failed_reloads` (those since the last good one) and `workers`.

    A worker has `pid`, `current` (False: it was replaced by a reload and lives for its last sessions) and
    `uptime_s`. Raises ValueError where there is no line of a master: the socket is not a master's.
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
    """A node as its check sees it. `up` is None until a check has finished: a new worker calls every node up."""
    # "* " marks a check that is under way now; the rest is the result of the one before.
    check_status = (row["check_status"] or "").lstrip("* ")
    up = row["status"].startswith(("UP", "DRAIN", "no check"))
    return {
        "address": row["addr"].rpartition(":")[0].strip("[]"),
        "status": row["status"],
        "up": None if up and check_status == "INI" else up,
        "check_status": check_status,
        "check_code": _number(row["check_code"]),
        "check_text": ": ".join(filter(None, (row["check_desc"], row["last_chk"]))),
        "last_change_s": _number(row["lastchg"]),
        "weight": _number(row["weight"]),
        "backup": row["bck"] == "1",
        "sessions": int(row["scur"]) + old,
        "old_sessions": old,
    }


def _sessions(rows: list[dict[str, str]], kind: str) -> Counter:
    """Sessions now, keyed by backend and by "BACKEND" or the node's name; without the backends that have no node."""
    services = {row["pxname"] for row in rows if row["type"] == SERVER}
    return Counter(
        {
            (row["pxname"], row["svname"]): int(row["scur"])
            for row in rows
            if row["type"] == kind and row["pxname"] in services
        }
    )


def combine(current: list[dict[str, str]], old: list[list[dict[str, str]]]) -> dict:
    """`services`, `sessions` and `old_sessions` of the module haproxy_info.

    `current` is `show stat` of the current worker, `old` one of each old worker. What an old worker alone knows, a
    service or a node that the reload took out, counts among the sessions and is no node.
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
    info, header, stat = ask(path, "show info;show stat", timeout).partition("# pxname,")
    return parse_info(info), parse_stat(header + stat)


def _ask_master(path: str, timeout: float) -> tuple[dict, list[list[dict[str, str]]]]:
    """`show proc` of the master, and `show stat` of each old worker that answers."""
    deadline = time.monotonic() + timeout
    try:
        answer = ask(path, "show proc", timeout)
        processes = parse_proc(answer)
    except ValueError:
        raise NoAnswer("%s is not the socket of a HAProxy master." % path, passing=not answer) from None

    def ask_old(worker: dict) -> list[dict[str, str]]:
        try:
            return parse_stat(ask(path, "@!%d show stat" % worker["pid"], max(deadline - time.monotonic(), 0.001)))
        except NoAnswer:
            return []  # it hangs, or ended a moment ago: what it carries cannot be known

    old = [worker for worker in processes["workers"] if not worker["current"]]
    with ThreadPoolExecutor(max(len(old), 1)) as pool:
        answers = list(pool.map(ask_old, old))
    for worker, rows in zip(old, answers):
        worker["sessions"] = sum(_sessions(rows, BACKEND).values()) if rows else None
    return processes, answers


def gather(stats_socket: str, master_socket: str, timeout: float) -> dict:
    """Everything that the module haproxy_info returns. Both sockets are asked at once, within `timeout` seconds."""
    deadline = time.monotonic() + timeout
    with ThreadPoolExecutor(2) as pool:
        worker = pool.submit(_ask_worker, stats_socket, timeout)
        master = pool.submit(_ask_master, master_socket, timeout)

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
            # A worker has a master; where that does not answer, a reload is under way.
            master = None
            if info and reason.passing and time.monotonic() + POLL < deadline:
                select.select([], [], [], POLL)
                continue
            processes, old = {"reloads": None, "failed_reloads": None, "workers": []}, []
            # Where the worker is silent too, its own reason says it.
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
