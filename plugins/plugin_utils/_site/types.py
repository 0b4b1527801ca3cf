# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The typed site: what the roles deploy, with nothing left to decide."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

ACTIVE, DRAIN, MAINTENANCE = STATES = ("active", "drain", "maintenance")  # of a node


@dataclass(frozen=True)
class Node:
    """A PACS server as one service sees it; ``id`` and ``cookie`` are derived from its name.

    ``state``: active, drain or maintenance (no new connections). ``cut``: whether those that it still has are ended.
    ``tls_name``: what its certificate must cover, where the service's ``node_tls`` has no name for all of them.
    """

    name: str
    address: str
    port: int
    id: int
    cookie: str
    weight: int | None = None
    backup: bool = False
    max_connections: int | None = None
    tls_name: str = ""
    state: str = ACTIVE
    cut: bool = False


@dataclass(frozen=True)
class Route:
    """Associations whose AE titles match these patterns (None: any) go to the nodes of the service ``to``."""

    called_ae: str | None
    calling_ae: str | None
    to: str


@dataclass(frozen=True)
class Tls:
    """TLS that ends in a service. PEM files have the names that they have beside HAProxy's configuration.

    ``port``: where it is spoken. ``plain``: what is done with plain HTTP on the service's own port: redirect, serve or
    close. ``hsts``: seconds, None where browsers are not told. ``client_certificate``: none, optional or required.
    ``name``: what the certificate must be for, where the user said it.
    ``not_after``, ``revoked_until``: when the certificate and the list of revoked ones expire, in seconds since the
    epoch; None where another tool writes them on the hosts, ``paths`` there, by key. ``sha256``: the certificate's
    fingerprint, empty there. ``unproven``: who issued it, where its clients may lack a certificate in between.
    """

    port: int
    certificate: str
    plain: str
    profile: str
    hsts: int | None = None
    name: str = ""
    client_certificate: str = "none"
    client_ca: str = ""
    client_crl: str = ""
    not_after: int | None = None
    revoked_until: int | None = None
    sha256: str = ""
    unproven: str = ""
    paths: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class NodeTls:
    """TLS that the nodes of a service speak, verified with the certificates of the PEM file ``ca``.

    ``name``: what their certificates must cover; empty: each the ``tls_name`` of its node. ``fingerprints``: SHA-256 of
    those in ``ca``, where they are the nodes' own. ``text``: what is in it, empty where another tool writes it on the
    hosts, as ``path``.
    """

    ca: str
    name: str = ""
    fingerprints: list[str] = field(default_factory=list)
    text: str = ""
    path: str = ""


@dataclass(frozen=True)
class Service:
    """A virtual service. ``persist_for`` and ``timeout`` are seconds.

    ``mode``: HAProxy's. ``http``: whether HTTP is spoken, which HAProxy sees in mode http alone.
    ``affinity``: the service whose clients' nodes it shares, itself where it is the first; None without a table.
    ``together``: the services, itself among them, whose checks a node must pass to serve it; empty where its own is
    enough.
    ``layer``: 7, or 4 where the kernel forwards the connections and HAProxy serves in its place only.
    ``former``: it is another service's copy, on a former VIP.
    ``dicom``: whether HAProxy takes only what begins with an A-ASSOCIATE-RQ, of ``allowed_calling_ae`` (patterns;
    empty: of anyone), and chooses by its ``routes``.
    ``allowed_sources``: networks and addresses that may connect, the load balancers' own among them; empty: all.
    ``client_connections``, ``client_rate``: how many connections one client's address may have, and open in a second;
    0: any number.
    ``route_of``: the service whose routes lead here, where nobody else does; empty for one with a port of its own.
    ``tls``: None where its clients speak without. ``node_tls``: None where its nodes do.
    ``asks``: what a client of it asks besides its own check: study or worklist (by C-FIND), or echo; empty where it is
    no DICOM.
    """

    name: str
    mode: str
    http: bool
    address: str
    port: int
    check: str
    check_path: str
    check_host: str
    check_status: str
    called_ae: str
    calling_ae: str
    persistence: str
    persist_for: int | None
    timeout: int
    client_connections: int
    client_rate: int
    nodes: list[Node]
    affinity: str | None = None
    layer: int = 7
    together: list[str] = field(default_factory=list)
    former: bool = False
    dicom: bool = False
    allowed_calling_ae: list[str] = field(default_factory=list)
    allowed_sources: list[str] = field(default_factory=list)
    routes: list[Route] = field(default_factory=list)
    route_of: str = ""
    tls: Tls | None = None
    node_tls: NodeTls | None = None
    asks: str = ""

    def ports(self) -> list[int]:
        """Return the ports that HAProxy binds for it."""
        if self.route_of:
            return []
        if self.tls is None:
            return [self.port]
        return [self.tls.port] if self.tls.plain == "close" else [self.port, self.tls.port]


@dataclass(frozen=True)
class Vip:
    """A virtual IP on the interface of one host."""

    address: str
    prefix: int
    interface: str


@dataclass(frozen=True)
class WrittenVip:
    """A virtual IP as the user wrote it: in which variable (``subject``), and with which prefix, if any."""

    subject: str
    prefix: int | None


@dataclass(frozen=True)
class Tunnel:
    """What an encrypted mirror goes through: the hosts' own addresses, the other one's name, and the MTU inside."""

    address: str
    peer: str
    peer_name: str
    mtu: int


@dataclass(frozen=True)
class Mirror:
    """One end of the mirror, the others' addresses, and the group of more than two; empty where there is none."""

    address: str = ""
    interface: str = ""
    peers: list[str] = field(default_factory=list)
    group: str = ""
    tunnel: Tunnel | None = None


@dataclass(frozen=True)
class Host:
    """One load balancer.

    ``peers``: the other load balancers (name and address), reached or not.
    ``gateway``: whose answer shows that it is not cut off (link-local: with ``%`` and its interface); None: no one's.
    ``ports``: what HAProxy listens on there (address, port and for what).
    ``unmirrored``: addresses and networks whose connections are the hosts' own.
    """

    name: str
    address: str
    interface: str
    priority: int
    vips: list[Vip]
    peers: list[dict[str, str]]
    gateway: str | None
    ports: list[dict[str, Any]]
    mirror: Mirror
    unmirrored: list[str]


@dataclass(frozen=True)
class Metrics:
    """HAProxy's own metrics, on each load balancer's own address, for these networks alone.

    ``node_exporter``: the port of node_exporter there, for the same networks; 0 where the site has its own, or none.
    """

    port: int
    allowed_sources: list[str]
    node_exporter: int = 0


@dataclass(frozen=True)
class Site:
    """The whole site, or the reasons why there is none (``problems``, one sentence each).

    ``strangers``: addresses that running load balancers have as a peer and none of the inventory has, and those hosts.
    ``run``: what was asked of this run, by the variable's name without its prefix.
    ``states``: what each load balancer is to remember of its nodes (see ``states.py``).
    ``syslog``: who gets the records of the sessions. ``modalities``: who is asked whether they answer, by AE title.
    ``check_every``: after how many seconds the services are asked again, as a modality would; None: never.
    """

    problems: list[str] = field(default_factory=list)
    services: list[Service] = field(default_factory=list)
    hosts: dict[str, Host] = field(default_factory=dict)
    peers: list[dict[str, str]] = field(default_factory=list)
    router_id: int = 0
    preflight: str = "all"
    failover: str = "standard"
    unattended_upgrades: str = "exclude"
    peers_only: bool = True
    stats_port: int | None = None
    metrics: Metrics | None = None
    on_event: list[str] = field(default_factory=list)
    strangers: dict[str, list[str]] = field(default_factory=dict)
    maintenance_page: str = ""
    run: dict[str, Any] = field(default_factory=dict)
    states: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    syslog: list[dict[str, Any]] = field(default_factory=list)
    modalities: list[dict[str, Any]] = field(default_factory=list)
    check_every: int | None = None
