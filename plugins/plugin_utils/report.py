# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the load balancers saw and how they are, as plain text for a terminal. Data in, text out."""

from __future__ import annotations

import itertools
import textwrap
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

WIDTH = 100
GAP = "  "
HOST_COLUMNS = ["load balancer", "VRRP", "priority", "sessions", "on old workers", "HAProxy", "Keepalived"]

ESTABLISHED_LEAST = 86400  # seconds that a forwarded connection may be silent, at least

Services = Sequence[Mapping[str, Any]]
Seen = Mapping[str, Mapping[str, Any]]


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of cells as lines with aligned columns; the first row is the heading."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows)]
    return [GAP.join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]


def span(seconds: float) -> str:
    """A length of time in its two largest units: 45 s, 12 min, 2 h 3 min, 5 d 2 h."""
    minutes, hours, days = int(seconds // 60), int(seconds // 3600), int(seconds // 86400)
    if days > 0:
        return f"{days} d {hours % 24} h"
    if hours > 0:
        return f"{hours} h {minutes % 60} min"
    return f"{minutes} min" if minutes > 0 else f"{max(int(seconds), 0)} s"


def moment(epoch: float, now: float) -> str:
    """A moment in UTC and how long ago it was; with its date where that is not today."""
    day = "" if time.gmtime(epoch)[:3] == time.gmtime(now)[:3] else "%Y-%m-%d "
    return f"{time.strftime(f'{day}%H:%M:%S', time.gmtime(epoch))} UTC ({span(now - epoch)})"


def listed(words: Sequence[str]) -> str:
    """a; a and b; a, b and c."""
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


# --- Preflight ---


def preflight_table(seen: Seen) -> str:
    """Every service on every node, a column for each load balancer that asked, and a line for each failure.

    ``seen``: for each load balancer ``endpoints``, of the backend check.
    """
    answers: dict[tuple[str, ...], dict[str, Mapping[str, Any]]] = {}
    for host, saw in seen.items():
        for end in saw["endpoints"]:
            key = (end["service"], end["node"], end["address"], str(end["port"]), end["check"])
            answers.setdefault(key, {})[host] = end
    rows = [["service", "node", "address", "port", "check", *seen]]
    rows += [[*key, *(_answer(ends.get(host)) for host in seen)] for key, ends in answers.items()]
    said: dict[tuple[str, str], list[str]] = {}
    for (service, node, address, port, _check), ends in answers.items():
        for host, end in ends.items():
            text = end["error"]["text"] if end["error"] else end.get("note")
            if text:
                said.setdefault((f"{service} on {node} ({address} port {port})", text), []).append(host)
    lines = [f"{where}, asked from {listed(hosts)}: {text}" for (where, text), hosts in said.items()]
    return "\n".join([*table(rows), *([""] if lines else []), *lines])


def _answer(end: Mapping[str, Any] | None) -> str:
    if end is None:
        return "not asked"
    if not end["reachable"]:
        return str(end["error"]["kind"]).replace("_", " ")
    return f"{end['total_ms']:.0f} ms" if end["total_ms"] >= 10 else f"{end['total_ms']:.1f} ms"


# --- Status ---


def status_screen(seen: Seen, services: Services, hosts: Sequence[str], now: float | None = None) -> str:
    """One screen, at most 100 columns wide where the names allow: who holds the VIPs, each load balancer, each node, problems.

    ``seen``: for each load balancer that was reached ``haproxy`` and ``keepalived``, what the two info modules return,
    where something is forwarded, ``layer4`` (as for `verify`), and, where it is known, ``written``: by ``haproxy`` and
    ``keepalived``, the fingerprint of the configuration that is to run.
    ``services``: the model's services. ``hosts``: all load balancers. ``now``: seconds since the epoch.
    """
    now = time.time() if now is None else now
    parts = [
        _holder_lines(seen, services, now),
        table([HOST_COLUMNS, *(_host_row(host, seen) for host in hosts)]),
        _node_lines(seen, services, [host for host in hosts if host in seen]),
        *_layer4_lines(seen, [host for host in hosts if host in seen]),
    ]
    for title, sentences in (("Problems", problems(seen, services, hosts)), ("Worth knowing", notes(seen))):
        if sentences:
            parts.append([f"{title}:", *(line for sentence in sentences for line in _wrapped(sentence))])
    return "\n\n".join("\n".join(part) for part in parts)


def _wrapped(sentence: str) -> list[str]:
    return textwrap.wrap(sentence, WIDTH, initial_indent="- ", subsequent_indent="  ", break_on_hyphens=False)


def _vips(services: Services) -> list[str]:
    return list(dict.fromkeys(service["address"] for service in services))


def _holders(seen: Seen, vip: str) -> list[str]:
    """By the kernel's word: a Keepalived that was killed may have left the VIP behind."""
    return [host for host, saw in seen.items() if vip in saw["keepalived"]["addresses"]]


def _holder_lines(seen: Seen, services: Services, now: float) -> list[str]:
    held: dict[tuple[str, ...], list[str]] = {}
    for vip in _vips(services):
        held.setdefault(tuple(_holders(seen, vip)), []).append(vip)
    lines = []
    for holders, vips in held.items():
        if not holders:
            lines.append(f"Nobody that was reached holds {listed(vips)}.")
        for host in holders:
            since = min(seen[host]["keepalived"]["addresses"][vip] for vip in vips)
            lines.append(f"{host} holds {listed(vips)} since {moment(since, now)}.")
    return lines


def _state(saw: Mapping[str, Any]) -> str:
    return " ".join(dict.fromkeys(instance["state"] for instance in saw["keepalived"]["instances"])) or "not running"


def _host_row(host: str, seen: Seen) -> list[str]:
    if host not in seen:
        return [host, "not reached", *["-"] * 5]
    haproxy, keepalived = seen[host]["haproxy"], seen[host]["keepalived"]
    old = [worker for worker in haproxy["workers"] if not worker["current"]]
    return [
        host,
        _state(seen[host]),
        " ".join(str(instance["priority"]) for instance in keepalived["instances"]) or "-",
        str(sum(haproxy["sessions"].values())),
        f"{haproxy['old_sessions']} ({len(old)} {'worker' if len(old) == 1 else 'workers'})" if old else "0",
        haproxy["version"] if haproxy["running"] else "not running",
        (keepalived["version"] or "running") if keepalived["running"] else "not running",
    ]


def _node(saw: Mapping[str, Any], service: str, node: str) -> Mapping[str, Any] | None:
    return saw["haproxy"]["services"].get(service, {}).get(node)


def _node_lines(seen: Seen, services: Services, hosts: Sequence[str]) -> list[str]:
    """The nodes with as much of each check as the width allows: state, check and age; state and check; state."""
    for detail in (3, 2, 1):
        rows = [["service", "node", *hosts, "sessions"]]
        for service in services:
            for node in service["nodes"]:
                states = [_node(seen[host], service["name"], node["name"]) for host in hosts]
                sessions = sum(state["sessions"] for state in states if state)
                name = f"{node['name']} (backup)" if node.get("backup") else node["name"]
                rows.append([service["name"], name, *(_check(state, detail) for state in states), str(sessions)])
        lines = table(rows)
        if max(map(len, lines)) <= WIDTH:
            break
    return lines


def _check(state: Mapping[str, Any] | None, detail: int) -> str:
    if state is None:
        return "-"
    code = f"{state['check_status']}/{state['check_code']}" if state["check_code"] else state["check_status"]
    age = "" if state["last_change_s"] is None else span(state["last_change_s"])
    return " ".join(filter(None, (state["status"], code, age)[:detail]))


def _layer4_lines(seen: Seen, hosts: Sequence[str]) -> Iterator[list[str]]:
    """What the kernel forwards: each load balancer, and its connections by service and node."""
    said = {host: seen[host]["layer4"]["status"] for host in hosts if seen[host].get("layer4", {}).get("status")}
    if not said:
        return
    rows = [["layer 4", "map", "connections", "mirrored", "taken", "waiting", "table"]]
    for host, status in said.items():
        mirror, room = status["mirror"], status["table"]
        counts = [str(mirror[key]) for key in ("ours", "taken", "waiting")] if mirror["running"] else ["-"] * 3
        used = f"{room['used']} of {room['room']}"
        rows.append(
            [
                host,
                "true" if _map_is_true(status) else "not true",
                str(sum(sum(nodes.values()) for nodes in status["flows"].values())),
                *counts,
                used,
            ]
        )
    yield table(rows)
    rows = [["forwarded", "node", *said]]
    names = {
        (service, node): None
        for status in said.values()
        for service, nodes in status["flows"].items()
        for node in nodes
    }
    for service, node in names:
        cells = []
        for status in said.values():
            known = status["services"].get(service, {}).get(node, {})
            number = status["flows"].get(service, {}).get(node, 0)
            cells.append(f"{number} ({known.get('state') or 'not known'}, {known.get('slots', 0)} slots)")
        rows.append([service, node, *cells])
    yield table(rows)


def _map_is_true(status: Mapping[str, Any]) -> bool:
    return bool(status["running"] and status["current"] and not status["fault"])


def _layer4_problems(seen: Seen, hosts: Sequence[str]) -> Iterator[str]:
    ends = {host: seen[host]["layer4"] for host in hosts if seen.get(host, {}).get("layer4")}
    for host, layer4 in ends.items():
        status = layer4["status"]
        if not status:
            yield f"Nothing is forwarded on {host}: layer4.service was never deployed there; deploy it: playbooks/site.yml."
            continue
        for unit, state in status["units"].items():
            if not state["active"]:
                yield f"{unit} does not run on {host}; see why: journalctl -u {unit}."
        if status["fault"]:
            yield f"Layer 4 on {host}: {status['fault']}."
        elif status["running"] and not status["current"]:
            yield f"layer4.service on {host} does not run what was written; reload it there: systemctl reload layer4."
        if not status.get("haproxy_answers", True):
            yield f"HAProxy on {host} does not answer, so the map there stays as it was."
        if status["table"]["used"] > 0.8 * status["table"]["room"]:
            yield (
                f"The connection table of {host} is nearly full ({status['table']['used']} of {status['table']['room']}), and new connections will be dropped;"
                " raise layer4_connections."
            )
        if status["table"]["established_timeout"] < ESTABLISHED_LEAST:
            yield established_problem(host, status["table"]["established_timeout"])
    mirrored = [host for host, layer4 in ends.items() if layer4["status"] and layer4["status"]["mirror"]["wanted"]]
    if len(mirrored) == 2:
        for here, there in silent_ways({host: ends[host] for host in mirrored}):
            yield (
                f"The mirror is silent: what {here} has in its connection table does not appear on {there} within 1 s; see whether UDP port 3780 passes,"
                f" and restart conntrackd on {there} and then on {here}."
            )


def silent_ways(ends: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """From which load balancer to which the mirror does not mirror. ``ends``: ``beacon`` and ``heard`` of its two."""
    for here, there in itertools.permutations(ends, 2):
        if not ends[here]["beacon"] or ends[here]["beacon"] not in ends[there]["heard"]:
            yield here, there


def established_problem(host: str, seconds: int) -> str:
    """The kernel would forget an association that is silent for an afternoon."""
    return (
        f"net.netfilter.nf_conntrack_tcp_timeout_established of {host} is {seconds} s, after which a silent association is dropped in the middle;"
        f" give it a day ({ESTABLISHED_LEAST}) or more, best the kernel's own {5 * ESTABLISHED_LEAST}, or let infinitt_layer be 7."
    )


def problems(seen: Seen, services: Services, hosts: Sequence[str]) -> list[str]:
    """One sentence for each thing that is not well; the same parameters as `status_screen`."""
    found = [f"{host} was not reached: what it holds and runs is not known." for host in hosts if host not in seen]
    missing = " of the load balancers that were reached" if found else ""
    for vip in _vips(services):
        holders = _holders(seen, vip)
        if not holders:
            found.append(f"Nobody{missing} holds the VIP {vip}; see what Keepalived says: journalctl -u keepalived.")
        elif len(holders) > 1:
            found.append(
                f"{listed(holders)} hold the VIP {vip} at once; see whether VRRP (IP protocol 112) passes between them, and whether a firewall drops it."
            )
    for host in hosts:
        if host in seen:
            found += _daemons(host, seen[host])
    asked = [host for host in hosts if host in seen and seen[host]["haproxy"]["running"]]
    for service in services:
        found += _service(service, asked, seen)
    return found + list(_layer4_problems(seen, hosts))


def _daemons(host: str, saw: Mapping[str, Any]) -> Iterator[str]:
    haproxy, keepalived, written = saw["haproxy"], saw["keepalived"], saw.get("written", {})
    if not keepalived["running"]:
        yield f"Keepalived on {host}: {keepalived['msg']}"
    for instance in keepalived["instances"]:
        if instance["state"] not in ("MASTER", "BACKUP"):
            yield f"Keepalived on {host} is in state {instance['state']} and cannot take the VIP; see what it says: journalctl -u keepalived."
        lost = [vip.partition("/")[0] for vip in instance["vips"] if vip.partition("/")[0] not in instance["held"]]
        if instance["state"] == "MASTER" and lost:
            yield f"Keepalived on {host} is master without {listed(lost)}: something took the address off {instance['interface']}; restart Keepalived there."
    if keepalived["running"] and written.get("keepalived") not in (None, keepalived["configuration"]):
        yield f"Keepalived on {host} does not run the configuration that was written; reload it there: systemctl reload keepalived."
    if haproxy["msg"]:
        yield f"HAProxy on {host}: {haproxy['msg']}"
    if haproxy["workers"] and not any(worker["current"] for worker in haproxy["workers"]):
        yield f"HAProxy on {host} has no worker that takes new clients; see what it says: journalctl -u haproxy."
    if haproxy["failed_reloads"]:
        yield f"HAProxy on {host} refused its last reload and goes on with the configuration before it; see why: journalctl -u haproxy."
    elif haproxy["running"] and written.get("haproxy") not in (None, haproxy["description"]):
        yield f"HAProxy on {host} does not run the configuration that was written; reload it there: systemctl reload haproxy."


def _service(service: Mapping[str, Any], asked: Sequence[str], seen: Seen) -> Iterator[str]:
    name = service["name"]
    dead = []
    for host in asked:
        nodes = seen[host]["haproxy"]["services"].get(name)
        if nodes is None:
            yield f"HAProxy on {host} does not know the service {name}; deploy it: playbooks/site.yml."
        elif not any(node["up"] is not False and not node["status"].startswith("DRAIN") for node in nodes.values()):
            dead.append(host)
    if dead:
        yield f"No node takes clients of {name} on {listed(dead)}."
    for node in service["nodes"]:
        states = {host: state for host in asked if (state := _node(seen[host], name, node["name"]))}
        # A node in maintenance is out because somebody wants it so.
        down = {
            host: state
            for host, state in states.items()
            if state["up"] is False and not state["status"].startswith("MAINT")
        }
        up = [host for host, state in states.items() if state["up"]]
        if not down:
            continue
        reasons = dict.fromkeys(state["check_text"] for state in down.values() if state["check_text"])
        why = f" ({'; '.join(reasons)})" if reasons else ""
        longest = max(state["last_change_s"] or 0 for state in down.values())
        where = f" for {listed(list(down))}{why} and up for {listed(up)}" if up else f"{why}, for {span(longest)}"
        yield f"{name} on {node['name']} is down{where}."


def notes(seen: Seen) -> list[str]:
    """What is well and yet worth knowing, one sentence each; ``seen`` as in `status_screen`."""
    found = []
    for host, saw in seen.items():
        for name, daemon in (("HAProxy", saw["haproxy"]), ("Keepalived", saw["keepalived"])):
            if daemon.get("outdated"):
                newer = listed(daemon["outdated"])
                found.append(
                    f"{name} on {host} is older than {newer}; a restart brings that in: playbooks/site.yml does it without the VIP."
                )
        new = [
            f"{service} on {node}"
            for service, nodes in saw["haproxy"]["services"].items()
            for node, state in nodes.items()
            if state["up"] is None
        ]
        if new:
            found.append(f"HAProxy on {host} has not checked {listed(new)} yet.")
    for name in ("haproxy", "keepalived"):
        versions = dict.fromkeys(saw[name]["version"] for saw in seen.values() if saw[name]["version"])
        if len(versions) > 1:
            found.append(f"The load balancers run different versions of {name}: {listed(list(versions))}.")
    return found
