# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: infinitt_site
short_description: What the user wrote, as a typed site or as all problems at once
version_added: "1.0.0"
description:
  - Turns the variables of the role C(pacs.loadbalancer.infinitt) into what the roles C(haproxy) and C(keepalived) are told.
  - Nothing that a user wrote makes it fail. What is wrong stands in C(problems), one sentence each.
options:
  _input:
    description: The variables of the site, by name.
    type: dict
    required: true
  hosts:
    description: The variables of all hosts, as in the variable P(hostvars).
    type: dict
    required: true
  names:
    description: The load balancers, in the inventory's order.
    type: list
    elements: str
    required: true
  asked:
    description: Those of them whose network facts this run has tried to gather.
    type: list
    elements: str
    required: true
  lost:
    description: Those of the asked that did not answer.
    type: list
    elements: str
    required: true
  services:
    description: The services that need not be written, by name.
    type: dict
    required: true
  defaults:
    description: What holds for a service of each mode where nothing else is said.
    type: dict
    required: true
  peers_port:
    description: Where HAProxy listens for its peers on each host's own address.
    type: int
    required: true
"""

EXAMPLES = r"""
- name: Compute the site
  ansible.builtin.set_fact:
    __infinitt: >-
      {{ __infinitt_variables | pacs.loadbalancer.infinitt_site(hosts=hostvars, names=groups.loadbalancers,
         asked=ansible_play_hosts_all, lost=[], services=__infinitt_services, defaults=__infinitt_defaults, peers_port=1024) }}
"""

RETURN = r"""
_value:
  description: The site.
  type: dict
  contains:
    problems:
      description: What is wrong with the variables, one sentence each. Empty when the rest may be used.
      type: list
      elements: str
    services:
      description: The enabled services with all their keys, as C(haproxy_services) takes them.
      type: list
      elements: dict
    layer4_services:
      description: Those of them that the kernel forwards, as C(layer4_services) takes them.
      type: list
      elements: dict
    source_ports:
      description: Ports from which the nodes are asked, as C(layer4_source_ports) takes them.
      type: str
    node_checks:
      description: The services as M(pacs.loadbalancer.infinitt_backend_check) asks them on the nodes.
      type: list
      elements: dict
    vip_checks:
      description: The same, asked on the virtual IPs.
      type: list
      elements: dict
    hosts:
      description: Address, interface, priority, VIPs, peers, gateway and ports of each load balancer that answered.
      type: dict
    peers:
      description: Name and address of every load balancer, reached or not.
      type: list
      elements: dict
    router_id:
      description: The virtual router id.
      type: int
"""

from ansible.errors import AnsibleFilterError

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils import model


def infinitt_site(variables, hosts, names, asked, lost, services, defaults, peers_port):
    if model.netaddr is None:
        raise AnsibleFilterError(
            "The Python package netaddr is missing where Ansible runs; install it there, for example with: pip install netaddr"
        )
    seen = {}
    for name in names:
        host = hosts[name]
        # What a host was given is read in its own play: a value that refers to another host can be resolved only there.
        written = (
            host["__infinitt_written"] if name in asked else {key: host[key] for key in model.HOST_KEYS if key in host}
        )
        seen[name] = {
            "variables": written,
            "names": [key for key in host if key.startswith("infinitt_")],
            "ansible_host": host.get("ansible_host"),
            "facts": host.get("ansible_facts", {}) if name in asked and name not in lost else None,
        }
    return model.build(variables, seen, services, defaults, int(peers_port), lost).as_dict()


class FilterModule:
    def filters(self):
        return {"infinitt_site": infinitt_site}
