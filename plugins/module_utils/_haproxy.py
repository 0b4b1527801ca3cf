# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a running HAProxy says about itself on its UNIX sockets.

`parse_info`, `parse_stat` and `parse_proc` are pure; `ask` sends one command.

Answers: HAProxy Management Guide, "9.1. CSV format" and "9.3. Unix Socket commands" (`show info`, `show stat`),
"9.4. Master CLI" (`show proc`, `@!<pid>`). The same in 2.6 and in 3.0.
"""

from __future__ import annotations

import csv
import re
import socket
import time

# Bytes of an answer; 50 nodes of 4 services take 120 kB.
MAX_ANSWER = 16 * 1024 * 1024


class NoAnswer(Exception):
    """A socket did not answer; the message is a sentence that says which, and why.

    `passing`: the master's socket may also fail so for a moment, while a reload re-executes the master. `hangs`: it is
    listened on, and nothing is done.
    """

    def __init__(self, message: str, passing: bool = False, hangs: bool = False) -> None:
        super().__init__(message)
        self.passing = passing
        self.hangs = hangs


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
        raise NoAnswer(f"{path} did not answer within {timeout:g} s: HAProxy hangs.", hangs=True) from None
    except BlockingIOError:  # unix(7): a full queue
        raise NoAnswer(f"{path} has too many connections that wait: HAProxy hangs.", hangs=True) from None
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
