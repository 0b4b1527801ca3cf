# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The values of the metrics, of what is known of this load balancer.

Labels are names of the inventory, words of ours, and AE titles of callers, of whom HAProxy knows a bounded number by
name. Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis import certificates, mirror, status
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis.forwarding import in_sync
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis.observed import Layer4
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._phrases import owner

VRRP_STATES = ("MASTER", "BACKUP", "FAULT")


class Sample(NamedTuple):
    """A value of a metric. ``name`` is one of metrics.METRICS."""

    name: str
    value: float
    labels: Mapping[str, str] = {}


def samples(state: Mapping[str, Any]) -> Iterator[Sample]:
    observed, name = state["observed"], state["name"]
    yield Sample("observed_timestamp_seconds", round(state["at"], 3))
    health = status.health(state["problems"])
    for word in status.HEALTH:
        yield Sample("health", word == health, {"state": word})
    for code, number in sorted(Counter(problem.code for problem in state["problems"]).items()):
        yield Sample("problems", number, {"code": code})
    yield from _vrrp(observed["keepalived"])
    for vip in sorted(status.vips(state["site"], {name: observed})):
        yield Sample("vip_held", vip in observed["keepalived"]["addresses"], {"vip": vip})
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
    yield Sample("keepalived_running", daemon["running"])
    for instance in daemon["instances"]:
        its = {"instance_name": instance["name"]}
        for word in VRRP_STATES:
            yield Sample("vrrp_state", word == instance["state"], {**its, "state": word})
        yield Sample("vrrp_state_timestamp_seconds", instance["since"], its)
        yield Sample("vrrp_became_master_total", instance["became_master"], its)
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
            if known["up"] is not None and not known["status"].startswith("MAINT"):  # nobody checks it then
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
