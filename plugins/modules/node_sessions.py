#!/usr/bin/python
# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: node_sessions
short_description: Wait for the last session of a node, or end what is left
version_added: "1.0.0"
description:
  - Asks HAProxy, its old workers among them, and the kernel's forwarding on this host who has a connection to a node.
    Forwarded connections count on the host that has their virtual IP.
  - Needs root, and HAProxy's master socket.
options:
  node:
    description: Name of the node.
    type: str
    required: true
  services:
    description: Names of the services that count.
    type: list
    elements: str
    required: true
  seconds:
    description: Seconds to wait for the last session to end; V(0) asks once.
    type: float
    default: 0
  ended:
    description:
      - Whether HAProxy closes the sessions that are there now, before the module waits. Forwarded ones are ended by
        C(layer4.service), where the node is C(cut) in its configuration.
    type: bool
    default: false
  master_socket:
    description: HAProxy's master socket; the default is that of Debian's unit.
    type: path
    default: /run/haproxy-master.sock
attributes:
  check_mode:
    description: Ends nothing in check mode.
    support: full
author:
  - The pacs.loadbalancer authors (@pacs-loadbalancer)
"""

EXAMPLES = r"""
- name: Wait for half an hour until the node has no session any more
  pacs.loadbalancer.node_sessions:
    node: pacs1
    services: [web, dicom, query, mwl]
    seconds: 1800
  register: sessions
  failed_when: sessions.left | length > 0
"""

RETURN = r"""
left:
  description: Who has sessions with the node, by client and service.
  type: list
  elements: dict
  returned: always
  contains:
    client:
      description: Address of the client.
      type: str
    service:
      description: Name of the service.
      type: str
    sessions:
      description: Number of its sessions.
      type: int
  sample: [{client: 198.51.100.50, service: dicom, sessions: 1}]
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.pacs.loadbalancer.plugins.module_utils import _node_sessions


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "node": {"type": "str", "required": True},
            "services": {"type": "list", "elements": "str", "required": True},
            "seconds": {"type": "float", "default": 0},
            "ended": {"type": "bool", "default": False},
            "master_socket": {"type": "path", "default": "/run/haproxy-master.sock"},
        },
        supports_check_mode=True,
    )
    params = module.params
    sessions = _node_sessions.Sessions(params["master_socket"], params["node"], params["services"])
    try:
        ended = sessions.end() if params["ended"] and not module.check_mode else 0
        module.exit_json(changed=ended > 0, left=sessions.left(params["seconds"]))
    except _node_sessions.NOBODY as reason:
        module.fail_json(msg=str(reason))


if __name__ == "__main__":
    main()
