# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: status_screen
short_description: How the load balancers are, on one screen
version_added: "1.0.0"
description:
  - Who holds the virtual IPs and since when, each load balancer with its sessions and versions, each node with what the check of
    each load balancer says, and what is wrong, in words.
  - Plain text of at most 100 columns, unless the names alone are wider.
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
  now:
    description: The time, in seconds since the epoch; the controller's, if not given.
    type: float
seealso:
  - plugin: pacs.loadbalancer.status_problems
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Show how the load balancers are
  ansible.builtin.debug:
    msg: "{{ seen | pacs.loadbalancer.status_screen(services=__infinitt.services, hosts=groups.loadbalancers) }}"
"""

RETURN = r"""
_value:
  description: The screen, lines separated by a newline.
  type: str
  sample: |-
    lb1 holds 198.51.100.10 since 14:02:11 UTC (2 h 3 min).

    load balancer  VRRP    priority  sessions  on old workers  HAProxy           Keepalived
    lb1            MASTER  254       6         1 (1 worker)    2.6.12-1+deb12u4  2.2.7
    lb2            BACKUP  253       0         0               2.6.12-1+deb12u4  2.2.7

    service  node   lb1                  lb2                  sessions
    dicom    pacs1  UP L4OK 2 h 3 min    UP L4OK 2 h 3 min    6
    dicom    pacs2  DOWN L4CON 1 min     DOWN L4CON 1 min     0

    Problems:
    - dicom on pacs2 is down (Layer4 connection problem: Connection refused), for 1 min.
"""

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils.report import status_screen


class FilterModule:
    def filters(self):
        return {"status_screen": status_screen}
