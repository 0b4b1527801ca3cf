# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules about layer 4: whether the kernel forwards, whether the mirror mirrors, and what the site has that stands in
the way.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis.daemons import outdated
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis.observed import (
    Endpoint,
    Host,
    Layer4,
    Observed,
    Site,
)
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis.problem import Problem
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._phrases import listed

ESTABLISHED_LEAST = 86400  # seconds that a forwarded connection may be silent, at least
ESTABLISHED_DEFAULT = 432000  # the kernel's own
NEARLY_FULL = 0.8

SETTING = re.compile(r"/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_established:(\d+)")
SAVED_TABLE = re.compile(r"(?P<file>/[^:]+):\s*table (?P<table>\w+ [\w-]+)")


def in_sync(layer4: Layer4) -> bool:
    """Does the kernel have what was deployed, with the nodes as HAProxy sees them?"""
    return layer4["running"] and layer4["current"] and not layer4["fault"]


def forwarding(name: str, host: Host) -> Iterator[Problem]:
    """What keeps a host from forwarding, or from forwarding as it was configured."""
    layer4 = host["layer4"]
    if not layer4["deployed"]:
        yield Problem(
            "layer4_down",
            name,
            f"No answer from layer 4 on {name}: {layer4['msg']}",
            "Deploy it: playbooks/site.yml.",
        )
        return
    for unit, state in layer4["units"].items():
        if not state["active"]:
            yield Problem(
                "layer4_unit_down",
                name,
                f"{unit} on {name} is not running.",
                f"See why: journalctl -u {unit}.",
            )
        elif state["outdated"]:
            yield outdated(unit, name, "Deploy again, which restarts it: playbooks/site.yml.")
    if layer4["units"]["layer4.service"]["active"]:
        yield from _daemon(name, layer4, drifted=_drifted(host))


def _drifted(host: Host) -> bool:
    """Has somebody changed the files that the daemon should run?"""
    return any(file["drifted"] and file["path"].startswith("/etc/layer4/") for file in host.get("files", []))


def _daemon(name: str, layer4: Layer4, drifted: bool) -> Iterator[Problem]:
    if not layer4["running"]:
        yield Problem(
            "layer4_hung",
            name,
            f"layer4.service on {name} is running but no longer updates the map.",
            "Restart it: systemctl restart layer4.",
        )
    elif layer4["fault"]:
        yield Problem(
            "layer4_fault",
            name,
            f"layer4.service on {name} cannot forward: {layer4['fault']}.",
            "See why: journalctl -u layer4.",
        )
    elif not layer4["current"] and not drifted:  # else it is the files that are wrong, and `drift` says so
        yield outdated("layer4.service", name, "Reload it: systemctl reload layer4.")
    if not layer4["haproxy_answers"]:
        yield Problem(
            "layer4_map_frozen",
            name,
            f"HAProxy on {name} does not answer, so the layer-4 map there stays as it was.",
            "Start HAProxy: systemctl start haproxy.",
        )


def peers_silent(site: Site, observed: Observed) -> Iterator[Problem]:
    """A host does not learn whether another one is ready for the VIP, though that one is running."""
    names = {peer["address"]: peer["name"] for peer in site["peers"]}
    for name, host in observed.items():
        for address, ready in host["layer4"]["peers"].items():
            peer = names.get(address)
            if ready is None and peer and peer in observed and observed[peer]["layer4"]["running"]:
                yield Problem(
                    "peer_silent",
                    name,
                    f"{peer} does not tell {name} whether it is ready for the VIP, so {name} would keep the VIP even if"
                    " its HAProxy failed.",
                    f"Check that UDP port 1024 passes between {name} and {address}.",
                )


def connection_table(name: str, host: Host) -> Iterator[Problem]:
    """Room and memory of the kernel's connection table."""
    if not host["layer4"]["deployed"]:
        return
    table = host["layer4"]["table"]
    if table["used"] > NEARLY_FULL * table["room"]:
        yield Problem(
            "conntrack_nearly_full",
            name,
            f"The connection table of {name} is nearly full ({table['used']} of {table['room']}); new connections"
            " will be dropped.",
            "Raise layer4_connections and deploy.",
        )
    yield from established_timeout(name, table["established_timeout"])


def established_timeout(name: str, seconds: int) -> Iterator[Problem]:
    """The kernel would forget an association that is silent for an afternoon."""
    if seconds < ESTABLISHED_LEAST:
        yield Problem(
            "established_timeout",
            name,
            f"{name} forgets a connection after {seconds} s of silence"
            " (net.netfilter.nf_conntrack_tcp_timeout_established), which breaks idle associations.",
            f"Set it to a day ({ESTABLISHED_LEAST}) or more, preferably the kernel's default ({ESTABLISHED_DEFAULT}),"
            " or"
            " set `infinitt_layer: 7`.",
        )


def site_settings(name: str, lines: Sequence[str]) -> Iterator[Problem]:
    """What a host that is to forward has set. ``lines``: see `observed.Host`."""
    tables: dict[str, list[str]] = {}
    for line in lines:
        if match := SETTING.match(line):
            yield from established_timeout(name, int(match[1]))
        elif match := SAVED_TABLE.match(line):
            tables.setdefault(match["file"], []).append(match["table"])
    for file, saved in tables.items():
        yield Problem(
            "tables_saved",
            name,
            f"{file} on {name} contains a saved copy of our own rules (table {listed(dict.fromkeys(saved))}); nftables"
            " refuses the whole file while they are loaded.",
            "Remove these tables from the file; layer4.service loads them itself.",
        )


def node_reached(end: Endpoint, holder: str, paths: Mapping[str, Sequence[Mapping[str, Any]]]) -> str | None:
    """The node that the holder's kernel forwarded this connection to.

    HAProxy listens on the VIP too, so only the connection table of the host that holds it tells.
    """
    port = (end["source"] or {}).get("port")
    return next((path["node"] for path in paths.get(holder, []) if path["client_port"] == port), None)


def bypassed(service: str, holder: str) -> Problem:
    """HAProxy answered for a service that the kernel should forward."""
    return Problem(
        "layer4_bypassed",
        service,
        f"{service} was answered by HAProxy on {holder} and was not forwarded by its kernel.",
        "Check that its map has a node for every client: layer4 status.",
    )


def firewalls(names: Sequence[str], observed: Observed) -> Iterator[Problem]:
    """Rules of the site's own that may drop what is forwarded; a reason to give where something does not get
    through.
    """
    for name in names:
        for obstacle in observed[name]["layer4"]["obstacles"]:
            yield Problem(
                "firewall_drops",
                name,
                f"The firewall of {name} may drop forwarded connections (table {obstacle['table']}, chain"
                f" {obstacle['chain']}).",
                f"Allow them: {obstacle['rule']}",
            )


# --- worth knowing, and no problem -----------------------------------------------------------------------------------


def unguarded(name: str, host: Host) -> Iterator[Problem]:
    """An old kernel has no table that only its owner can delete."""
    layer4 = host.get("layer4")
    if layer4 and layer4["running"] and not layer4["guard"]:
        yield Problem(
            "layer4_unguarded",
            name,
            f"`nft flush ruleset` or `systemctl reload nftables` on {name} would reset all forwarded connections "
            "there.",
            "See why: journalctl -u layer4. It takes Linux 5.12 or later and libnftables1.",
        )


def nodes_see(site: Site) -> Iterator[Problem]:
    """The PACS team looks for these addresses in its tables."""
    vips = list(dict.fromkeys(service["address"] for service in site["layer4_services"]))
    if vips:
        own = listed(peer["address"] for peer in site["peers"])
        yield Problem(
            "nodes_see_vip",
            listed(vips),
            f"The nodes see clients of forwarded services as {listed(vips)}; checks and all other connections come from"
            f" {own}.",
            "Add all of these addresses to the nodes' tables and firewalls.",
        )


def web_forwarded(site: Site) -> Iterator[Problem]:
    """What only a proxy can do is lost where the kernel forwards HTTP."""
    forwarded = {service["name"] for service in site["layer4_services"]}
    for question in site["vip_checks"]:
        if question["name"] in forwarded and question["check"] == "http":
            yield Problem(
                "web_forwarded",
                question["name"],
                f"{question['name']} is forwarded at layer 4, so there is no session cookie and no X-Forwarded-For, and"
                " all viewers behind one NAT share a node.",
                "If that matters, set `layer: 7` for it.",
            )
