# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: status_problems
short_description: What is wrong with the load balancers
version_added: "1.0.0"
description:
  - One sentence for each thing that is not well, as at the end of the screen of P(pacs.loadbalancer.status_screen#filter).
options:
  _input:
    description:
      - For each load balancer that was reached, by name, C(haproxy) and C(keepalived), what
        M(pacs.loadbalancer.haproxy_info) and M(pacs.loadbalancer.keepalived_info) return.
      - Where the kernel forwards, C(layer4) too (see P(pacs.loadbalancer.infinitt_verify#filter)).
      - Where it is known, C(written) too, by C(haproxy) and C(keepalived) the fingerprint of the configuration that is to run.
    type: dict
    required: true
  services:
    description: The services of the site, from the filter P(pacs.loadbalancer.infinitt_site#filter).
    type: list
    elements: dict
    required: true
  hosts:
    description: All load balancers, reached or not.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Fail where the load balancers are not well
  ansible.builtin.fail:
    msg: "{{ problems }}"
  when: problems | length > 0
  vars:
    problems: "{{ seen | pacs.loadbalancer.status_problems(services=__infinitt.services, hosts=groups.loadbalancers) }}"
"""

RETURN = r"""
_value:
  description: The sentences; empty when all is well.
  type: list
  elements: str
  sample:
    - "Nobody holds the VIP 198.51.100.10; see what Keepalived says: journalctl -u keepalived."
"""

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils.report import problems


class FilterModule:
    def filters(self):
        return {"status_problems": problems}
