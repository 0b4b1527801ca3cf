# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: infinitt_asker
short_description: Which load balancer asks the virtual IPs over the wire
version_added: "1.0.0"
description:
  - The first load balancer of the run that holds no virtual IP, since one that does would ask itself. Where all do, the first.
options:
  _input:
    description: The site, from the filter P(pacs.loadbalancer.infinitt_site#filter).
    type: dict
    required: true
  seen:
    description: For each load balancer of this run, C(keepalived), of M(pacs.loadbalancer.keepalived_info).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Ask every service through the VIP
  pacs.loadbalancer.infinitt_backend_check:
    services: "{{ __infinitt.vip_checks }}"
  delegate_to: "{{ __infinitt | pacs.loadbalancer.infinitt_asker(seen) }}"
  run_once: true
"""

RETURN = r"""
_value:
  description: Its name.
  type: str
"""

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils.verify import asker


class FilterModule:
    def filters(self):
        return {"infinitt_asker": asker}
