# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: preflight_table
short_description: What answered the load balancers, as a table
version_added: "1.0.0"
description:
  - A plain-text table with a line for each service on each node and a column for each load balancer that asked, and below it
    one line for each failure.
options:
  _input:
    description: For each load balancer, by name, C(endpoints) of M(pacs.loadbalancer.infinitt_backend_check).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show what answered
  ansible.builtin.debug:
    msg: "{{ {'lb1': {'endpoints': seen.endpoints}} | pacs.loadbalancer.preflight_table }}"
"""

RETURN = r"""
_value:
  description: The table, lines separated by a newline.
  type: str
  sample: |-
    service  node   address        port  check  lb1      lb2
    web      pacs1  198.51.100.21  80    http   2.1 ms   12 ms
    dicom    pacs2  198.51.100.22  104   echo   refused  4.0 ms

    dicom on pacs2 (198.51.100.22 port 104), asked from lb1: refused the connection
"""

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils.report import preflight_table


class FilterModule:
    def filters(self):
        return {"preflight_table": preflight_table}
