# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What HAProxy's own exporter cannot know, for node_exporter's textfile collector.

Prometheus' text format (https://prometheus.io/docs/instrumenting/exposition_formats/) and its naming: base units, a
counter ends in _total, a moment in _timestamp_seconds. Labels are names of the inventory, words of ours, and AE titles
of callers, of whom HAProxy knows a bounded number by name. Pure, but for `write`.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis import certificates, mirror, status
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis.forwarding import in_sync
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis.observed import Layer4
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._phrases import owner

from . import files

FILE = "pacs_loadbalancer.prom"
VRRP_STATES = ("MASTER", "BACKUP", "FAULT")

# By name, without the prefix: type and meaning.
METRICS = {
    "observed_timestamp_seconds": ("gauge", "When this load balancer was looked at."),
    "health": ("gauge", "1 for the state of this load balancer, as it sees the site: healthy, degraded or down."),
    "problems": ("gauge", "Problems by the code under which docs/operations.md says what to do."),
    "vrrp_state": ("gauge", "1 for the state of Keepalived."),
    "vrrp_state_timestamp_seconds": ("gauge", "Since when Keepalived has this state."),
    "vrrp_became_master_total": ("counter", "How often Keepalived has taken the VIP since it started."),
    "vrrp_advertisements_ignored_total": ("counter", "Advertisements that were no peer's."),
    "vip_moves_total": ("counter", "How often this host has taken the VIP or given it up, by the reason."),
    "vip_held": ("gauge", "Whether the VIP is on this host."),
    "vip_answering": (
        "gauge",
        "Machines that answer for a VIP of this host by ARP or neighbour discovery, with itself.",
    ),
    "split_brain": ("gauge", "Whether another machine announces or answers for a VIP that is on this host."),
    "handover_timestamp_seconds": ("gauge", "When this host has handed the VIP over last, as no node answered it."),
    "haproxy_running": ("gauge", "Whether HAProxy answers."),
    "haproxy_failed_reloads": ("gauge", "Reloads that were refused since the last good one."),
    "haproxy_old_sessions": ("gauge", "Sessions that a worker still has which a reload has replaced."),
    "haproxy_peer_connected": ("gauge", "Whether HAProxy shares its tables with that of another load balancer."),
    "peer_answers": ("gauge", "Whether another load balancer says how it is."),
    "node_up": ("gauge", "Whether a service on a node passes HAProxy's check."),
    "node_out": ("gauge", "Since when (seconds since the epoch) a person has taken a service on a node out."),
    "node_sessions": ("gauge", "Sessions of a service on a node, through HAProxy."),
    "associations_total": ("counter", "Associations that a caller has opened to a node, through HAProxy."),
    "associations_refused_total": ("counter", "Associations that a node has refused, or a load balancer at the door."),
    "association_received_bytes_total": ("counter", "Bytes that a caller has sent in its associations."),
    "association_sent_bytes_total": ("counter", "Bytes that a caller was sent in its associations."),
    "layer4_in_sync": ("gauge", "Whether the kernel forwards to the nodes that HAProxy calls up."),
    "layer4_connections": ("gauge", "Connections that the kernel forwards to a service on a node."),
    "layer4_received_bytes_total": (
        "counter",
        "Bytes that a service on a node was sent by clients, through the kernel.",
    ),
    "layer4_sent_bytes_total": ("counter", "Bytes that a service on a node has sent to clients, through the kernel."),
    "layer4_newcomers_retried_total": ("counter", "New connections that a node left unanswered, tried on another one."),
    "layer4_newcomers_given_to_haproxy_total": ("counter", "New connections for which no node was left but HAProxy."),
    "conntrack_entries": ("gauge", "Entries of the connection table."),
    "conntrack_entries_limit": ("gauge", "Entries that fit into it."),
    "mirror_entries": ("gauge", "Entries of the mirror by where they came from: this host (own) or the other one."),
    "mirror_compared_connections": ("gauge", "Connections of this host, at most 40, for which it asks the other one."),
    "mirror_missing_connections": ("gauge", "Those of them that the other host lacks: they would break at a failover."),
    "mirror_received_bytes_total": ("counter", "Bytes of the mirror that came from the other host."),
    "mirror_sent_bytes_total": ("counter", "Bytes of the mirror that went to the other host."),
    "mirror_waiting_messages": ("gauge", "Messages of the mirror that the other host has not acknowledged."),
    "check_timestamp_seconds": ("gauge", "When this load balancer has asked the services through the VIP last."),
    "check_success": ("gauge", "Whether a service answers C-ECHO, or C-FIND with the user's key, through the VIP."),
    "check_seconds": ("gauge", "How long it took until it had answered, from the connection on."),
    "certificate_expiry_timestamp_seconds": ("gauge", "When a certificate expires."),
    "configuration_info": ("gauge", "1 for the fingerprint of the configuration that a daemon runs."),
    "deployment_timestamp_seconds": ("gauge", "When files of ours were deployed last."),
    "deployment_verified": ("gauge", "Whether what was deployed last was verified."),
    "files_drifted": ("gauge", "Files that are not what was last deployed."),
}


class Sample(NamedTuple):
    """A value of a metric. ``name`` is one of METRICS."""

    name: str
    value: float
    labels: Mapping[str, str] = {}


def text(state: Mapping[str, Any]) -> str:
    """Return the whole file. ``state``: what `state.look` returns."""
    by_name: dict[str, list[Sample]] = {}
    for sample in samples(state):
        by_name.setdefault(sample.name, []).append(sample)
    lines = []
    for name, (kind, meaning) in METRICS.items():
        if name in by_name:
            lines += [f"# HELP pacs_{name} {meaning}", f"# TYPE pacs_{name} {kind}"]
            lines += [_line(sample) for sample in by_name[name]]
    return "\n".join(lines) + "\n"


def samples(state: Mapping[str, Any]) -> Iterator[Sample]:
    observed, name = state["observed"], state["name"]
    yield Sample("observed_timestamp_seconds", round(state["at"], 3))
    health = status.health(state["problems"])
    for word in status.HEALTH:
        yield Sample("health", word == health, {"state": word})
    for code, number in sorted(Counter(problem.code for problem in state["problems"]).items()):
        yield Sample("problems", number, {"code": code})
    yield from _vrrp(observed["keepalived"])
    yield from _haproxy(observed["haproxy"])
    for other, answer in state["others"].items():
        yield Sample("peer_answers", answer is not None, {"peer": other})
        counted = mirror.compared(observed, answer, state["at"]) if answer else None
        if counted:
            yield Sample("mirror_compared_connections", counted[0], {"peer": other})
            yield Sample("mirror_missing_connections", counted[1], {"peer": other})
    for service, nodes in state["site"]["states"].items():
        for node, entry in nodes.items():
            if entry["state"] != "active":
                yield Sample("node_out", entry["since"], {"service": service, "node": node, "state": entry["state"]})
    yield from _associations(observed.get("associations", {}))
    if "layer4" in observed:
        yield from _layer4(observed["layer4"])
    yield from _checked(state["checked"])
    for where, what, end in certificates.moments(state["site"], {name: observed}):
        yield Sample("certificate_expiry_timestamp_seconds", end, {"service": where, "certificate": what})
    runs = {"haproxy": observed["haproxy"]["description"], "keepalived": observed["keepalived"]["configuration"]}
    for daemon, fingerprint in runs.items():
        if fingerprint:
            yield Sample("configuration_info", 1, {"daemon": daemon, "fingerprint": fingerprint})
    deployed = state["deployed"]
    if deployed["at"]:
        yield Sample("deployment_timestamp_seconds", deployed["at"])
    yield Sample("deployment_verified", not deployed["pending"])
    yield Sample("files_drifted", sum(file["drifted"] for file in observed["files"]))


def _vrrp(daemon: Mapping[str, Any]) -> Iterator[Sample]:
    for instance in daemon["instances"]:
        its = {"instance_name": instance["name"]}
        for word in VRRP_STATES:
            yield Sample("vrrp_state", word == instance["state"], {**its, "state": word})
        yield Sample("vrrp_state_timestamp_seconds", instance["since"], its)
        yield Sample("vrrp_became_master_total", instance["became_master"], its)
    for vip in sorted({vip.partition("/")[0] for instance in daemon["instances"] for vip in instance["vips"]}):
        yield Sample("vip_held", vip in daemon["addresses"], {"vip": vip})
    guard = daemon["guard"]
    for vip, number in sorted(guard["answering"].items()):
        yield Sample("vip_answering", number, {"vip": vip})
    for move, reasons in guard["moves"].items():
        for reason, number in sorted(reasons.items()):
            yield Sample("vip_moves_total", number, {"move": move, "reason": reason})
    yield Sample("split_brain", bool(guard["split_brain"]))
    yield Sample("vrrp_advertisements_ignored_total", sum(known["count"] for known in guard["ignored"].values()))
    if guard["handed_over"]["at"]:
        yield Sample("handover_timestamp_seconds", round(guard["handed_over"]["at"], 3))


def _haproxy(daemon: Mapping[str, Any]) -> Iterator[Sample]:
    yield Sample("haproxy_running", daemon["running"])
    if daemon["failed_reloads"] is not None:
        yield Sample("haproxy_failed_reloads", daemon["failed_reloads"])
    yield Sample("haproxy_old_sessions", daemon["old_sessions"])
    for peer, connected in sorted(daemon["peers"].items()):
        yield Sample("haproxy_peer_connected", connected, {"peer": peer})
    for service, nodes in daemon["services"].items():
        for node, known in nodes.items():
            its = {"service": service, "node": node}
            if known["up"] is not None:
                yield Sample("node_up", known["up"], its)
            yield Sample("node_sessions", known["sessions"], its)


def _associations(counted: Mapping[str, Mapping[str, Mapping[str, int]]]) -> Iterator[Sample]:
    # A service may stand on more than one address.
    by_caller: dict[tuple[str, str], Counter[str]] = {}
    for frontend, callers in counted.items():
        for title, numbers in callers.items():
            by_caller.setdefault((owner(frontend), title), Counter()).update(numbers)
    for (service, title), numbers in sorted(by_caller.items()):
        its = {"service": service, "calling_ae": title}
        if "associations" in numbers:
            yield Sample("associations_total", numbers["associations"], its)
            yield Sample("associations_refused_total", numbers["refused_by_node"], {**its, "by": "node"})
            yield Sample("association_received_bytes_total", numbers["received"], its)
            yield Sample("association_sent_bytes_total", numbers["sent"], its)
        if "refused" in numbers:
            yield Sample("associations_refused_total", numbers["refused"], {**its, "by": "load_balancer"})


def _layer4(known: Layer4) -> Iterator[Sample]:
    if not known["deployed"]:
        return
    yield Sample("layer4_in_sync", in_sync(known))
    for service, nodes in known["flows"].items():
        for node, number in nodes.items():
            yield Sample("layer4_connections", number, {"service": service, "node": node})
    for service, its_nodes in known["bytes"].items():
        for node, counted in its_nodes.items():
            for way, number in counted.items():
                yield Sample(f"layer4_{way}_bytes_total", number, {"service": service, "node": node})
    for name, number in known["newcomers"].items():
        yield Sample(f"layer4_newcomers_{name}_total", number)
    yield Sample("conntrack_entries", known["table"]["used"])
    yield Sample("conntrack_entries_limit", known["table"]["room"])
    its_mirror = known["mirror"]
    if its_mirror["running"]:
        yield Sample("mirror_entries", its_mirror["ours"], {"origin": "own"})
        yield Sample("mirror_entries", its_mirror["taken"], {"origin": "other"})
        yield Sample("mirror_received_bytes_total", its_mirror["received"])
        yield Sample("mirror_sent_bytes_total", its_mirror["sent"])
        yield Sample("mirror_waiting_messages", its_mirror["waiting"])


def _checked(known: Mapping[str, Any]) -> Iterator[Sample]:
    """Of the load balancer that asks; the other one has nothing."""
    if not known:
        return
    yield Sample("check_timestamp_seconds", round(known["at"], 3))
    for end in known["answers"]["through"]:
        its = {"service": end["service"]}
        yield Sample("check_success", end["reachable"], its)
        if end["reachable"]:
            yield Sample("check_seconds", end["total_ms"] / 1000, its)


def _line(sample: Sample) -> str:
    labels = ",".join(f'{name}="{_escaped(value)}"' for name, value in sample.labels.items())
    # repr keeps a moment whole, where a shorter form would not.
    return f"pacs_{sample.name}{f'{{{labels}}}' if labels else ''} {float(sample.value)!r}"


def _escaped(value: str) -> str:
    return str(value).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def write(content: str, directory: str) -> None:
    """Replace the file there as a whole; without the directory there is no node_exporter to read it."""
    if not os.path.isdir(directory):
        return
    # node_exporter reads what ends in .prom.
    files.replace(os.path.join(directory, FILE), content, 0o644)
