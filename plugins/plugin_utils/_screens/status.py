# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How the load balancers are, on one screen."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis.forwarding import in_sync
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis.observed import (
    Answer,
    Host,
    Layer4,
    Node,
    Observed,
    Service,
)
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis.problem import Problem
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis.reading import holders, running_services
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._phrases import listed, moment, span
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._screens.text import (
    WIDTH,
    certificate_table,
    page,
    section,
    table,
)

HOST_COLUMNS = ["load balancer", "VRRP", "priority", "sessions", "on old workers", "HAProxy", "Keepalived"]


def status_screen(
    observed: Observed,
    services: Sequence[Service],
    hosts: Sequence[str],
    vips: Sequence[str],
    problems: Sequence[Problem],
    notices: Sequence[Problem],
    now: float | None = None,
    certificates: Sequence[tuple[str, str]] = (),
    others: Mapping[str, Answer | None] | None = None,
) -> str:
    """One screen, at most 100 columns wide where the names allow: the VIPs, each load balancer, each node, each
    certificate, and what is wrong.

    ``services``: the model's. ``hosts``: all load balancers, reached or not. ``now``: seconds since the epoch.
    ``others``: what those have answered that were not observed.
    """
    return page(
        *_tables(observed, services, hosts, vips, now, others or {}),
        certificate_table(certificates),
        section("Problems", problems),
        section("Notices", notices),
    )


def status_tables(
    observed: Observed, services: Sequence[Service], hosts: Sequence[str], vips: Sequence[str], now: float | None = None
) -> str:
    """The same without a verdict, for whoever says in words of his own what is wrong, or that nothing is."""
    return page(*_tables(observed, services, hosts, vips, now, {}))


def _tables(
    observed: Observed,
    services: Sequence[Service],
    hosts: Sequence[str],
    vips: Sequence[str],
    now: float | None,
    others: Mapping[str, Answer | None],
) -> Iterator[list[str]]:
    yield _vip_lines(observed, vips, time.time() if now is None else now, others)
    yield table([HOST_COLUMNS, *(_host_row(name, observed.get(name), others.get(name)) for name in hosts)])
    yield _node_lines(observed, services)
    yield from _layer4_tables(observed)


def _vip_lines(observed: Observed, vips: Sequence[str], now: float, others: Mapping[str, Answer | None]) -> list[str]:
    elsewhere = [name for name, answer in others.items() if answer and answer["state"] == "MASTER"]
    held: dict[tuple[str, ...], list[str]] = {}
    for vip in vips:
        held.setdefault(tuple(holders(observed, vip)), []).append(vip)
    lines = []
    for names, addresses in held.items():
        label = f"{'VIP' if len(addresses) == 1 else 'VIPs'} {listed(addresses)}"
        if not names and elsewhere:
            lines.append(f"{label}: active on {listed(elsewhere)}, which says so itself")
        elif not names:
            lines.append(f"{label}: active on none of the load balancers that were reached")
        for name in names:
            since = min(observed[name]["keepalived"]["addresses"][vip] for vip in addresses)
            lines.append(f"{label}: active on {name} since {moment(since, now)}")
    return lines


def _host_row(name: str, host: Host | None, answer: Answer | None) -> list[str]:
    if host is None and answer:
        return [name, answer["state"] or "not running", str(answer["priority"]), *["-"] * 4]
    if host is None:
        return [name, "not reached", *["-"] * 5]
    haproxy, keepalived = host["haproxy"], host["keepalived"]
    old = [worker for worker in haproxy["workers"] if not worker["current"]]
    return [
        name,
        " ".join(dict.fromkeys(instance["state"] for instance in keepalived["instances"])) or "not running",
        " ".join(str(instance["priority"]) for instance in keepalived["instances"]) or "-",
        str(sum(haproxy["sessions"].values())),
        f"{haproxy['old_sessions']} ({len(old)} {'worker' if len(old) == 1 else 'workers'})" if old else "0",
        (haproxy["version"] or "running") if haproxy["running"] else "not running",
        (keepalived["version"] or "running") if keepalived["running"] else "not running",
    ]


def _node_lines(observed: Observed, services: Sequence[Service]) -> list[str]:
    """The nodes with as much of each check as the width allows: state, check and age; state and check; state."""
    lines: list[str] = []
    for detail in (3, 2, 1):
        rows = [["service", "node", *observed, "sessions"]]
        for service, node, label in _nodes(observed, services):
            states = [host["haproxy"]["services"].get(service, {}).get(node) for host in observed.values()]
            sessions = sum(state["sessions"] for state in states if state)
            rows.append([service, label, *(_check(state, detail) for state in states), str(sessions)])
        lines = table(rows)
        if max(map(len, lines)) <= WIDTH:
            break
    return lines


def _nodes(observed: Observed, services: Sequence[Service]) -> Iterator[tuple[str, str, str]]:
    """Service, node and what to call it: the inventory's, and after them those that run and are not in the
    inventory.
    """
    known = {}
    for service in services:
        for node in service["nodes"]:
            more = ["backup"] * bool(node.get("backup")) + [node.get("state")] * (node.get("state") != "active")
            known[service["name"], node["name"]] = f"{node['name']} ({', '.join(more)})" if more else node["name"]
    for name, nodes in running_services(observed).items():
        for node in nodes:
            known.setdefault((name, node), node)
    for (name, node), label in known.items():
        yield name, node, label


def _check(state: Node | None, detail: int) -> str:
    if state is None:
        return "-"
    code = f"{state['check_status']}/{state['check_code']}" if state["check_code"] else state["check_status"]
    age = "" if state["last_change_s"] is None else span(state["last_change_s"])
    return " ".join(filter(None, (state["status"], code, age)[:detail]))


def _layer4_tables(observed: Observed) -> Iterator[list[str]]:
    """What the kernel forwards: each load balancer, and its connections by service and node."""
    found = {name: host["layer4"] for name, host in observed.items() if "layer4" in host and host["layer4"]["deployed"]}
    if found:
        yield _forwarders(found)
        yield _connections(found)


def _forwarders(found: Mapping[str, Layer4]) -> list[str]:
    rows = [["layer 4", "map", "connections", "mirrored", "received", "queued", "table"]]
    for name, layer4 in found.items():
        mirror, room = layer4["mirror"], layer4["table"]
        rows.append(
            [
                name,
                "in sync" if in_sync(layer4) else "out of sync",
                str(sum(sum(nodes.values()) for nodes in layer4["flows"].values())),
                *(
                    [str(mirror[key]) for key in ("ours", "taken", "waiting")]
                    if mirror["running"]
                    else ["-" if mirror["wanted"] else "no", "-", "-"]
                ),
                f"{room['used']} of {room['room']}",
            ]
        )
    return table(rows)


def _connections(found: Mapping[str, Layer4]) -> list[str]:
    rows = [["forwarded", "node", *found]]
    ends = [
        (service, node) for layer4 in found.values() for service, nodes in layer4["flows"].items() for node in nodes
    ]
    for service, node in dict.fromkeys(ends):
        cells = []
        for layer4 in found.values():
            known = layer4["services"].get(service, {}).get(node, {})
            number = layer4["flows"].get(service, {}).get(node, 0)
            cells.append(f"{number} ({known.get('state') or 'unknown'}, {known.get('slots', 0)} slots)")
        rows.append([service, node, *cells])
    return table(rows)
