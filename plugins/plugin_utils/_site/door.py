# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""DICOM at the door: what HAProxy decides by the A-ASSOCIATE-RQ with which an association begins (PS3.8, 9.3.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ansible_collections.pacs.loadbalancer.plugins.module_utils._dicom.items import CALLING_AE
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site import nodes
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.problems import Problems, show
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.types import Route, Service
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.values import is_set
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.variables import ROUTE_KEYS, read_keys

BY_TITLE = ("allowed_calling_ae", "routes")


def check(problems: Problems, subject: str, own: Mapping[str, Any], merged: Mapping[str, Any]) -> bool:
    """Return whether HAProxy looks at the first PDU. ``own``: the keys that the user wrote; ``merged``: all of them.

    What nobody wrote is silent where it cannot be.
    """
    dicom = bool(merged.get("dicom"))
    if merged["layer"] == 4:
        for key in ("dicom", *BY_TITLE):
            if own.get(key):
                problems.note(
                    f"{subject}.{key}",
                    "is set at layer 4, where the kernel forwards an association without reading it",
                    "remove it, or set layer: 7",
                )
        return False
    if own.get("dicom") and merged["mode"] == "http":
        problems.note(f"{subject}.dicom", "is true on an http service", "remove it, or set mode: tcp")
    for key in BY_TITLE:
        if own.get(key) and not dicom:
            problems.note(
                f"{subject}.{key}", "is set although HAProxy does not read AE titles there", "set dicom: true"
            )
    return dicom and merged["mode"] == "tcp"


def allowed(merged: Mapping[str, Any]) -> list[str]:
    """Return the calling AE titles that are let in; the check asks the VIP too, under its own."""
    written = list(merged.get("allowed_calling_ae", []))
    own = [merged.get("calling_ae", CALLING_AE)] if written and merged["check"] in ("associate", "echo") else []
    return list(dict.fromkeys([*written, *own]))


def routed(
    problems: Problems, subject: str, written: Any, service: Service, site_nodes: list[dict[str, Any]]
) -> list[Service]:
    """Return the service with its routes, and the services to which they lead: one for each choice of nodes.

    Its name, such as ``dicom:to:ris1``, can be none of the user's, and stays where routes are added or sorted anew.
    """
    if not is_set(written):
        return [service]
    if not isinstance(written, Sequence) or isinstance(written, str):
        problems.note(
            f"{subject}.routes",
            f"is {show(written)}, which is not a list",
            "give routes such as [{called_ae: RIS*, nodes: [ris1]}]",
        )
        return [service]
    routes: list[Route] = []
    targets: dict[str, Service] = {}
    for index, entry in enumerate(written):
        place = f"{subject}.routes[{index}]"
        keys = read_keys(problems, place, entry, ROUTE_KEYS)
        if isinstance(entry, Mapping) and not any(is_set(entry.get(key)) for key in ("called_ae", "calling_ae")):
            problems.note(place, "has no AE title", "give called_ae, calling_ae or both")
        if isinstance(entry, Mapping) and not is_set(entry.get("nodes")):
            problems.note(place, "has no nodes", "give names such as [pacs1], or a list of its own nodes")
        if "nodes" not in keys or not service.nodes:
            continue
        typed = nodes.typed(
            nodes.of_service(problems, f"{place}.nodes", keys["nodes"], site_nodes), service.nodes[0].port
        )
        if not typed:
            continue
        called = keys.get("called_ae")
        name = ":".join([service.name, "to", *(node.name for node in typed)])
        target = replace(service, name=name, nodes=typed, route_of=service.name, dicom=False, allowed_calling_ae=[])
        if targets.setdefault(name, target).nodes != typed:
            problems.note(f"{place}.nodes", "names a node that another route has with other keys", "give both the same")
        if called and "*" not in called and targets[name].called_ae == service.called_ae:
            targets[name] = replace(targets[name], called_ae=called)
        routes.append(Route(called, keys.get("calling_ae"), name))
    return [replace(service, routes=routes), *targets.values()]
