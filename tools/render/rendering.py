# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Render the files that roles/infinitt deploys, without a host: Ansible itself resolves what each role is given."""

from __future__ import annotations

from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
# The files by their short names: the role, the file's own name, and what is in it.
FILES = {
    "haproxy": ("haproxy", "haproxy.cfg", "{{ lookup('ansible.builtin.template', 'haproxy.cfg.j2') }}"),
    "renewal": (
        "haproxy",
        "haproxy-renewal.path",
        "{{ lookup('ansible.builtin.template', 'haproxy-renewal.path.j2') }}",
    ),
    "keepalived": ("keepalived", "keepalived.conf", "{{ lookup('ansible.builtin.template', 'keepalived.conf.j2') }}"),
    "guard": ("keepalived", "guard.json", "{{ __keepalived_guard_json }}\n"),
    "layer4": ("layer4", "layer4.nft", "{{ lookup('ansible.builtin.template', 'layer4.nft.j2') }}"),
    "conntrackd": ("layer4", "conntrackd.conf", "{{ lookup('ansible.builtin.template', 'conntrackd.conf.j2') }}"),
    "mirror": (
        "layer4",
        "layer4-mirror.service",
        "{{ lookup('ansible.builtin.template', 'mirror.service.j2') }}",
    ),
    "configuration": ("layer4", "layer4.json", "{{ __layer4_configuration | to_nice_json }}\n"),
    "notify": ("monitoring", "notify.json", "{{ monitoring_notify | to_nice_json if monitoring_notify else '' }}"),
}


class Renderer:
    """The deployment of playbooks/site.yml, up to the templates.

    ``loader``, ``inventory``, ``variables``: Ansible's own three, as each of its programs has them.
    """

    def __init__(self, loader, inventory, variables):
        from ansible.playbook import Playbook
        from ansible.vars.hostvars import HostVars

        self.loader, self.inventory, self.variables = loader, inventory, variables
        HostVars(inventory, variables, loader)  # it enters itself into the variables
        plays = Playbook.load(
            str(REPOSITORY / "playbooks/site.yml"), loader=loader, variable_manager=variables
        ).get_plays()
        self.tasks = [(play, task) for play in plays for task in _tasks(play.compile())]

    def hosts(self):
        """The load balancers, as the first play asks for them: an inventory without any is refused there."""
        names = self._templar(None, [], *self.tasks[0]).template(self.tasks[0][0].hosts)
        return [self.inventory.get_host(name) for name in names]

    def resolve(self, host, expression):
        """An expression, as it is on the host before anything was computed."""
        return self._templar(host, [host], *self.tasks[0]).template(_trusted(expression))

    def compute(self, hosts, facts):
        """The model's site of these hosts, as the first play computes it from their network facts (by host's name)."""
        for name, known in facts.items():
            self.variables.set_host_facts(name, known)
        for play, task in self.tasks:
            # Nobody was asked. From ansible-core 2.21 on a task has several names, in a mapping.
            registered = [task.register] if isinstance(task.register, str) else task.register or []
            for host in hosts:
                self.variables.set_nonpersistent_facts(host.name, {name: {} for name in registered})
            if task.action == "ansible.builtin.set_fact":
                done = {host.name: self._templar(host, hosts, play, task).template(task.args) for host in hosts}
                for host in hosts:
                    self.variables.set_nonpersistent_facts(
                        host.name, done[hosts[0].name if task.run_once else host.name]
                    )
                if "__infinitt" in task.args:
                    return done[hosts[0].name]["__infinitt"]
        raise LookupError("no task of playbooks/site.yml computes __infinitt")

    def texts(self, host, names):
        """The texts of the files with these short names on the host, without those that are empty."""
        hosts = self.inventory.get_hosts("loadbalancers")
        given = {}
        for role in {FILES[name][0] for name in names}:
            wanted = f"pacs.loadbalancer.{role}"
            play, task = next(
                (play, task) for play, task in self.tasks if task._role and task._role.get_name() == wanted
            )
            given[role] = self._templar(host, hosts, play, task)
        texts = {name: given[FILES[name][0]].template(_trusted(FILES[name][2])) for name in names}
        return {name: text for name, text in texts.items() if text}

    def _templar(self, host, hosts, play, task):
        """What resolves an expression as this task sees it on the host, in a run for all of the hosts."""
        from ansible.template import Templar

        names = [host.name for host in hosts]
        known = self.variables.get_vars(play=play, host=host, task=task, _hosts=names, _hosts_all=names)
        return Templar(self.loader, {**known, "ansible_search_path": task.get_search_path()})


def _trusted(expression):
    """Ansible resolves no expression that it was not told to trust; before 2.19 it resolves any."""
    from ansible import template

    return template.trust_as_template(expression) if hasattr(template, "trust_as_template") else expression


def _tasks(blocks):
    """Every task of the blocks, in order."""
    for item in blocks:
        if hasattr(item, "block"):
            yield from _tasks([*item.block, *item.rescue, *item.always])
        else:
            yield item


def names(site):
    """The short names of the files that a host of the site has."""
    absent = set() if site["layer4_services"] else {name for name, (role, *_more) in FILES.items() if role == "layer4"}
    absent |= set() if site["host_certificates"] else {"renewal"}
    absent |= set() if any(host["mirror"]["tunnel"] for host in site["hosts"].values()) else {"mirror"}
    return [name for name in FILES if name not in absent]
