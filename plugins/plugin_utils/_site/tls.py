# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""TLS of a service: what the user wrote of it, and the PEM files that HAProxy reads for it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site import certificates, node_tls, values
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.pem import (
    BEGINS,
    Files,
    PemFile,
    Reader,
    Source,
    age,
)
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.pem import pem as parse_pem
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.problems import Problems
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.types import Tls
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.values import Choice, Text
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.variables import read_keys

HTTPS = 443

TLS_KEYS: dict[str, Callable[[Any], Any]] = {
    "certificate": parse_pem,
    "key": parse_pem,
    "name": Text(values.HOST, "give the name that clients have typed in, such as pacs.example.org"),
    "ca": parse_pem,
    "profile": Choice(("intermediate", "modern")),
    "port": values.port,
    "plain": Choice(("redirect", "serve", "close")),
    "hsts": age,
    "client_certificate": Choice(("none", "optional", "required")),
    "client_ca": parse_pem,
    "client_crl": parse_pem,
}
HTTP_ONLY = ("port", "plain", "hsts")


def read(
    problems: Problems, service: str, written: Any, mode: str, port: int, reader: Reader
) -> tuple[Tls | None, list[PemFile]]:
    """Return the TLS of a service and its files, or None after noting why there is none.

    ``written``: the user's ``tls``. ``mode``, ``port``: the service's.
    """
    subject = f"infinitt_services.{service}.tls"
    if not isinstance(written, Mapping):
        problems.note(subject, "is not a mapping", "give keys such as certificate, key and name")
        return None, []
    if certificates.x509 is None:
        problems.note(
            subject,
            "needs the Python package cryptography where Ansible runs",
            "install it there: pip install cryptography",
        )
        return None, []
    before = len(problems)
    keys = read_keys(problems, subject, written, TLS_KEYS)
    if len(problems) == before:
        _check_keys(problems, subject, keys, mode)
    if len(problems) > before:
        return None, []
    files = Files(service, reader)
    found = _certificate(problems, subject, keys, files)
    found |= _clients(problems, subject, keys, files)
    if len(problems) > before:
        return None, []
    http = mode == "http"
    return (
        Tls(
            port=keys.get("port", HTTPS) if http else port,
            plain=keys.get("plain", "redirect") if http else "close",
            profile=keys.get("profile", "intermediate"),
            hsts=keys.get("hsts"),
            name=keys.get("name", ""),
            client_certificate=keys.get("client_certificate", "none"),
            paths={key: its.path for key, its in keys.items() if isinstance(its, Source) and its.on_hosts},
            **found,
        ),
        files.files,
    )


def _check_keys(problems: Problems, subject: str, keys: Mapping[str, Any], mode: str) -> None:
    """Note keys that do not go together."""
    if "certificate" not in keys:
        problems.note(subject, "has no certificate", "give it in PEM, as text or as a path")
        return
    certificate, key = keys["certificate"], keys.get("key", keys["certificate"])
    if certificate.on_hosts != key.on_hosts:
        problems.note(f"{subject}.key", "is not where the certificate is", "have both on the hosts, or neither")
    if "ca" in keys and (keys["ca"].on_hosts or certificate.on_hosts):
        problems.note(
            f"{subject}.ca",
            "is for a certificate that the controller checks, and one of the two is on the hosts",
            "remove it",
        )
    if mode != "http":
        for name in HTTP_ONLY:
            if name in keys:
                problems.note(f"{subject}.{name}", "is set on a tcp service", "remove it: only HTTP has that")
    elif "hsts" in keys and keys.get("plain") == "serve":
        problems.note(
            f"{subject}.hsts",
            "is set although plain is serve",
            "set plain: redirect, since HSTS forbids browsers plain HTTP",
        )
    asks = keys.get("client_certificate", "none") != "none"
    if asks and "client_ca" not in keys:
        problems.note(f"{subject}.client_ca", "is not set although client_certificate is", "give the CA of the clients")
    for name in ("client_ca", "client_crl"):
        if name in keys and not asks:
            problems.note(
                f"{subject}.{name}", "is set, and no client is asked", "set client_certificate: required or optional"
            )


def _certificate(problems: Problems, subject: str, keys: Mapping[str, Any], files: Files) -> dict[str, Any]:
    source = keys["certificate"]
    if source.on_hosts:
        name = files.link("", source.path)
        # HAProxy looks for a key beside a certificate that has none.
        if "key" in keys:
            files.files.append(PemFile(f"{name}.key", link=keys["key"].path))
        return {"certificate": name}
    text = problems.parse(f"{subject}.certificate", files.text, source)
    key = problems.parse(f"{subject}.key", files.text, keys["key"]) if "key" in keys else ""
    ca = (
        problems.parse(f"{subject}.ca", lambda its: certificates.read_authorities(files.text(its))[0], keys["ca"])
        if "ca" in keys
        else []
    )
    if text is None or key is None or ca is None:
        return {}
    chain = problems.parse(
        f"{subject}.certificate", lambda its: certificates.read_chain(its, key, keys.get("name"), ca), text
    )
    if chain is None:
        return {}
    name = files.add("", chain.pem)
    files.files.append(PemFile(f"{name}.key", chain.key))
    return {
        "certificate": name,
        "not_after": chain.certificate.not_after,
        "sha256": chain.certificate.sha256,
        "unproven": chain.unproven,
    }


def _clients(problems: Problems, subject: str, keys: Mapping[str, Any], files: Files) -> dict[str, Any]:
    found: dict[str, Any] = {}
    authorities: list[bytes] | None = None
    if "client_ca" in keys:
        if keys["client_ca"].on_hosts:
            found["client_ca"] = files.link("-clients", keys["client_ca"].path)
        elif read := problems.parse(
            f"{subject}.client_ca", lambda its: certificates.read_authorities(files.text(its)), keys["client_ca"]
        ):
            authorities, pem = read
            found["client_ca"] = files.add("-clients", pem)
    if "client_crl" in keys:
        if keys["client_crl"].on_hosts:
            found["client_crl"] = files.link("-revoked", keys["client_crl"].path)
        elif read := problems.parse(
            f"{subject}.client_crl",
            lambda its: certificates.read_revoked(files.text(its), authorities or []),
            keys["client_crl"],
        ):
            found["revoked_until"], pem = read
            found["client_crl"] = files.add("-revoked", pem)
    return found


def pem_files(written: Any, services: Sequence[Mapping[str, Any]], reader: Reader) -> list[PemFile]:
    """Return the files of all services of a site that was accepted. ``written``: the user's services."""
    by_name = {str(name): keys for name, keys in written.items()} if isinstance(written, Mapping) else {}
    found = []
    for service in services:
        # A copy on a former VIP has a name that is nobody's.
        keys = by_name.get(service["name"])
        if service.get("tls") and isinstance(keys, Mapping):
            found += read(Problems(), service["name"], keys.get("tls"), service["mode"], service["port"], reader)[1]
        if service.get("node_tls") and isinstance(keys, Mapping):
            found += node_tls.read(Problems(), service["name"], keys.get("node_tls"), reader)[1]
    return found


def sealed(written: Any) -> Any:
    """Return what was written with a hash in the place of each text in PEM: it may be a key."""
    if isinstance(written, Mapping):
        return {key: sealed(value) for key, value in written.items()}
    if isinstance(written, str) and BEGINS in written:
        return f"sha256:{hashlib.sha256(written.encode()).hexdigest()}"
    return written
