# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module haproxy_info returns: the answers of HAProxy's worker, its master and the old workers in one.

`parse_peers` and `combine` are pure; `gather` asks.

Answers: HAProxy Management Guide, "9.3. Unix Socket commands" (`show peers`). The same, as far as it is read, in 2.6
and in 3.0.
"""

from __future__ import annotations

import re
import select
import time
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress

from ._haproxy import NoAnswer, ask, parse_info, parse_proc, parse_stat

# Seconds between two questions to a master that is being reloaded.
POLL = 0.02

# Column "type" of `show stat`.
BACKEND, SERVER = "1", "2"

_PEER = re.compile(r" id=(\S+)\((local|remote),(active|inactive)\)")
_PEER_STATE = re.compile(r" st0=(\d+) ")
# PEER_SESS_ST_WAITMSG: both sides have accepted each other's names, and messages pass.
_ESTABLISHED = 7


def parse_peers(text: str) -> dict[str, bool]:
    """Parse the answer of `show peers`: by the name of each other peer, whether this HAProxy is connected with it."""
    # The name before each part: what stands before the first is the section's own line.
    parts = _PEER.split(text)[1:]
    return {
        name: state == "active" and any(int(found) == _ESTABLISHED for found in _PEER_STATE.findall(more))
        for name, kind, state, more in zip(*(parts[column::4] for column in range(4)))
        if kind == "remote"
    }


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


def _ask_worker(path: str, timeout: float) -> tuple[dict[str, str], list[dict[str, str]], dict[str, bool]]:
    """Return `show info`, `show stat` and `show peers` of the current worker."""
    info, header, more = ask(path, "show info;show stat;show peers", timeout).partition("# pxname,")
    stat, _blank, peers = more.partition("\n\n")
    return parse_info(info), parse_stat(header + stat), parse_peers(peers)


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

    silent, hangs = [], False
    try:
        info, current, peers = worker.result()
    except NoAnswer as reason:
        info, current, peers = {}, [], {}
        silent.append(str(reason))
        hangs = reason.hangs
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

    # A reload between the two questions: whoever answered is an old worker by now.
    workers = [process["pid"] for process in processes["workers"] if process["current"]]
    while info and workers and _number(info.get("Pid")) not in workers and time.monotonic() + POLL < deadline:
        select.select([], [], [], POLL)
        with suppress(NoAnswer):
            info, current, peers = _ask_worker(stats_socket, deadline - time.monotonic())

    for process in processes["workers"]:
        if process["current"]:
            process["sessions"] = sum(_sessions(current, BACKEND).values()) if info else None
    return {
        "running": bool(info),
        # A master that answers replaces its worker.
        "hangs": hangs and not processes["workers"],
        "version": info.get("Version"),
        "uptime_s": _number(info.get("Uptime_sec")),
        "description": info.get("description"),
        "msg": " ".join(silent),
        "peers": peers,
        **processes,
        **combine(current, old),
    }
