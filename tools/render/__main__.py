# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the files that playbooks/site.yml would deploy, from an inventory alone: no lab, no SSH.

A deployment reads the networks of the load balancers from the hosts. Here they are assumed, and the output says how.
"""

from __future__ import annotations

import os
from pathlib import Path

import assumed
import rendering

os.environ.setdefault("ANSIBLE_CONFIG", str(rendering.REPOSITORY / "ansible.cfg"))

from ansible.cli import CLI  # isort: skip (before all else of Ansible, as it asks for)
from ansible import context
from ansible.cli.arguments import option_helpers
from ansible.errors import AnsibleError

# What the networks are assumed from, where the user wrote it.
WRITTEN = """{{ {
    'own': infinitt_address | default('') or ansible_host | default('') or inventory_hostname,
    'interface': infinitt_interface | default(''),
    'mirror': infinitt_mirror_address | default(''),
    'vips': [infinitt_vip | default('')]
            + (infinitt_services | default({})).values() | selectattr('vip', 'defined') | map(attribute='vip') | list,
} }}"""


class Render(CLI):
    """A program of Ansible's kind, with its options for inventories, limits, variables and vaults."""

    name = "render"

    def init_parser(self):
        super().init_parser(desc=__doc__)
        option_helpers.add_inventory_options(self.parser)
        option_helpers.add_vault_options(self.parser)
        option_helpers.add_runtask_options(self.parser)
        self.parser.add_argument("directory", help="gets a directory for each load balancer")

    def post_process_args(self, options):
        return super().post_process_args(options)

    def run(self):
        super().run()
        os.umask(0o077)  # haproxy.cfg may hold the password of the stats page
        loader, inventory, variables = self._play_prereqs()
        renderer = rendering.Renderer(loader, inventory, variables)
        hosts = renderer.hosts()
        written = {host.name: renderer.resolve(host, WRITTEN) for host in hosts}
        taken = [host["own"] for host in written.values()]
        facts = {name: assumed.facts(**host, taken=taken) for name, host in written.items()}
        site = renderer.compute(hosts, {name: known for name, (known, said) in facts.items()})
        if site["problems"]:
            raise AnsibleError("\n".join(site["problems"]))
        for name, computed in site["hosts"].items():
            if tunnel := computed["mirror"]["tunnel"]:
                key = f"PUBLIC-KEY-OF-{tunnel['peer_name']}"
                variables.set_nonpersistent_facts(name, {"__infinitt_mirror_key": {"peer_key": key}})
                facts[name][1].append(f"{tunnel['peer_name']}'s public key {key}")
        for host in self.get_host_list(inventory, context.CLIARGS["subset"], "loadbalancers"):
            directory = Path(context.CLIARGS["directory"], host.name)
            directory.mkdir(parents=True, exist_ok=True)
            for name, text in renderer.texts(host, rendering.names(site)).items():
                path = directory / rendering.FILES[name][1]
                path.write_text(text)
                print(path)
            print(f"Assumed of {host.name}, since it was not asked: {', '.join(facts[host.name][1])}.")
        return 0


if __name__ == "__main__":
    Render.cli_executor()
