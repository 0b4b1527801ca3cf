# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The mirror of forwarded connections: between which addresses, and what is left out of it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._phrases import listed
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site import networks
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.networks import Network
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.problems import Problems
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.types import Mirror, Service, Tunnel

# What conntrackd does not read as a name: read_config_lex.l of conntrack-tools 1.4.8, as far as an interface's 15
# letters go.
NO_NAME = re.compile(
    r"""
    [0-9A-Fa-f]{1,4}  # a part of an IPv6 address
    | (?i: on|off|yes|no|alarm|ftfw|nack|notrack )
    | UNIX|IPv4_address|IPv6_address|IPv4_interface|IPv6_interface|Interface|Multicast|UDP|TCP|HashSize|RefreshTime
    | CacheTimeout|CommitTimeout|HashLimit|Path|Backlog|Group|Port|LogFile|Syslog|LockFile|General|Sync|Stats|Mode
    | ResendQueueSize|Checksum|ACKWindowSize|for|SYN_SENT|SYN_RECV|ESTABLISHED|FIN_WAIT|CLOSE_WAIT|LAST_ACK|TIME_WAIT
    | CLOSE|CLOSED|LISTEN|SndSocketBuffer|RcvSocketBuffer|Filter|Protocol|Address|State|Accept|Ignore|PurgeTimeout|From
    | Userspace|Kernelspace|Default|PollSecs|Nice|Scheduler|Type|Priority|Options|ExpectationSync|Helper|QueueNum
    | QueueLen|Policy|ExpectMax|ExpectTimeout|Systemd|StartupResync|Setup
    """,
    re.VERBOSE,
)
NAME = re.compile(r"[A-Za-z][A-Za-z0-9._-]*")

# Where the mirror is encrypted, it is between these two link-local addresses (RFC 3927), on an interface of their own.
INSIDE = ("169.254.37.80", "169.254.37.81")
TUNNEL = "layer4-mirror"
OVERHEAD = 80  # octets that WireGuard and its packet's headers add, over IPv6

# Where there are more than two, each sends to this group (RFC 4727, for experiments): no router forwards it, and a
# switch passes it on to every port, whether it has seen a host join or not (RFC 4541, 2.1.2).
GROUP = "224.0.0.254"


def ends(
    problems: Problems,
    services: Sequence[Service],
    written: Mapping[str, Mapping[str, Any]],
    own: Mapping[str, str],
    *,
    encrypted: bool,
) -> dict[str, str]:
    """Return by host the addresses between which connections are mirrored."""
    if not any(service.layer == 4 for service in services) or len(own) < 2:
        return {}
    given = {name: written[name]["infinitt_mirror_address"] for name in own if written[name]["infinitt_mirror_address"]}
    without = [name for name in own if name not in given]
    if given and without:
        problems.note(
            f"infinitt_mirror_address of {next(iter(given))}",
            f"is set, and that of {listed(without)} is not",
            "set it on every load balancer, or on none",
        )
    its_ends = given if given and not without else dict(own)
    first, *others = its_ends
    for name in others:
        if networks.version(its_ends[first]) != networks.version(its_ends[name]):
            problems.note(
                f"infinitt_mirror_address of {first}",
                f"is of a different address family than that of {name}",
                "use one family for all",
            )
    if len(its_ends) > 2 and encrypted:
        problems.note(
            "infinitt_mirror_encrypted",
            f"is true, and a tunnel joins two load balancers, not {listed(its_ends)}",
            "set it to false, or leave two of them",
        )
    # conntrackd does not choose the address from which it sends to an IPv6 group: the others could not know it.
    if len(its_ends) > 2 and networks.version(its_ends[first]) == 6:
        problems.note(
            f"The mirror between {listed(its_ends)}",
            "is of more than two, and its addresses are of IPv6",
            "give each an infinitt_mirror_address of IPv4",
        )
    return its_ends


def of_host(
    problems: Problems,
    name: str,
    its_ends: Mapping[str, str],
    its: list[Network],
    facts: Mapping[str, Any],
    *,
    encrypted: bool,
) -> Mirror:
    """Return this host's end."""
    if name not in its_ends:
        return Mirror()
    network = networks.having(problems, f"infinitt_mirror_address of {name}", its_ends[name], its)
    if network is None:
        return Mirror()
    others = [end for end in its_ends if end != name]
    strays = [end for end in others if its_ends[end] not in network]
    if len(others) > 1 and strays:
        problems.note(
            f"infinitt_mirror_address of {name}",
            f"is in the network {network.cidr}, and that of {listed(strays)} is not",
            "more than two load balancers mirror by multicast, within one network",
        )
    if encrypted:
        other = others[0]
        here, there = INSIDE if [*its_ends][0] == name else reversed(INSIDE)
        mtu = networks.mtu(facts, network.interface) - OVERHEAD
        return Mirror(here, TUNNEL, [there], tunnel=Tunnel(its_ends[name], its_ends[other], other, mtu))
    if not NAME.fullmatch(network.interface) or NO_NAME.fullmatch(network.interface):
        problems.note(
            f"The interface {network.interface} of {name}",
            "carries the mirror of layer 4, and conntrackd cannot parse its name",
            "rename it, use another interface by infinitt_mirror_address, or set infinitt_layer: 7",
        )
    return Mirror(
        its_ends[name], network.interface, [its_ends[other] for other in others], GROUP if len(others) > 1 else ""
    )


def unmirrored(
    services: Sequence[Service], ours: Sequence[str], its: list[Network], facts: Mapping[str, Any]
) -> list[str]:
    """Return what the mirror leaves alone: the load balancers' addresses (``ours``), this one's on every interface, and
    the networks of its containers and virtual machines, since the other host may have the same ones for its own.

    A network with a VIP or a node of a forwarded service is none of these.
    """
    forwarded = [
        ip
        for service in services
        if service.layer == 4
        for ip in (service.address, *(node.address for node in service.nodes))
    ]
    bridges = networks.bridges(facts)
    inner = {
        network.cidr
        for network in its
        if network.interface in bridges and not any(ip in network for ip in [*forwarded, *ours])
    }
    return [*dict.fromkeys([*ours, *(network.address for network in its)]), *sorted(inner)]
