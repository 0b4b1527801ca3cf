# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The records of the sessions: the syslog servers that get them too, over TLS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site import certificates, values
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.pem import Files, Reader
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.problems import Problems, show
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.values import is_set
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.variables import (
    RECORDS_KEYS,
    SYSLOG_KEYS,
    read_keys,
)

SUBJECT = "infinitt_records"
EXAMPLE = "give a list such as [{server: syslog.example.org, ca: /etc/ssl/certs/hospital-ca.pem}]"
# RFC 5425, 4.1; RELP has none of its own, and rsyslog's documentation uses this one.
DEFAULTS = {"port": 6514, "relp": False}


def read(problems: Problems, written: Any, reader: Reader) -> list[dict[str, Any]]:
    """Return the syslog servers, each with all keys of ``monitoring_syslog``; note what is missing or wrong."""
    if not is_set(written) or written == {}:
        return []
    keys = read_keys(problems, SUBJECT, written, RECORDS_KEYS)
    servers = keys.get("syslog", [])
    if not isinstance(servers, Sequence) or isinstance(servers, (str, bytes)):
        problems.note(f"{SUBJECT}.syslog", f"is {show(servers)}, which is not a list", EXAMPLE)
        return []
    found: dict[tuple[str, int], dict[str, Any]] = {}
    for index, entry in enumerate(servers):
        subject = f"{SUBJECT}.syslog[{index}]"
        its = {**DEFAULTS, **read_keys(problems, subject, entry, SYSLOG_KEYS)}
        for key in ("server", "ca") if isinstance(entry, Mapping) else ():
            if not is_set(entry.get(key)):
                problems.note(subject, f"has no {key}", "give server, and ca, whose certificate it has")
        if not {"server", "ca"} <= {*its}:
            continue
        endpoint = its["server"], its["port"]
        if endpoint in found:
            problems.note(subject, f"repeats {its['server']}, port {its['port']}", "give every server once")
        found[endpoint] = _complete(problems, subject, its, reader)
    return list(found.values())


def _complete(problems: Problems, subject: str, its: dict[str, Any], reader: Reader) -> dict[str, Any]:
    source = its["ca"]
    if source.on_hosts:
        ca = {"ca": "", "ca_file": source.path}
    else:
        text = problems.parse(
            f"{subject}.ca", lambda one: certificates.read_authorities(Files("", reader).text(one))[1], source
        )
        ca = {"ca": text or "", "ca_file": ""}
    name = its.get("name", its["server"])
    if not values.DNS_NAME.fullmatch(name) or name.replace(".", "").isdigit():
        problems.note(subject, f"has the server {name} and no name", "give a name that its certificate has")
    return {**its, **ca, "name": name}
