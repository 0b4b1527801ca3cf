# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the load balancers report: the one description of what the rules get to see.

Each type names the module or the command that it comes from, and lists the keys that are used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict


class Error(TypedDict):
    """Why an endpoint did not answer. ``text`` continues a sentence that begins with the endpoint."""

    kind: str
    text: str


class Endpoint(TypedDict, total=False):
    """One service on one node, or on a VIP (`infinitt_backend_check`).

    ``source``: the address and port that it was asked from. ``latency_ms``: of each phase of the conversation.
    ``matches``: of a C-FIND, of which there may be ``more``; otherwise None.
    """

    service: str
    node: str
    address: str
    port: int
    check: str
    reachable: bool
    error: Error | None
    note: str | None
    source: Mapping[str, Any] | None
    total_ms: float
    latency_ms: Mapping[str, float]
    matches: int | None
    more: bool


class Node(TypedDict):
    """A node as HAProxy's checks see it. ``up`` is None until it has been checked once."""

    address: str
    port: int
    status: str
    up: bool | None
    check_status: str
    check_code: int | None
    check_text: str
    last_change_s: int | None
    backup: bool
    sessions: int


class HAProxy(TypedDict):
    """`haproxy_info`. ``description``: the fingerprint of what it runs; ``peers``: whether each is connected."""

    running: bool
    msg: str
    enabled: bool
    needs_daemon_reload: bool
    outdated: list[str]
    version: str | None
    description: str | None
    failed_reloads: int | None
    workers: list[Mapping[str, Any]]
    peers: Mapping[str, bool]
    services: Mapping[str, Mapping[str, Node]]
    sessions: Mapping[str, int]
    old_sessions: int


class Instance(TypedDict):
    """A VRRP instance. ``vips`` have a prefix, ``held`` (those that are set on the host) have none."""

    state: str
    priority: int
    vips: list[str]
    held: list[str]
    interface: str
    virtual_router_id: int
    advertisement: float


class Guard(TypedDict):
    """Of `keepalived_info`, what keepalived-guard.service says.

    ``held``: why it keeps Keepalived in FAULT, ``split_brain``: who else has a VIP of this host, both as a clause.
    ``ignored``: by sender, how many advertisements were no peer's or were forwarded, and the TTL of the last one.
    ``handed_over``: when it has handed the VIP over last (``at``, seconds since the epoch, 0 for never), and why.
    """

    running: bool
    enabled: bool
    held: str
    split_brain: str
    split_brain_since: float
    ignored: Mapping[str, Mapping[str, Any]]
    handed_over: Mapping[str, Any]


class Keepalived(TypedDict):
    """`keepalived_info`. ``configuration``: the fingerprint of the configuration that it runs.

    ``addresses``: every address of the host and since when it has it, in seconds since the epoch.
    """

    running: bool
    msg: str
    enabled: bool
    needs_daemon_reload: bool
    outdated: list[str]
    version: str | None
    configuration: str | None
    addresses: Mapping[str, int]
    instances: list[Instance]
    guard: Guard


class Connections(TypedDict):
    """A digest of what a host forwards, so that two hosts can be compared: each connection is a hash.

    ``established``: those that have been so for 10 s. ``others``: those that begin or end. ``ended``: those that only
    the connection table still knows. ``until``: beyond this hash nothing is known. Empty where it was not asked for.
    """

    established: list[str]
    others: list[str]
    ended: list[str]
    until: str


class Layer4(TypedDict):
    """`layer4_info`, and ``test_entry``: the number that `layer4_test_entry` has put into the connection table."""

    deployed: bool
    msg: str
    running: bool
    current: bool
    fault: str
    guard: bool
    haproxy_answers: bool
    services: Mapping[str, Mapping[str, Mapping[str, Any]]]
    units: Mapping[str, Mapping[str, bool]]
    obstacles: list[Mapping[str, str]]
    flows: Mapping[str, Mapping[str, int]]
    bytes: Mapping[str, Mapping[str, Mapping[str, int]]]
    newcomers: Mapping[str, int]
    table: Mapping[str, int]
    mirror: Mapping[str, Any]
    peers: Mapping[str, bool | None]
    connections: Connections
    received: list[str]
    test_entry: str


class File(TypedDict):
    """A file of ours (`configuration_files`).

    ``differs``: the inventory would write something else. ``drifted``: it is not what was last deployed.
    """

    path: str
    differs: bool
    drifted: bool


class Certificate(TypedDict):
    """A certificate that another tool writes on a host (`certificate_info`).

    ``not_after``: seconds since the epoch. ``served``: whether HAProxy has loaded just this one. ``problem``: why it
    cannot be used, as the end of a sentence; otherwise empty.
    """

    service: str
    certificate: str
    not_after: int | None
    served: bool | None
    problem: str


class Visit(TypedDict):
    """A client of a service, and when it came last, in seconds since the epoch (`service_visits`)."""

    client: str
    service: str
    last: float


class Answer(TypedDict, total=False):
    """What keepalived-guard.service of another load balancer answers. ``at`` (seconds since the epoch) it found the
    ``problems`` (code, where, text, remedy), a sample of its ``connections``, and what `apart.told` has of a ``host``.
    """

    state: str
    priority: int
    node_answers: bool | None
    at: float
    problems: list[list[str]]
    connections: Connections
    host: Host


class Host(TypedDict, total=False):
    """One load balancer. Which keys it has depends on who asks.

    preflight: ``endpoints`` of all nodes, ``keepalived``, ``macs`` (its own), and of `preflight_info` ``owners`` (by
    interface and address, the MAC addresses that answer), ``listeners`` (lines of ``ss -Hltnp``) and ``settings``
    (lines after their path: the kernel's ``nf_conntrack_tcp_timeout_established``, and our tables in the files of
    nftables), ``wireguard`` (whether its kernel has it), ``unwritable`` (directories, and why nothing can be written
    there) and ``versions`` (by package, of now or to be, or empty); ``certificates``, where another tool writes some.
    verify: ``endpoints`` of all nodes, ``owners``, ``haproxy``, ``keepalived``, and where it forwards ``layer4``.
    status: ``haproxy``, ``keepalived``, ``visits`` (of former VIPs), ``files``, ``fingerprints`` (of what was last
    deployed, by ``haproxy`` and ``keepalived``; empty where nothing was), ``deployed`` (``when`` each set of files was,
    and whether that is ``pending``), ``updates`` (by package, for how many seconds its security update has waited),
    where it forwards ``layer4``, and where another tool writes some ``certificates``. By itself: ``associations`` (by
    frontend and calling AE title, what was counted) and ``runs`` (`drift.digest`; empty during a deployment).
    """

    endpoints: list[Endpoint]
    owners: Mapping[str, Mapping[str, Sequence[str]]]
    listeners: list[str]
    macs: list[str]
    settings: list[str]
    wireguard: bool
    unwritable: Mapping[str, str]
    versions: Mapping[str, str]
    haproxy: HAProxy
    keepalived: Keepalived
    layer4: Layer4
    files: list[File]
    visits: list[Visit]
    certificates: list[Certificate]
    fingerprints: Mapping[str, str]
    deployed: Sequence[Mapping[str, Any]]
    updates: Mapping[str, int]
    associations: Mapping[str, Mapping[str, Mapping[str, int]]]
    runs: str


# By the name of the load balancer; those that were reached, in the inventory's order.
Observed = Mapping[str, Host]
# A service of the model, and the model's site, as plain data.
Service = Mapping[str, Any]
Site = Mapping[str, Any]
