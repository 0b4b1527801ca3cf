# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: infinitt_verify
short_description: Which promises a deployed pair keeps and breaks
version_added: "1.0.0"
description:
  - From what the load balancers say after a deployment, one sentence for each promise that is kept, that is broken, and that this run
    could not look at.
options:
  _input:
    description: The site, from the filter P(pacs.loadbalancer.infinitt_site#filter).
    type: dict
    required: true
  seen:
    description:
      - For each load balancer of this run, C(haproxy) and C(keepalived) (of M(pacs.loadbalancer.haproxy_info) and
        M(pacs.loadbalancer.keepalived_info)) and C(endpoints) of M(pacs.loadbalancer.infinitt_backend_check).
      - Where the kernel forwards, C(layer4) too, what M(pacs.loadbalancer.layer4_info) and M(pacs.loadbalancer.layer4_test_entry) return there.
    type: dict
    required: true
  asked_from:
    description: The load balancer that asked the virtual IPs.
    type: str
    required: true
  through:
    description: What it got, as RV(pacs.loadbalancer.infinitt_backend_check#module:endpoints).
    type: list
    elements: dict
    required: true
  ways:
    description: Of each load balancer, which of those connections its kernel forwarded, as the C(paths) of M(pacs.loadbalancer.layer4_info).
    type: dict
"""

EXAMPLES = r"""
- name: Stop where a promise is broken
  ansible.builtin.fail:
    msg: "{{ verdict.broken }}"
  when: verdict.broken | length > 0
  vars:
    verdict: "{{ __infinitt | pacs.loadbalancer.infinitt_verify(seen, 'lb2', through.endpoints) }}"
"""

RETURN = r"""
_value:
  description: The verdict.
  type: dict
  contains:
    kept:
      description: Promises that hold.
      type: list
      elements: str
    broken:
      description: Promises that do not hold.
      type: list
      elements: str
    unchecked:
      description: Promises that this run could not look at.
      type: list
      elements: str
"""

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils.verify import verify


class FilterModule:
    def filters(self):
        return {"infinitt_verify": verify}
