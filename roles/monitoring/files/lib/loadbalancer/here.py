# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""This load balancer: what was deployed on it, and what it observes of itself."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from ansible_collections.pacs.loadbalancer.plugins.module_utils import (
    _addresses,
    _associations,
    _barred,
    _certificates,
    _file_set,
    _guard,
    _haproxy_info,
    _keepalived,
    _layer4,
    _systemd,
)
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis import mirror
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis.observed import Host
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._phrases import owner

# As the modules have them by default.
ADMIN, MASTER, PID = "/run/haproxy/admin.sock", "/run/haproxy-master.sock", "/run/keepalived.pid"
PEM = "/etc/haproxy/tls"
HANDOVER = "/run/keepalived.handover"
NODES = os.path.join(_file_set.DIRECTORY, "nodes.fact")
PATIENCE = 3.0  # seconds for each daemon


class NotDeployed(Exception):
    """Nothing was deployed here, or a deployment has not come to its end; the message is a sentence."""


def site(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the site that was deployed last and verified, with what is remembered of its nodes now.

    ``record``: what `_site_record.read` returns. Raises NotDeployed.
    """
    found = record["current"].get("site")
    if not found:
        raise NotDeployed("No deployment on this host has come to its end: run playbooks/site.yml.")
    try:
        with open(NODES, encoding="utf-8") as file:
            states = json.load(file)
    except (OSError, ValueError):
        states = found.get("states", {})
    for service in found["services"]:
        for node in service["nodes"]:
            known = states.get(owner(service["name"]), {}).get(node["name"], {})
            node["state"] = known.get("state", "active")
    # Who still comes to a former VIP takes a search of 30 days of logs: playbooks/status.yml says it.
    return {**found, "states": states, "former_services": []}


def name(of: Mapping[str, Any]) -> str:
    """Return the name of this host in the inventory: that of the load balancer whose address is here."""
    addresses = _addresses.held_since()
    for known, host in of["hosts"].items():
        if host["address"] in addresses:
            return known
    raise NotDeployed("None of the addresses of this host is a load balancer's of the site that was deployed here.")


def observe(of: Mapping[str, Any]) -> Host:
    """Ask the daemons, the kernel and the files, whose answers have just the form of a Host."""
    sets = {name: _file_set.FileSet(name) for name in _file_set.names()}
    observed: Any = {
        "haproxy": {**_systemd.inspect("haproxy.service"), **_haproxy_info.gather(ADMIN, MASTER, PATIENCE)},
        "keepalived": {
            **_systemd.inspect("keepalived.service"),
            **_keepalived.gather(PID, PATIENCE),
            "guard": _guard.gather(),
            "barred": _barred.is_barred(HANDOVER),
        },
        "files": [file for files in sets.values() for file in _drift(files)],
        "fingerprints": {name: files.record.get("fingerprint", "") for name, files in sets.items()},
        "associations": _associations.gather(ADMIN, PATIENCE),
        "certificates": [_certificates.see(wanted, PEM, ADMIN, PATIENCE) for wanted in of.get("host_certificates", ())],
    }
    if of["layer4_services"]:
        observed["layer4"] = {**_layer4.gather(_layer4.PROGRAM, PATIENCE, [], mirror.OLD, None), "test_entry": ""}
        # Of thousands: the rest is for the comparison of two hosts by the controller.
        observed["layer4"]["connections"] = mirror.told(observed) or {}
    return observed


def _drift(files: _file_set.FileSet) -> list[dict[str, Any]]:
    """What was deployed is compared with what is there; what an inventory would write nobody here knows."""
    drifted = files.compare([], "").drifted
    return [{"path": path, "differs": False, "drifted": path in drifted} for path in files.record.get("files", {})]
