# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a load balancer of a healthy pair knows of itself (`state.look` of roles/monitoring), for tests to change."""

from __future__ import annotations

from observations import NOW, connections, forwarders, node, pair, site, through

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis import status
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis.problem import Problem

SITE = {**site(), "former_services": []}
STANDBY = {"state": "BACKUP", "priority": 253, "node_answers": True, "handed_over": None}
MASTER = {**STANDBY, "state": "MASTER", "priority": 254}


def seen(name, answer, change=lambda host: None):
    """What that host of a pair knows, where the other one gives that answer."""
    observed, other = pair()[name], {"lb1": "lb2", "lb2": "lb1"}[name]
    change(observed)
    return {
        "at": NOW,
        "name": name,
        "site": SITE,
        "deployed": {"at": NOW - 3600, "pending": False},
        "observed": observed,
        "others": {other: answer},
        "checked": {},
        "problems": status.problems_from(name, SITE, observed, {other: answer}, NOW),
        "notices": status.notices(SITE, {name: observed}, NOW),
    }


def called(associations):
    """What HAProxy has counted of somebody who called so often."""
    return {"associations": associations, "refused_by_node": 1, "received": 1000 * associations, "sent": 100}


def full():
    """One that has something of everything."""
    known = seen("lb1", STANDBY)
    observed = known["observed"] = forwarders()["lb1"]
    observed["haproxy"]["peers"] = {"lb2": True}
    observed["haproxy"]["services"]["dicom"]["pacs2"] = node("DOWN", "L4CON", False, name="pacs2")
    observed["keepalived"]["guard"]["handed_over"] = {"at": NOW - 60.5, "reason": "no node answers this host"}
    observed["keepalived"]["guard"]["ignored"] = {"198.51.100.99": {"count": 7, "ttl": 64}}
    observed["certificates"] = [
        {"service": "web", "certificate": "/etc/ssl/pacs.pem", "not_after": NOW + 86400, "served": True, "problem": ""}
    ]
    observed["associations"] = {
        "dicom": {"CT1": called(3), "other": called(1)},
        "dicom:198.51.100.9": {"CT1": called(2), "CT9": {"refused": 4}},
    }
    known["others"]["lb2"] = {**STANDBY, "at": NOW - 20, "problems": [], "connections": connections("aa", "cc")}
    entry = {"state": "maintenance", "since": NOW - 100, "by": "ops", "cut": False}
    known["site"] = {**SITE, "states": {"dicom": {"pacs1": entry}}}
    known["checked"] = {"at": NOW - 120.25, "answers": {"through": [through(ms=12.5)]}}
    known["problems"] = [Problem("node_down", "pacs2", "It is down.", "Mend it.")]
    return known
