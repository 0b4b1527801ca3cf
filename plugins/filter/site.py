# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
from pathlib import Path

from ansible.errors import AnsibleFilterError
from ansible.utils.display import Display

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.addresses import netaddr
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.build import build
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.notify import read as read_notify
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.output import as_dict
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.problems import Problems, nearest
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.rollback import Rollback
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.tls import pem_files, sealed
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.variables import GROUP, HOST_VARIABLES, RENAMED


def infinitt_site(variables, hosts, names, asked, lost, services, defaults, peers_port):
    """Return the typed site, or all problems at once: see infinitt_site.yml."""
    if netaddr is None:
        raise AnsibleFilterError(
            "The Python package netaddr is missing where Ansible runs; "
            "install it there, for example with: pip install netaddr"
        )
    inventory = {}
    for name in names:
        host = hosts[name]
        present = {key: RENAMED.get(key, key) for key in host if key.startswith("infinitt_")}
        for key in RENAMED.keys() & present.keys():
            Display().warning(
                f"{key} of {name} is called {present[key]} now; the next major version knows that name only."
            )
        # What a host was given is read in its own play: a value that refers to another host can be resolved only there.
        written = (
            host["__infinitt_written"]
            if name in asked
            else {now: host[key] for key, now in present.items() if now in HOST_VARIABLES}
        )
        inventory[name] = {
            "variables": written,
            "names": [*present],
            "ansible_host": host.get("ansible_host"),
            "managed": host.get("__infinitt_managed", []),
            "heard": host.get("__infinitt_heard", []),
            "states": host.get("ansible_facts", {}).get("ansible_local", {}).get("nodes"),
            "facts": host.get("ansible_facts", {}) if name in asked and name not in lost else None,
        }
    return as_dict(build(variables, inventory, services, defaults, int(peers_port), lost, read_file))


def infinitt_pem_files(services, site, directory):
    """Return the PEM files that HAProxy reads: see infinitt_pem_files.yml."""
    return [
        {
            "path": f"{directory}/{file.name}",
            **({"link": file.link} if file.link else {"content": base64.b64encode(file.content.encode()).decode()}),
        }
        for file in pem_files(services, site["services"], read_file)
    ]


def infinitt_notify(written):
    """Return who is told of what has happened, and how: see infinitt_notify.yml."""
    return read_notify(Problems(), written, read_file)


def infinitt_sealed(services):
    """Return the services with a hash in the place of each PEM text: see infinitt_sealed.yml."""
    return sealed(services)


def read_file(path):
    return Path(path).read_text(encoding="utf-8")


def infinitt_hosts(groups, without=()):
    """Return the load balancers, or raise AnsibleFilterError where there are none: see infinitt_hosts.yml."""
    hosts = groups.get(GROUP, [])
    if hosts:
        return [name for name in hosts if name not in without] or ["!all"]
    if GROUP in groups:
        raise AnsibleFilterError(
            f"The group {GROUP} of the inventory is empty; add the hosts that are to run HAProxy and Keepalived."
        )
    others = [name for name in groups if name not in ("all", "ungrouped")]
    hint = f" ({nearest(GROUP, others)})" if others else ""
    raise AnsibleFilterError(
        f"The inventory has no group {GROUP}{hint}; add the hosts that are to run HAProxy and Keepalived."
    )


def infinitt_rollback(records, names, states, limited=False):
    """Return what was there before the last change, or why there is no way back: see infinitt_rollback.yml."""
    found = Rollback(records, names)
    refusals = found.refusals(states, limited)
    return {
        "refusals": refusals,
        "plan": [] if refusals else found.plan(),
        "undo": found.undo,
        "site": found.site,
    }


class FilterModule:
    def filters(self):
        return {
            "infinitt_site": infinitt_site,
            "infinitt_pem_files": infinitt_pem_files,
            "infinitt_notify": infinitt_notify,
            "infinitt_sealed": infinitt_sealed,
            "infinitt_hosts": infinitt_hosts,
            "infinitt_rollback": infinitt_rollback,
        }
