# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one table of what a user may write: names, where they may differ, and how their values are read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site import values
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.problems import Problems, nearest, show
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.values import choice, integer, text

GROUP = "loadbalancers"  # the inventory's group of hosts that run HAProxy and Keepalived
SITE, HOST = "site", "host"


@dataclass(frozen=True)
class Variable:
    """A variable of the user's.

    ``scope``: SITE (the same on every load balancer) or HOST (may differ).
    ``parser``: None for a list or a mapping, whose parts have parsers of their own.
    ``secret``: its value stands in no sentence and does not come out of the model.
    """

    name: str
    scope: str
    parser: Callable[[Any], Any] | None
    secret: bool = False


VARIABLES = (
    Variable("infinitt_vip", SITE, values.virtual_address),
    Variable("infinitt_nodes", SITE, None),
    Variable("infinitt_services", SITE, None),
    Variable("infinitt_preflight", SITE, choice("all", "any", "none")),
    Variable("infinitt_failover", SITE, choice("standard", "fast", "conservative")),
    Variable("infinitt_layer", SITE, values.layer),
    Variable("infinitt_router_id", SITE, integer(1, 255)),
    Variable("infinitt_stats_port", SITE, values.port),
    Variable("infinitt_stats_password", SITE, values.secret, secret=True),
    Variable("infinitt_address", HOST, values.address),
    Variable("infinitt_interface", HOST, text(values.INTERFACE, "give an interface's name, such as eth0")),
    Variable("infinitt_gateway", HOST, values.gateway),
    Variable("infinitt_mirror_address", HOST, values.address),
)
SITE_VARIABLES = {variable.name: variable for variable in VARIABLES if variable.scope == SITE}
HOST_VARIABLES = {variable.name: variable for variable in VARIABLES if variable.scope == HOST}

NODE_KEYS: dict[str, Callable[[Any], Any]] = {
    "name": text(values.NAME, "give up to 63 letters, digits, dots, dashes and underscores"),
    "address": values.node_address,
    "weight": integer(0, 256),
    "backup": values.boolean,
    "max_connections": integer(1, 1000000),
}
SERVICE_KEYS: dict[str, Callable[[Any], Any]] = {
    "enabled": values.boolean,
    "port": values.port,
    "node_port": values.port,
    "vip": values.virtual_address,
    "mode": choice("http", "tcp"),
    "layer": values.layer,
    "nodes": lambda value: value,  # a list of its own: read by nodes.of_service
    "check": choice("tcp", "http", "associate", "echo"),
    "check_path": text(values.PATH, "give a path that begins with / and has no spaces or quotes, such as /health"),
    "check_host": text(values.HOST, "give a host name, such as pacs.example.org"),
    "check_status": text(values.STATUS, "give HTTP status codes such as 200, 200-399 or 200,302,401"),
    "called_ae": values.ae_title,
    "calling_ae": values.ae_title,
    "persistence": choice("source", "cookie", "none"),
    "persist_for": values.duration,
    "timeout": values.duration,
}


def read_keys(
    problems: Problems, subject: str, written: Any, parsers: Mapping[str, Callable[[Any], Any]]
) -> dict[str, Any]:
    """Return the keys of one mapping that are set and right; note what is wrong or unknown."""
    if not isinstance(written, Mapping):
        problems.note(
            subject, f"is {show(written)}, which is not a mapping", f"give keys such as {', '.join(list(parsers)[:3])}"
        )
        return {}
    found: dict[str, Any] = {}
    for key, value in written.items():
        if key not in parsers:
            problems.note(f"{subject}.{key}", "is not a known key", nearest(str(key), list(parsers)))
        elif values.is_set(value):
            parsed = problems.parse(f"{subject}.{key}", parsers[key], value)
            if parsed is not None:
                found[key] = parsed
    return found


def check_names(problems: Problems, variables: Mapping[str, Any], hosts: Mapping[str, Mapping[str, Any]]) -> None:
    """Note misspelt variables, and those that differ between hosts where they may not."""
    known = [variable.name for variable in VARIABLES]
    for name, host in hosts.items():
        for key in host.get("names", host["variables"]):
            if key not in known:
                problems.note(f"{key} of {name}", "is not a known variable", nearest(key, known))
    for key in variables:
        given = {name: host["variables"][key] for name, host in hosts.items() if key in host["variables"]}
        first = next(iter(given), None)
        for name, value in given.items():
            if value != given[first]:
                what = "another value" if SITE_VARIABLES[key].secret else f"{show(value)}"
                problems.note(
                    f"{key} of {name}", f"is {what} and differs from that of {first}", "give the group one value"
                )


def read_site(problems: Problems, variables: Mapping[str, Any]) -> dict[str, Any]:
    """Return the site's variables that are set and right; note what is wrong."""
    found: dict[str, Any] = {}
    for name, variable in SITE_VARIABLES.items():
        value = variables.get(name)
        if not values.is_set(value):
            continue
        parsed = problems.parse(name, variable.parser, value) if variable.parser else value
        if parsed is not None:
            found[name] = parsed
    return found
