# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: infinitt_preflight
short_description: What stands in the way of a deployment
version_added: "1.0.0"
description:
  - From what the load balancers saw before anything is changed, one sentence for each promise that a deployment could not keep.
options:
  _input:
    description: The site, from the filter P(pacs.loadbalancer.infinitt_site#filter).
    type: dict
    required: true
  seen:
    description:
      - For each load balancer that was asked, C(endpoints) of M(pacs.loadbalancer.infinitt_backend_check), C(owners) of
        M(pacs.loadbalancer.address_owner) by interface, C(listeners) (lines of C(ss -Hltnp)) and C(macs) (its own MAC addresses).
    type: dict
    required: true
  require:
    description: How many nodes must answer.
    type: str
    choices: [all, any, none]
    required: true
"""

EXAMPLES = r"""
- name: Stop where a promise could not be kept
  ansible.builtin.fail:
    msg: "{{ problems }}"
  when: problems | length > 0
  vars:
    problems: "{{ __infinitt | pacs.loadbalancer.infinitt_preflight(seen, 'all') }}"
"""

RETURN = r"""
_value:
  description: The sentences. Empty when nothing stands in the way.
  type: list
  elements: str
"""

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils.preflight import problems


class FilterModule:
    def filters(self):
        return {"infinitt_preflight": problems}
