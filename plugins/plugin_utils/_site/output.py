# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The site as plain data, for the roles' variables and the modules' arguments."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.layer4 import source_ports
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.types import Node, Service, Site, Tls

# What the backend check is given of a service, by its check.
CHECK_KEYS = {
    "tcp": (),
    "http": ("check_path", "check_host", "check_status"),
    "associate": ("called_ae", "calling_ae"),
    "echo": ("called_ae", "calling_ae"),
}
# What HAProxy is given of a service's TLS; the rest is for the diagnosis.
TLS_KEYS = ("port", "plain", "profile", "hsts", "certificate", "client_certificate", "client_ca", "client_crl")
# The same of the nodes' TLS.
NODE_TLS_KEYS = ("ca", "name")

# What says who may connect to a forwarded service, and how often: there where it was asked for.
WHO = ("allowed_sources", "client_connections", "client_rate")


def as_dict(site: Site) -> dict[str, Any]:
    """Return what the filter ``infinitt_site`` documents."""
    plain = asdict(site)
    for service in plain["services"]:
        # HAProxy has a service either way.
        del service["layer"], service["http"], service["former"], service["asks"]
        for node in service["nodes"]:
            del node["cut"]
        if service["tls"]:
            service["tls"] = {key: service["tls"][key] for key in TLS_KEYS}
        if service["node_tls"]:
            service["node_tls"] = {key: service["node_tls"][key] for key in NODE_TLS_KEYS}
    return {
        **plain,
        "layer4_services": [_forwarded(service) for service in site.services if service.layer == 4],
        "source_ports": source_ports(site.services),
        "node_checks": [
            {
                **_check(service),
                **_to_nodes(service),
                "port": service.nodes[0].port,
                "nodes": [_asked(node) for node in service.nodes],
            }
            for service in site.services
            if service.nodes and not service.former
        ],
        "former_services": [
            {key: getattr(service, key) for key in ("name", "address", "port", "layer")}
            for service in site.services
            if service.former
        ],
        "vip_checks": [
            {
                **_check(service),
                **_over_tls(service.tls),
                "port": service.tls.port if service.tls else service.port,
                "nodes": [{"name": "VIP", "address": service.address}],
            }
            for service in site.services
            if not service.route_of
        ],
        "asks": {service.name: service.asks for service in site.services if service.asks},
        "certificates": [
            {
                "service": service.name,
                **{key: getattr(service.tls, key) for key in ("not_after", "revoked_until", "unproven")},
            }
            for service in site.services
            if service.tls and not service.former and not service.route_of
        ],
        "host_certificates": [
            {
                "service": service.name,
                "name": service.tls.name,
                "certificate": service.tls.paths["certificate"],
                "key": service.tls.paths.get("key", ""),
                "file": service.tls.certificate,
            }
            for service in site.services
            if service.tls and "certificate" in service.tls.paths and not service.former
        ],
    }


def _to_nodes(service: Service) -> dict[str, Any]:
    """Return how a check of the nodes speaks TLS: as HAProxy does, which has the same certificates in a file."""
    its = service.node_tls
    if its is None:
        return {}
    return {"tls": {"ca": its.text or its.path, "name": its.name, "fingerprints": its.fingerprints}}


def _asked(node: Node) -> dict[str, str]:
    named = {"tls_name": node.tls_name} if node.tls_name else {}
    return {"name": node.name, "address": node.address, **named}


def _over_tls(tls: Tls | None) -> dict[str, Any]:
    """Return how a check through the VIP speaks TLS: the certificate must be the one that was deployed.

    One that the hosts have from elsewhere is not known here. A load balancer has no client certificate, so where one is
    required it does not come further than the handshake.
    """
    if tls is None:
        return {}
    pinned = {"fingerprints": [tls.sha256]} if tls.sha256 else {"verify": False}
    return {"tls": {"name": tls.name, **pinned}, **({"check": "tcp"} if tls.client_certificate == "required" else {})}


def _forwarded(service: Service) -> dict[str, Any]:
    return {
        **{key: getattr(service, key) for key in ("name", "address", "port")},
        **{key: value for key in WHO if (value := getattr(service, key))},
        "nodes": [
            {key: getattr(node, key) for key in ("name", "address", "port", "weight", "backup", "cut")}
            for node in service.nodes
        ],
    }


def _check(service: Service) -> dict[str, str]:
    return {key: getattr(service, key) for key in ("name", "check", *CHECK_KEYS[service.check])}
