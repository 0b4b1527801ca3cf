# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The metrics of HAProxy and of node_exporter: where they are, and for whom."""

from __future__ import annotations

from typing import Any

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.problems import Problems
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.types import Metrics
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.values import is_set
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.variables import METRICS_KEYS, read_keys

SUBJECT = "infinitt_metrics"
# https://github.com/prometheus/prometheus/wiki/Default-port-allocations: HAProxy's, and node_exporter's.
PORT, NODE_EXPORTER = 9101, 9100


def read(problems: Problems, written: Any) -> Metrics | None:
    """Return what the user wrote; None where there are to be none."""
    if not is_set(written) or written == {}:
        return None
    keys = read_keys(problems, SUBJECT, written, METRICS_KEYS)
    if not keys.get("allowed_sources"):
        problems.note(
            f"{SUBJECT}.allowed_sources",
            "is not set",
            "give the address of Prometheus: who reads the metrics knows every node",
        )
        return None
    node_exporter = NODE_EXPORTER if keys.get("node_exporter") else 0
    return Metrics(keys.get("port", PORT), keys["allowed_sources"], node_exporter)
