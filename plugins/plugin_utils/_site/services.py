# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The services: what the user wrote, merged over the defaults.

The known services and the defaults are passed by the caller (``roles/infinitt/vars/main/product.yml``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ansible_collections.pacs.loadbalancer.plugins.module_utils._dicom.items import CALLED_AE, CALLING_AE
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site import door, layer4, node_tls, nodes, sources, tls
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.pem import Reader
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.problems import Problems, nearest, show
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.types import Service
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.values import NAME, duration, is_set
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.variables import SERVICE_KEYS, read_keys

Vip = tuple[str, "int | None"]


def read(
    problems: Problems,
    written: Any,
    site_nodes: list[dict[str, Any]],
    site_vip: Vip | None,
    known: Mapping[str, Mapping[str, Any]],
    defaults: Mapping[str, Mapping[str, Any]],
    site_layer: int,
    reader: Reader,
) -> tuple[list[Service], dict[str, Vip]]:
    """Return the enabled services, and by service its VIP (address and, if one was given, prefix).

    ``known``: the services that exist without being written; ``defaults``: the defaults of each mode. ``reader``: reads
    files of the controller.
    """
    services: list[Service] = []
    vips: dict[str, Vip] = {}
    together = []
    for name, keys in _written(problems, written, known).items():
        subject = f"infinitt_services.{name}"
        merged = _merge(known.get(name, {}), keys, defaults, site_layer)
        if not merged.get("enabled", True):
            continue
        _check_persistence(problems, subject, keys, merged)
        its_tls = its_node_tls = None
        if "tls" in keys and merged["layer"] == 7:
            its_tls, _files = tls.read(problems, name, keys["tls"], merged["mode"], merged["port"], reader)
        if "node_tls" in keys and merged["layer"] == 7:
            its_node_tls, _files = node_tls.read(problems, name, keys["node_tls"], reader)
        vip = merged.get("vip", site_vip)
        its_nodes = nodes.of_service(problems, f"{subject}.nodes", keys.get("nodes"), site_nodes)
        if vip is None or not its_nodes:
            continue
        if merged["layer"] == 4:
            layer4.check(problems, subject, keys, merged, vip[0], its_nodes)
        vips[name] = vip
        if merged.get("health") == "together":
            together.append(name)
        dicom = door.check(problems, subject, keys, merged)
        services += door.routed(
            problems,
            subject,
            keys.get("routes"),
            Service(
                name=name,
                mode=merged["mode"],
                http=merged["http"],
                address=vip[0],
                port=merged["port"],
                check=merged["check"],
                check_path=merged["check_path"],
                check_host=merged.get("check_host") or _url_host(vip[0]),
                check_status=str(merged["check_status"]),
                called_ae=merged.get("called_ae", CALLED_AE),
                calling_ae=merged.get("calling_ae", CALLING_AE),
                persistence=merged["persistence"],
                persist_for=merged.get("persist_for"),
                timeout=merged["timeout"],
                nodes=nodes.typed(its_nodes, merged.get("node_port", merged["port"])),
                layer=merged["layer"],
                dicom=dicom,
                allowed_calling_ae=door.allowed(merged),
                asks=_asks(problems, subject, keys, merged),
                tls=its_tls,
                node_tls=its_node_tls,
                client_connections=sources.at_once(keys, merged, its_nodes),
                client_rate=merged["client_rate"],
                allowed_sources=sources.read(problems, subject, merged, vip[0]),
            ),
            site_nodes,
        )
    _check_ports(problems, services)
    services = _with_affinity(services)
    services = _with_health(problems, services, together)
    layer4.check_together(problems, services)
    node_tls.check(problems, services)
    return services, vips


def _written(problems: Problems, written: Any, known: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return by name the keys that the user wrote of each service, known ones first; a service without a name or a port
    is left out."""
    if not is_set(written):
        written = {}
    if not isinstance(written, Mapping):
        problems.note(
            "infinitt_services",
            f"is {show(written)}, which is not a mapping",
            "give services such as {web: {check_path: /health}}",
        )
        written = {}
    # A name may be a number, such as that of its port.
    by_name = {
        str(name) if isinstance(name, int) and not isinstance(name, bool) else name: keys
        for name, keys in written.items()
    }
    if len(by_name) < len(written):
        problems.note("infinitt_services", "has one name twice, as a number and as a string", "remove one of them")
    found = {}
    for name in [*known, *(name for name in by_name if name not in known)]:
        subject = f"infinitt_services.{name}"
        if not isinstance(name, str) or not NAME.fullmatch(name):
            problems.note(subject, "has an invalid name", "use up to 63 letters, digits, dots, dashes and underscores")
            continue
        its = by_name.get(name)
        keys = read_keys(problems, subject, its, SERVICE_KEYS) if is_set(its) else {}
        if name in known or "port" in keys:
            found[name] = keys
        elif not (isinstance(its, Mapping) and is_set(its.get("port"))):
            problems.note(
                subject,
                "is not a known service and has no port",
                f"{nearest(name, list(known))} (a new service needs a port)",
            )
    return found


def _merge(
    known: Mapping[str, Any], keys: Mapping[str, Any], defaults: Mapping[str, Mapping[str, Any]], site_layer: int
) -> dict[str, Any]:
    """Return all keys of a service: what is known of it, what the user wrote, and the defaults of its mode.

    ``http`` is added: whether HTTP is spoken there, whatever the mode. Such a service is forwarded where its own layer
    is 4, and then HAProxy does not look into it either: mode tcp and its defaults, and the check of http.
    """
    base = {**known, **keys}
    mode = base.get("mode", "tcp")
    its_defaults = defaults[mode]
    layer = keys.get("layer", site_layer if mode == "tcp" else 7)
    if layer == 4 and mode == "http":
        mode = "tcp"
        checks = {key: value for key, value in its_defaults.items() if key.startswith("check")}
        its_defaults = {**defaults["tcp"], **checks}
    http = "http" in (known.get("mode"), keys.get("mode"))
    merged = {**its_defaults, **base, "mode": mode, "layer": layer, "http": http}
    if merged["persistence"] == "source":
        merged = {"persist_for": defaults["tcp"]["persist_for"], **merged}
    # The tables of known services and defaults are ours and right; only their durations are written as the user's.
    for key in ("persist_for", "timeout"):
        if key in merged:
            merged[key] = duration(merged[key])
    return merged


def _asks(problems: Problems, subject: str, keys: Mapping[str, Any], merged: Mapping[str, Any]) -> str:
    """Return what a client asks there besides its check, as Service.asks."""
    find = merged.get("find", "none")
    if merged["http"]:
        if keys.get("find", "none") != "none":
            problems.note(f"{subject}.find", f"is {find} on an http service", "remove it, or set mode: tcp")
        return ""
    if find != "none":
        return str(find)
    return "echo" if merged.get("dicom") or merged["check"] in ("associate", "echo") else ""


def _check_persistence(problems: Problems, subject: str, keys: Mapping[str, Any], merged: Mapping[str, Any]) -> None:
    if merged["mode"] == "tcp" and merged["persistence"] == "cookie" and merged["layer"] == 7:
        problems.note(
            f"{subject}.persistence", "is cookie on a tcp service", "cookies need mode http: give source or none"
        )
    if keys.get("persist_for") and merged["persistence"] == "none":
        problems.note(
            f"{subject}.persist_for", "is set although persistence is none", "remove it, or set persistence: source"
        )


def _check_ports(problems: Problems, services: list[Service]) -> None:
    bound: dict[tuple[str, int], str] = {}
    for service in services:
        for port in service.ports():
            other = bound.setdefault((service.address, port), service.name)
            if other != service.name:
                key = "port" if port == service.port else "tls.port"
                problems.note(
                    f"infinitt_services.{service.name}.{key}",
                    f"is {port}, which {other} already uses on {service.address}",
                    "choose another port, or give the service its own vip",
                )


def _with_affinity(services: list[Service]) -> list[Service]:
    """Let services with source persistence, the same nodes and the same length share a client's node.

    A table shared by services with different nodes would name a node that one of them does not have: each of the two
    would then overwrite the other's entry at every connection. HTTP at layer 4 shares with nothing else: a viewer need
    not follow the modalities, and stays at its layer whatever theirs is.
    """
    groups: dict[tuple[Any, ...], str] = {}
    result = []
    for service in services:
        if service.persistence == "source":
            its_nodes = frozenset((node.name, node.address) for node in service.nodes)
            key = (its_nodes, service.persist_for, service.http and service.layer == 4)
            service = replace(service, affinity=groups.setdefault(key, service.name))
        result.append(service)
    return result


def _with_health(problems: Problems, services: list[Service], asked: Sequence[str]) -> list[Service]:
    """Let the services that share a client's node with one of the asked have a node all, or none of them."""
    by_name = {service.name: service for service in services}
    groups: dict[str | None, list[str]] = {}
    for name in asked:
        its = by_name[name].affinity
        group = [service for service in services if its and service.affinity == its and not service.route_of]
        subject = f"infinitt_services.{name}.health"
        if len(group) < 2:
            problems.note(subject, "is together, and no other service shares its clients' nodes", "remove it")
        for service in group:
            if service.check == "http":
                problems.note(
                    subject,
                    f"is together, and {service.name}, which shares its clients' nodes, has an HTTP check",
                    f"give {service.name} the check tcp, or another persistence",
                )
        groups[its] = [service.name for service in group]
    return [replace(service, together=groups.get(service.affinity, [])) for service in services]


def _url_host(ip: str) -> str:
    return f"[{ip}]" if ":" in ip else ip
