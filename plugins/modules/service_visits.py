#!/usr/bin/python
# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: service_visits
short_description: See who comes to services of a load balancer
version_added: "1.0.0"
description:
  - Says which clients have come to services, and when last, from what the host has recorded anyway. That is the record
    of each session in the journal, and for what the kernel forwards the connection table too.
  - A session is recorded once it has ended.
  - Changes nothing. Needs root.
options:
  services:
    description: The services.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Its name, which HAProxy's frontend has too.
        type: str
        required: true
      address:
        description: Its virtual IP.
        type: str
        required: true
      port:
        description: Its port there.
        type: int
        required: true
      layer:
        description: V(4) where the kernel forwards it, else V(7).
        type: int
        required: true
  days:
    description: How far to look back.
    type: int
    default: 30
attributes:
  check_mode:
    description: Changes nothing, and so runs in check mode too.
    support: full
author:
  - The pacs.loadbalancer authors (@pacs-loadbalancer)
"""

EXAMPLES = r"""
- name: See who still comes to a former VIP
  pacs.loadbalancer.service_visits:
    services:
      - name: dicom:198.51.100.9
        address: 198.51.100.9
        port: 104
        layer: 4
  register: former
"""

RETURN = r"""
visits:
  description: Each client of each service, the newest first.
  type: list
  elements: dict
  returned: success
  contains:
    client:
      description: Its address.
      type: str
    service:
      description: The service's name.
      type: str
    last:
      description: When it was there last, in seconds since the epoch.
      type: float
  sample:
    - {client: 198.51.100.25, service: "dicom:198.51.100.9", last: 1795532752.3}
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.pacs.loadbalancer.plugins.module_utils import _visits


def main() -> None:
    service = {
        "name": {"type": "str", "required": True},
        "address": {"type": "str", "required": True},
        "port": {"type": "int", "required": True},
        "layer": {"type": "int", "required": True},
    }
    module = AnsibleModule(
        argument_spec={
            "services": {"type": "list", "elements": "dict", "required": True, "options": service},
            "days": {"type": "int", "default": 30},
        },
        supports_check_mode=True,
    )
    module.exit_json(changed=False, visits=_visits.gather(module.params["services"], module.params["days"]))


if __name__ == "__main__":
    main()
