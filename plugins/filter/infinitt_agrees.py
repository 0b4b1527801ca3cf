# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: infinitt_agrees
short_description: Does HAProxy see every node as the backend check did
version_added: "1.0.0"
description:
  - A node that HAProxy has not checked yet does not agree.
options:
  _input:
    description: What HAProxy sees, as RV(pacs.loadbalancer.haproxy_info#module:services).
    type: dict
    required: true
  endpoints:
    description: What the host saw, as RV(pacs.loadbalancer.infinitt_backend_check#module:endpoints).
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Wait until HAProxy sees the nodes as this host does
  pacs.loadbalancer.haproxy_info:
  register: haproxy
  until: haproxy.services | pacs.loadbalancer.infinitt_agrees(nodes.endpoints)
  retries: 10
  delay: 1
"""

RETURN = r"""
_value:
  description: Whether it does.
  type: bool
"""

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils.verify import agrees


class FilterModule:
    def filters(self):
        return {"infinitt_agrees": agrees}
