# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What HAProxy's own exporter cannot know, for node_exporter's textfile collector.

Prometheus' text format (https://prometheus.io/docs/instrumenting/exposition_formats/) and its naming: base units, a
counter ends in _total, a moment in _timestamp_seconds. Pure, but for `write`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from . import files
from .samples import Sample, samples

FILE = "pacs_loadbalancer.prom"

# By name, without the prefix: type and meaning.
METRICS = {
    "observed_timestamp_seconds": ("gauge", "When this load balancer was looked at."),
    "health": ("gauge", "1 for the state of this load balancer, as it sees the site: healthy, degraded or down."),
    "problems": ("gauge", "Problems by the code under which docs/operations.md says what to do."),
    "keepalived_running": ("gauge", "Whether Keepalived answers."),
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
    "node_up": ("gauge", "Whether a service on a node passes HAProxy's check. Absent while it is out of service."),
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
