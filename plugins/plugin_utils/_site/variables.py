# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one table of what a user may write: names, where they may differ, and how their values are read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.pacs.loadbalancer.plugins.module_utils._dicom.constants import STUDY_KEYS, WORKLIST_KEYS
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site import addresses, values
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.pem import pem
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.problems import (
    Problems,
    ValidationError,
    nearest,
    show,
)
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.types import STATES
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.values import Choice, Choices, Integer, Text

GROUP = "loadbalancers"  # the inventory's group of hosts that run HAProxy and Keepalived
SITE, HOST, RUN = "site", "host", "run"

# What the drill can do to a load balancer; the last only where it is named.
FAULTS = ("switchover", "keepalived_stopped", "haproxy_killed", "haproxy_hung", "cut_off", "reboot")


@dataclass(frozen=True)
class Variable:
    """A variable of the user's.

    ``scope``: SITE (the same on every load balancer), HOST (may differ) or RUN (asked of one run of a playbook).
    ``parser``: None for a list or a mapping, whose parts have parsers of their own.
    ``default``: the parsed value where nothing is written.
    ``secret``: its value appears in no sentence and is no part of the site; it may be a password, or a patient's.
    """

    name: str
    scope: str
    parser: Callable[[Any], Any] | None
    default: Any = None
    secret: bool = False


VARIABLES = (
    Variable("infinitt_vip", SITE, addresses.virtual_address),
    Variable("infinitt_former_vips", SITE, addresses.virtual_addresses),
    Variable("infinitt_nodes", SITE, None),
    Variable("infinitt_services", SITE, None),
    Variable("infinitt_preflight", SITE, Choice(("all", "any", "none")), default="all"),
    Variable("infinitt_failover", SITE, Choice(("standard", "fast", "conservative")), default="standard"),
    Variable("infinitt_layer", SITE, values.layer, default=7),
    Variable("infinitt_unattended_upgrades", SITE, Choice(("exclude", "stagger", "keep")), default="exclude"),
    Variable("infinitt_peers_only", SITE, values.boolean, default=True),
    Variable("infinitt_mirror_encrypted", SITE, values.boolean, default=False),
    Variable("infinitt_router_id", SITE, Integer(1, 255)),
    Variable("infinitt_stats_port", SITE, values.port),
    Variable("infinitt_stats_password", SITE, values.secret, secret=True),
    Variable("infinitt_on_event", SITE, values.command),
    Variable("infinitt_notify", SITE, None, secret=True),
    Variable("infinitt_maintenance_page", SITE, values.page),
    Variable("infinitt_metrics", SITE, None),
    Variable("infinitt_records", SITE, None),
    Variable("infinitt_modalities", SITE, None),
    Variable("infinitt_check_every", SITE, values.interval),
    Variable("infinitt_address", HOST, addresses.address),
    Variable("infinitt_interface", HOST, addresses.interface),
    Variable("infinitt_gateway", HOST, addresses.gateway),
    Variable("infinitt_mirror_address", HOST, addresses.address),
    Variable("infinitt_to", RUN, values.load_balancer),
    Variable("infinitt_packages", RUN, Choice(("pair", "all")), default="pair"),
    Variable("infinitt_wait", RUN, values.duration, default=1800),
    Variable("infinitt_force", RUN, values.boolean, default=False),
    Variable("infinitt_node", RUN, Text(values.NAME, "give the name of a node")),
    Variable("infinitt_state", RUN, Choice(STATES)),
    Variable("infinitt_service", RUN, Text(values.NAME, "give the name of a service")),
    Variable("infinitt_cut", RUN, values.boolean, default=False),
    Variable("infinitt_host", RUN, values.load_balancer),
    Variable("infinitt_dead", RUN, values.boolean, default=False),
    Variable("infinitt_confirm", RUN, addresses.address),
    Variable("infinitt_faults", RUN, Choices(FAULTS), default=list(FAULTS[:-1])),
    Variable("infinitt_probe_host", RUN, Text(values.NAME, "give a host of the inventory"), default="localhost"),
    Variable("infinitt_echoes", RUN, Integer(1, 20), default=1),
    Variable("infinitt_report_dir", RUN, Text(values.DIRECTORY, "give a directory of the controller"), default="."),
    Variable("infinitt_check_study", RUN, values.QueryKey(STUDY_KEYS), secret=True),
    Variable("infinitt_check_worklist", RUN, values.QueryKey(WORKLIST_KEYS), secret=True),
    Variable("infinitt_check_store", RUN, Text(values.NAME, "give the name of a service, such as dicom")),
    Variable("infinitt_check_calling_ae", RUN, values.ae_title),
    Variable("infinitt_check_timeout", RUN, values.duration, default=5),
    Variable("infinitt_format", RUN, Choice(("screen", "json")), default="screen"),
)
# A variable's former name, and its present one: the former is understood, with a warning, until the next major version.
RENAMED: dict[str, str] = {}
SITE_VARIABLES = {variable.name: variable for variable in VARIABLES if variable.scope == SITE}
HOST_VARIABLES = {variable.name: variable for variable in VARIABLES if variable.scope == HOST}
RUN_VARIABLES = {variable.name: variable for variable in VARIABLES if variable.scope == RUN}

NODE_KEYS: dict[str, Callable[[Any], Any]] = {
    "name": Text(values.NAME, "give up to 63 letters, digits, dots, dashes and underscores"),
    "address": addresses.node_address,
    "weight": Integer(0, 256),
    "backup": values.boolean,
    "max_connections": Integer(1, 1000000),
    "tls_name": values.certificate_name,
}
SERVICE_KEYS: dict[str, Callable[[Any], Any]] = {
    "enabled": values.boolean,
    "port": values.port,
    "node_port": values.port,
    "vip": addresses.virtual_address,
    "mode": Choice(("http", "tcp")),
    "layer": values.layer,
    "nodes": lambda value: value,  # a list of its own: read by nodes.of_service
    "check": Choice(("tcp", "http", "associate", "echo")),
    "check_path": Text(values.PATH, "give a path that begins with / and has no spaces or quotes, such as /health"),
    "check_host": Text(values.HOST, "give a host name, such as pacs.example.org"),
    "check_status": values.status,
    "called_ae": values.ae_title,
    "calling_ae": values.ae_title,
    "find": Choice(("study", "worklist", "none")),
    "dicom": values.boolean,
    "allowed_sources": addresses.networks,
    "client_connections": Integer(0, 1000000),
    "client_rate": Integer(0, 1000000),
    "allowed_calling_ae": values.ae_patterns,
    "routes": lambda value: value,  # read by door.routes
    "health": Choice(("alone", "together")),
    "persistence": Choice(("source", "cookie", "none")),
    "persist_for": values.duration,
    "timeout": values.duration,
    "tls": lambda value: value,  # a mapping: read by tls.read
    "node_tls": lambda value: value,  # likewise, by node_tls.read
}
METRICS_KEYS: dict[str, Callable[[Any], Any]] = {
    "port": values.port,
    "allowed_sources": addresses.networks,
    "node_exporter": values.boolean,
}
RECORDS_KEYS: dict[str, Callable[[Any], Any]] = {
    "syslog": lambda value: value,  # read by records.read
}
SYSLOG_KEYS: dict[str, Callable[[Any], Any]] = {
    "server": Text(values.SERVER, "give the name or the address of a syslog server"),
    "port": values.port,
    "ca": pem,
    "name": values.certificate_name,
    "relp": values.boolean,
}
MODALITY_KEYS: dict[str, Callable[[Any], Any]] = {
    "name": Text(values.NAME, "give up to 63 letters, digits, dots, dashes and underscores"),
    "address": addresses.address,
    "port": values.port,
    "ae": values.ae_title,
}
ROUTE_KEYS: dict[str, Callable[[Any], Any]] = {
    "called_ae": values.ae_title,
    "calling_ae": values.ae_title,
    "nodes": lambda value: value,
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


def check_names(problems: Problems, hosts: Mapping[str, Mapping[str, Any]]) -> None:
    """Note variables that are not known, or are there by two names."""
    known = [variable.name for variable in VARIABLES]
    for host, its in hosts.items():
        names = its.get("names", its["variables"])
        for name in names:
            if RENAMED.get(name) in names:
                problems.note(
                    f"{name} of {host}", f"is there beside {RENAMED[name]}, its present name", f"keep {RENAMED[name]}"
                )
            elif name not in known and name not in RENAMED:
                problems.note(f"{name} of {host}", "is not a known variable", nearest(name, known))


def check_equal(problems: Problems, hosts: Mapping[str, Mapping[str, Any]]) -> None:
    """Note variables of the site that differ between hosts."""
    for name, variable in SITE_VARIABLES.items():
        first: tuple[str, Any] | None = None
        for host, its in hosts.items():
            if name not in its["variables"]:
                continue
            value = its["variables"][name]
            first = first or (host, _comparable(variable, value))
            if _comparable(variable, value) != first[1]:
                what = "another value" if variable.secret else show(value)
                problems.note(
                    f"{name} of {host}", f"is {what} and differs from that of {first[0]}", "set one value for the group"
                )


def _comparable(variable: Variable, value: Any) -> Any:
    if not values.is_set(value):
        return None
    try:
        return variable.parser(value) if variable.parser else value
    except ValidationError:
        return value


def read(
    problems: Problems, variables: Mapping[str, Variable], written: Mapping[str, Any], of: str = ""
) -> dict[str, Any]:
    """Return by name the parsed values of the variables, or their defaults; note what is wrong.

    ``of``: what is added to a name in a sentence. A list or a mapping is returned as it was written.
    """
    found: dict[str, Any] = {}
    for name, variable in variables.items():
        value = written.get(name)
        if values.is_set(value) and variable.parser:
            value = problems.parse(f"{name}{of}", variable.parser, value)
        found[name] = value if values.is_set(value) else variable.default
    return found
