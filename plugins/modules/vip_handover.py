#!/usr/bin/python
# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vip_handover
short_description: Let the virtual IP leave this load balancer unnoticed
version_added: "1.0.0"
description:
  - Gives the VIP to another load balancer at a moment at which HAProxy here carries nothing that would break.
  - It waits until no TCP connection ends in HAProxy. HTTP clients meanwhile get an answer to each request, and their
    connection is closed after it.
  - Then it drops new connections to these services for an instant, without refusing them. Their clients try again a
    second later, and reach the other load balancer. The table of nftables that does it is C(inet pacs_handover); its
    elements expire after 2 s, whatever has become of this module.
  - Where no other host takes the VIP, it is returned to this one. Should this module be killed, this host may hold the
    VIP again after 8 s (M(pacs.loadbalancer.vip_barred)).
  - Connections that the kernel forwards (see O(services[].forwarded)) are neither waited for nor held.
  - Needs root, C(ss) and, for services that are not forwarded, C(nft).
options:
  services:
    description: The frontends of HAProxy.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: The name of the frontend.
        type: str
        required: true
      address:
        description: The VIP that it listens on.
        type: str
        required: true
      port:
        description: Its port.
        type: int
        required: true
      mode:
        description: Its mode.
        type: str
        choices: [http, tcp]
        required: true
      forwarded:
        description: Whether the kernel forwards its connections, so that they outlive the move.
        type: bool
        default: false
  vips:
    description: The addresses that leave this host. The first one is that by which a successor is recognised.
    type: list
    elements: str
    required: true
  interface:
    description: The interface of the first one.
    type: str
    required: true
  handover_file:
    description: The file that keeps Keepalived from holding the VIP, while it contains V(1).
    type: path
    required: true
  wait:
    description: Seconds to wait for a quiet moment.
    type: float
    default: 60
  cut:
    description: Whether to cut what is left and to move all the same where none comes.
    type: bool
    default: false
  socket:
    description: The stats socket of HAProxy.
    type: path
    default: /run/haproxy/admin.sock
  master_socket:
    description: The master socket of HAProxy.
    type: path
    default: /run/haproxy-master.sock
attributes:
  check_mode:
    description: Reports what holds on now, and moves nothing.
    support: full
author:
  - The pacs.loadbalancer authors (@pacs-loadbalancer)
"""

EXAMPLES = r"""
- name: Hand the VIP over
  pacs.loadbalancer.vip_handover:
    services:
      - {name: web, address: 198.51.100.10, port: 80, mode: http}
      - {name: dicom, address: 198.51.100.10, port: 104, mode: tcp}
    vips: [198.51.100.10]
    interface: eth0
    handover_file: /run/keepalived.handover
  register: handover

- name: Say who holds on
  ansible.builtin.debug:
    msg: "{{ handover.holding_on }}"
  when: not handover.moved
"""

RETURN = r"""
moved:
  description: Whether another host holds the VIP now.
  type: bool
  returned: success
  sample: true
msg:
  description: Why it does not, where nobody held on; a sentence.
  type: str
  returned: success
  sample: ""
holding_on:
  description: What kept the VIP here, the longest first, a line each; empty where it has moved.
  type: list
  elements: str
  returned: success
  sample: ["dicom: 198.51.100.57 on pacs1, since 10:42:11 UTC"]
cut:
  description: How many sessions were cut.
  type: int
  returned: success
  sample: 0
held_ms:
  description: For how many milliseconds new connections were held.
  type: int
  returned: success
  sample: 87
waited_s:
  description: How many seconds it took until the quiet moment came, or the wait ended.
  type: float
  returned: success
  sample: 3.2
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.pacs.loadbalancer.plugins.module_utils import _carried, _handover
from ansible_collections.pacs.loadbalancer.plugins.module_utils._barred import CannotBar
from ansible_collections.pacs.loadbalancer.plugins.module_utils._hold import CannotHold
from ansible_collections.pacs.loadbalancer.plugins.module_utils._neighbours import CannotAsk


def main() -> None:
    service = {
        "name": {"type": "str", "required": True},
        "address": {"type": "str", "required": True},
        "port": {"type": "int", "required": True},
        "mode": {"type": "str", "required": True, "choices": ["http", "tcp"]},
        "forwarded": {"type": "bool", "default": False},
    }
    module = AnsibleModule(
        argument_spec={
            "services": {"type": "list", "elements": "dict", "required": True, "options": service},
            "vips": {"type": "list", "elements": "str", "required": True},
            "interface": {"type": "str", "required": True},
            "handover_file": {"type": "path", "required": True},
            "wait": {"type": "float", "default": 60},
            "cut": {"type": "bool", "default": False},
            "socket": {"type": "path", "default": "/run/haproxy/admin.sock"},
            "master_socket": {"type": "path", "default": "/run/haproxy-master.sock"},
        },
        supports_check_mode=True,
    )
    params = {**module.params, "services": [_carried.Service(**it) for it in module.params["services"]]}
    plan = _handover.Plan(**params)
    if module.check_mode:
        module.exit_json(changed=True, **_handover.result(holding_on=_carried.in_words(_handover.look(plan))))
    try:
        found = _handover.hand_over(plan)
    except (CannotHold, CannotBar, CannotAsk) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=found["moved"], **found)


if __name__ == "__main__":
    main()
