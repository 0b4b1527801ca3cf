# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The configurations of a site, rendered as Ansible renders them, from what roles/infinitt hands to the three other roles.

In a process of its own: Ansible's loader of collections, which finds the filters under their full names, would change what
the other tests import.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
# What is rendered: its role, and the expression.
TEXTS = {
    "haproxy": ("haproxy", "{{ lookup('ansible.builtin.template', 'haproxy.cfg.j2') }}"),
    "keepalived": ("keepalived", "{{ lookup('ansible.builtin.template', 'keepalived.conf.j2') }}"),
    "layer4": ("layer4", "{{ lookup('ansible.builtin.template', 'layer4.nft.j2') }}"),
    "conntrackd": ("layer4", "{{ lookup('ansible.builtin.template', 'conntrackd.conf.j2') }}"),
    "configuration": ("layer4", "{{ __layer4_configuration | to_nice_json }}"),
}
FINGERPRINT = "0123456789abcdef"  # the real one renders each text once more


def render(sites):
    """``{"haproxy": text, "keepalived": text}`` by host, for each of the sites; where something is forwarded, those of layer 4 too.

    ``sites``: by any key, ``(written, site)``: the variables of roles/infinitt that are set, and the model's site as a dict.
    """
    asked = json.dumps([[written, site] for written, site in sites.values()])
    environment = {**os.environ, "ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg")}
    done = subprocess.run(
        [sys.executable, __file__],
        input=asked,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return dict(zip(sites, json.loads(done.stdout)))


def _variables(loader):
    """What holds for each role in a play: its defaults, its vars, and what the tasks of roles/infinitt give it."""

    def load(path):
        return loader.load_from_file(str(REPOSITORY / "roles" / path), trusted_as_template=True)

    given = {
        task["ansible.builtin.import_role"]["name"].split(".")[-1]: task["vars"]
        for task in load("infinitt/tasks/main.yml")
        if "ansible.builtin.import_role" in task
    }
    site = {
        **load("infinitt/defaults/main.yml"),
        **load("infinitt/vars/main/product.yml"),
        **load("infinitt/vars/main/run.yml"),
    }
    return {
        role: {
            **load(f"{role}/defaults/main.yml"),
            **site,
            **load(f"{role}/vars/main.yml"),
            **given[role],
            "ansible_search_path": [str(REPOSITORY / "roles" / role)],
        }
        for role in {role for role, expression in TEXTS.values()}
    }


def main():
    from ansible.parsing.dataloader import DataLoader
    from ansible.plugins.loader import init_plugin_loader
    from ansible.template import Templar, trust_as_template

    init_plugin_loader([str(REPOSITORY / "collections")])
    loader = DataLoader()
    roles = _variables(loader)
    rendered = []
    for written, site in json.load(sys.stdin):
        rendered.append({})
        for host in site["hosts"]:
            rendered[-1][host] = {}
            for name, (role, expression) in TEXTS.items():
                if role == "layer4" and not site["layer4_services"]:
                    continue
                variables = {
                    **roles[role],
                    **written,
                    "__infinitt": site,
                    "inventory_hostname": host,
                    f"__{role}_fingerprint": FINGERPRINT,
                }
                rendered[-1][host][name] = Templar(loader, variables).template(trust_as_template(expression))
    json.dump(rendered, sys.stdout)


if __name__ == "__main__":
    main()
