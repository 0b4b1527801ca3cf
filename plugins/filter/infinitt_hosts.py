# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: infinitt_hosts
short_description: The load balancers of an inventory
version_added: "1.0.0"
description:
  - Returns the hosts of the group C(loadbalancers), or stops with one sentence where an inventory has none.
  - A play over an empty group does nothing and calls that a success. A play over this filter's result does not.
options:
  _input:
    description: The inventory's groups, as in the variable P(groups).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Deploy
  hosts: "{{ groups | pacs.loadbalancer.infinitt_hosts }}"
"""

RETURN = r"""
_value:
  description: Names of the load balancers, in the inventory's order.
  type: list
  elements: str
"""

from ansible.errors import AnsibleFilterError

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils.model import GROUP, nearest


def infinitt_hosts(groups):
    hosts = groups.get(GROUP, [])
    if hosts:
        return list(hosts)
    if GROUP in groups:
        raise AnsibleFilterError(
            f"The group {GROUP} of the inventory is empty; put the hosts into it that are to run HAProxy and Keepalived."
        )
    others = [name for name in groups if name not in ("all", "ungrouped")]
    hint = f" ({nearest(GROUP, others)})" if others else ""
    raise AnsibleFilterError(
        f"The inventory has no group {GROUP}{hint}; put the hosts into it that are to run HAProxy and Keepalived."
    )


class FilterModule:
    def filters(self):
        return {"infinitt_hosts": infinitt_hosts}
