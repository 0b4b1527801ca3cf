# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who calls: what HAProxy has counted by service and calling AE title (roles/haproxy/templates/haproxy.cfg.j2).

`parse_tables` is pure; `gather` asks.

Answers: HAProxy Management Guide, "9.3. Unix Socket commands" (`show table`). The same, as far as it is read, in 2.6
and in 3.0.
"""

from __future__ import annotations

import re

from ._haproxy import NoAnswer, ask

# Each by the prefix of its tables: the name here of what is counted there, by HAProxy's own.
TABLES = {
    "_callers_": {
        "conn_cnt": "associations",
        "gpc0": "refused_by_node",
        "bytes_in_cnt": "received",
        "bytes_out_cnt": "sent",
    },
    "_refused_": {"conn_cnt": "refused"},
}

_TABLE = re.compile(r"# table: ([^,]+),")
_ENTRY = re.compile(r"0x[0-9a-f]+: key=((?:\\.|[^\\ ])*) (.*)")
_ESCAPED = re.compile(r"\\(x[0-9A-F]{2}|.)")


def parse_tables(text: str) -> dict[str, dict[str, dict[str, int]]]:
    """Parse answers of `show table`: by table and key, the numbers of the entry."""
    tables: dict[str, dict[str, dict[str, int]]] = {}
    entries: dict[str, dict[str, int]] = {}
    for line in text.splitlines():
        table, entry = _TABLE.match(line), _ENTRY.match(line)
        if table:
            entries = tables.setdefault(table.group(1), {})
        elif entry:
            # It escapes what could end a key: a blank, a backslash and "=".
            key = _ESCAPED.sub(_unescaped, entry.group(1))
            entries[key] = {name: int(number) for name, number in re.findall(r"(\w+)=(\d+)", entry.group(2))}
    return tables


def _unescaped(found: re.Match) -> str:
    code = found.group(1)
    return chr(int(code[1:], 16)) if len(code) > 1 else code


def gather(stats_socket: str, timeout: float) -> dict[str, dict[str, dict[str, int]]]:
    """Return by frontend and calling AE title what is counted of it, by the names in `TABLES`.

    `timeout` in seconds for each of two questions. Empty where HAProxy does not answer.
    """
    try:
        names = [name for name in parse_tables(ask(stats_socket, "show table", timeout)) if _prefix(name)]
        answer = ask(stats_socket, ";".join(f"show table {name}" for name in names), timeout) if names else ""
    except NoAnswer:
        return {}
    found: dict[str, dict[str, dict[str, int]]] = {}
    for table, entries in parse_tables(answer).items():
        prefix = _prefix(table)
        callers = found.setdefault(table[len(prefix) :], {})
        for title, numbers in entries.items():
            counted = {ours: numbers.get(theirs, 0) for theirs, ours in TABLES[prefix].items()}
            callers.setdefault(title, {}).update(counted)
    return found


def _prefix(table: str) -> str:
    return next((prefix for prefix in TABLES if table.startswith(prefix)), "")
