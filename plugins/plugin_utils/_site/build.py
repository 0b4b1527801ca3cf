# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The order of the steps that turn what the user wrote into a typed site, or into all problems at once.

Nothing in this package reads a file, opens a socket or knows Ansible. No step stops at the first problem: each notes
what is wrong and goes on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site import former as former_
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site import hosts as hosts_
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site import (
    members,
    metrics,
    modalities,
    notify,
    records,
    sources,
    systems,
    vips,
)
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site import nodes as nodes_
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site import services as services_
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site import states as states_
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.addresses import netaddr
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.pem import Reader, no_file
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.problems import Problems
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.types import Site
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.values import is_set
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.variables import (
    RUN_VARIABLES,
    SITE_VARIABLES,
    check_equal,
    check_names,
    read,
)


def build(
    variables: Mapping[str, Any],
    hosts: Mapping[str, Mapping[str, Any]],
    services: Mapping[str, Mapping[str, Any]],
    defaults: Mapping[str, Mapping[str, Any]],
    peers_port: int,
    lost: Sequence[str] = (),
    reader: Reader = no_file,
) -> Site:
    """Return the site that the user's variables describe.

    ``variables``: the variables of the site and of the run by name (``infinitt_vip``, ...), the same on every host.
    ``hosts``: for each load balancer of the inventory, in order: ``variables`` (the values of its own variables, and of
    the site's where they could be read), ``names`` (of all its variables that begin with ``infinitt_``),
    ``ansible_host``, ``facts`` (Ansible's network facts without the prefix; None where the host was not asked or did
    not answer), ``managed`` (the addresses that Keepalived manages there, which are not the host's own), ``heard``
    (those of its peers, in what it runs) and ``states`` (what it remembers of its nodes: see ``states.py``).
    ``services``, ``defaults``: the known services, and the defaults of each mode.
    ``peers_port``: where HAProxy listens on each host's own address.
    ``lost``: the load balancers that were asked and did not answer.
    ``reader``: reads a file of the controller that the user names; without one, there is none.
    Nothing that a user writes raises: it is in ``problems`` of the result, all at once.
    """
    problems = Problems()
    _note_lost(problems, hosts, lost)
    check_names(problems, hosts)
    check_equal(problems, hosts)
    given = read(problems, SITE_VARIABLES, variables)
    of_run = read(problems, RUN_VARIABLES, variables)
    if given["infinitt_stats_port"] and not is_set(variables.get("infinitt_stats_password")):
        problems.note(
            "infinitt_stats_password",
            "is not set although infinitt_stats_port is",
            "set a password for the stats page, preferably from a vault",
        )
    if not is_set(variables.get("infinitt_vip")):
        problems.note(
            "infinitt_vip", "is not set", "give the virtual IP and the prefix of its network, such as 198.51.100.10/24"
        )
    vip = given["infinitt_vip"]
    if given["infinitt_nodes"]:
        site_nodes = nodes_.read(problems, "infinitt_nodes", given["infinitt_nodes"])
    else:
        problems.note(
            "infinitt_nodes", "is empty", "give the PACS nodes, such as [{name: pacs1, address: 198.51.100.21}]"
        )
        site_nodes = []
    its_services, service_vips = services_.read(
        problems, given["infinitt_services"], site_nodes, vip, services, defaults, given["infinitt_layer"], reader
    )
    if site_nodes and vip and not its_services and not problems:
        problems.note("infinitt_services", "disables every service", "leave at least one enabled")
    its_metrics = metrics.read(problems, given["infinitt_metrics"])
    for name, host in hosts.items():
        systems.check(
            problems,
            name,
            host.get("facts") or {},
            node_exporter=bool(its_metrics and its_metrics.node_exporter),
            unattended_upgrades=given["infinitt_unattended_upgrades"],
        )
    own_ports = {peers_port: "HAProxy's peers"}
    if its_metrics and its_metrics.node_exporter:
        own_ports[its_metrics.node_exporter] = "node_exporter"
    for subject, port, what in (
        ("infinitt_stats_port", given["infinitt_stats_port"], "the stats page"),
        ("infinitt_metrics.port", its_metrics and its_metrics.port, "the metrics"),
    ):
        if port in own_ports:
            problems.note(subject, f"is {port}, which is for {own_ports[port]}", "give another port")
        elif port:
            own_ports[port] = what
    former = given["infinitt_former_vips"] or []
    former_.check(problems, former, vip, service_vips)
    written_vips = vips.written(vip, former, service_vips)
    node_states = states_.merge([host.get("states") for host in hosts.values()], its_services)
    its_services = former_.serve(states_.apply(its_services, node_states), vip, former)
    node_names = {node["address"]: node["name"] for node in site_nodes if {"address", "name"} <= {*node}}
    node_names |= {node.address: node.name for service in its_services for node in service.nodes}
    its_hosts, peers = hosts_.read(
        problems,
        hosts,
        written_vips,
        its_services,
        node_names,
        own_ports,
        peers_port,
        given["infinitt_mirror_encrypted"],
    )
    its_services = sources.with_ours(its_services, [peer["address"] for peer in peers])
    notify.read(problems, given["infinitt_notify"], reader)
    its_records = records.read(problems, given["infinitt_records"], reader)
    its_modalities = modalities.read(problems, given["infinitt_modalities"])
    return Site(
        problems=problems.sentences,
        services=its_services,
        hosts=its_hosts,
        peers=peers,
        preflight=given["infinitt_preflight"],
        failover=given["infinitt_failover"],
        unattended_upgrades=given["infinitt_unattended_upgrades"],
        peers_only=given["infinitt_peers_only"],
        stats_port=given["infinitt_stats_port"],
        metrics=its_metrics,
        syslog=its_records,
        on_event=given["infinitt_on_event"] or [],
        maintenance_page=given["infinitt_maintenance_page"] or "",
        states=node_states,
        strangers=members.strangers(hosts, [*written_vips, *(peer["address"] for peer in peers)]),
        modalities=its_modalities,
        check_every=given["infinitt_check_every"],
        run={name.replace("infinitt_", ""): value for name, value in of_run.items() if not RUN_VARIABLES[name].secret},
        # Router ids must differ only on one segment: the last part of the VIP does in nearly every network.
        router_id=given["infinitt_router_id"] or (int(netaddr.IPAddress(vip[0])) & 0xFF or 1 if vip else 0),
    )


def _note_lost(problems: Problems, hosts: Mapping[str, Mapping[str, Any]], lost: Sequence[str]) -> None:
    others = [name for name, host in hosts.items() if host.get("facts") is not None]
    hint = f"bring it back, or leave it out with --limit {','.join(others)}" if others else "check the SSH connection"
    for name in lost:
        problems.note(name, "cannot be reached", hint)
