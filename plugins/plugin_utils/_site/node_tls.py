# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""TLS that the nodes of a service speak: what the user wrote of it, and how HAProxy verifies them.

HAProxy verifies a server's certificate up to one that it has in a file: that of a CA, or the server's own, which is so
pinned. OpenSSL ends a chain at a self-signed certificate alone, so one that a CA has issued cannot be pinned.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ansible_collections.pacs.loadbalancer.plugins.module_utils import _x509
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._phrases import listed
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site import certificates, values
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.pem import Files, PemFile, Reader
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.pem import pem as parse_pem
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.problems import Problems, ValidationError, show
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.types import NodeTls, Service
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.variables import read_keys

# As `openssl x509 -fingerprint -sha256` writes it, or without what stands before the digits.
FINGERPRINT = re.compile(r"(?:sha256 fingerprint=)?([0-9a-f]{64})")


def fingerprints(value: Any) -> list[str]:
    """Return SHA-256 fingerprints, in small letters without colons."""
    found = [
        FINGERPRINT.fullmatch(its.replace(":", "").strip().lower()) if isinstance(its, str) else None
        for its in values.several(value) or [value]
    ]
    if not all(found):
        raise ValidationError(
            f"is {show(value)}",
            "give SHA-256 fingerprints, 64 hexadecimal digits each (openssl x509 -fingerprint -sha256)",
        )
    return [match[1] for match in found if match]


KEYS: dict[str, Callable[[Any], Any]] = {
    "ca": parse_pem,
    "name": values.certificate_name,
    "fingerprints": fingerprints,
}


def read(problems: Problems, service: str, written: Any, reader: Reader) -> tuple[NodeTls | None, list[PemFile]]:
    """Return what the nodes of a service must show and the files for it, or None after noting why not.

    ``written``: the user's ``node_tls``.
    """
    subject = f"infinitt_services.{service}.node_tls"
    if not isinstance(written, Mapping):
        problems.note(subject, "is not a mapping", "give keys such as ca and name")
        return None, []
    before = len(problems)
    keys = read_keys(problems, subject, written, KEYS)
    pinned = keys.get("fingerprints", [])
    if len(problems) == before and "ca" not in keys:
        if pinned:
            problems.note(
                subject,
                "has fingerprints and no ca, and HAProxy verifies with certificates alone",
                "give those certificates as ca (openssl s_client shows them); their fingerprints are compared",
            )
        else:
            problems.note(
                subject, "has no ca", "give the nodes' CA, or their own certificates where they are self-signed"
            )
    if len(problems) > before:
        return None, []
    source, files, name = keys["ca"], Files(service, reader), keys.get("name", "")
    if source.on_hosts:
        if pinned:
            problems.note(
                f"{subject}.fingerprints",
                "cannot be compared with a ca that only the hosts have",
                "give ca as PEM or as a path on the controller",
            )
            return None, []
        return NodeTls(files.link("-nodes", source.path), name, path=source.path), files.files
    found = problems.parse(f"{subject}.ca", lambda its: certificates.read_authorities(files.text(its)), source)
    if found is None:
        return None, []
    _check_pinned(problems, subject, pinned, [_x509.parse(der) for der in found[0]])
    if len(problems) > before:
        return None, []
    return NodeTls(files.add("-nodes", found[1]), name, pinned, text=found[1]), files.files


def _check_pinned(problems: Problems, subject: str, pinned: Sequence[str], given: Sequence[_x509.Certificate]) -> None:
    """Note fingerprints that are not just those of the certificates, and certificates that cannot be pinned."""
    if not pinned:
        return
    for fingerprint in pinned:
        if fingerprint not in [its.sha256 for its in given]:
            problems.note(
                f"{subject}.fingerprints",
                f"has {fingerprint}, which no certificate of ca has",
                "add that certificate to ca, since HAProxy verifies with it, or correct the fingerprint",
            )
    for its in given:
        names = listed(its.names) or "no name"
        if its.sha256 not in pinned:
            problems.note(
                f"{subject}.ca",
                f"has a certificate for {names} with another fingerprint ({its.sha256})",
                "remove it, or add its fingerprint once you know that it is a node's",
            )
        elif not its.self_issued:
            problems.note(
                f"{subject}.fingerprints",
                f"has that of a certificate for {names} that a CA has issued, and HAProxy verifies such a one up to its"
                " CA alone",
                "give that CA as ca and the certificate's name as name, without fingerprints",
            )


def check(problems: Problems, services: Sequence[Service]) -> None:
    """Note nodes of which any certificate of the CA would do, and services that are checked together and differ."""
    by_name = {service.name: service for service in services}
    for service in services:
        its = service.node_tls
        nameless = [name for name, its_name in _names(its, service).items() if not its_name] if its else []
        if its and not its.fingerprints and nameless:
            problems.note(
                f"infinitt_services.{service.route_of or service.name}.node_tls",
                f"has no name, and {listed(nameless)} no tls_name, so that any certificate of the CA would do",
                "give the name that the nodes' certificates have, or each node its tls_name",
            )
        # HAProxy checks all of them over one server's settings.
        first = next((by_name[name] for name in service.together if by_name[name].node_tls), service)
        alike = not its or not first.node_tls or replace(its, ca=first.node_tls.ca) == first.node_tls
        if not alike or _names(first.node_tls, service) != _names(first.node_tls, first):
            problems.note(
                f"infinitt_services.{service.name}.node_tls",
                f"is not that of {first.name}, with which its nodes are checked together",
                "give both the same, or set health: alone",
            )


def _names(its: NodeTls | None, service: Service) -> dict[str, str]:
    """Return what the certificate of each of a service's nodes must cover."""
    return {node.name: its.name or node.tls_name for node in service.nodes} if its else {}
