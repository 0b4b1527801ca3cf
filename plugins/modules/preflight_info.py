#!/usr/bin/python
# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: preflight_info
short_description: What a host and its links show before a deployment
version_added: "1.0.0"
description:
  - Asks in one call who answers for the addresses that a deployment needs (as M(pacs.loadbalancer.address_owner) does),
    which programs listen, and for the settings that forwarding depends on.
  - Changes nothing. Needs root and the program C(ss).
options:
  interfaces:
    description: The Ethernet interfaces on whose links to ask.
    type: list
    elements: str
    required: true
  addresses:
    description: The IPv4 and IPv6 addresses to ask for on each of them, without prefix.
    type: list
    elements: str
    required: true
  timeout:
    description: Seconds to wait for answers; see O(pacs.loadbalancer.address_owner#module:timeout).
    type: float
    default: 1
extends_documentation_fragment:
  - pacs.loadbalancer.attributes.reads
author:
  - The pacs.loadbalancer authors (@pacs-loadbalancer)
"""

EXAMPLES = r"""
- name: Look at this host and its links
  pacs.loadbalancer.preflight_info:
    interfaces: [eth0]
    addresses: [198.51.100.10, 198.51.100.12]
  register: preflight
"""

RETURN = r"""
owners:
  description: By interface and address, the MAC addresses that answered, as
    RV(pacs.loadbalancer.address_owner#module:owners).
  type: dict
  returned: success
  sample: {eth0: {198.51.100.10: ["5a:0c:63:c2:f8:b1"]}}
listeners:
  description: The listening TCP sockets with their programs, one line each, as C(ss -Hltnp) prints them.
  type: list
  elements: str
  returned: success
  sample: ['LISTEN 0 128 0.0.0.0:22 0.0.0.0:* users:(("sshd",pid=411,fd=3))']
settings:
  description:
    - The kernel's C(nf_conntrack_tcp_timeout_established), and the tables of M(pacs.loadbalancer.layer4_info) in the
      files of nftables, one line each, after the path of the file and a colon.
  type: list
  elements: str
  returned: success
  sample: ["/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_established:432000"]
wireguard:
  description: Whether the running kernel has WireGuard, or can load it.
  type: bool
  returned: success
  sample: true
unwritable:
  description: Directories that a deployment writes to and cannot; each with V(full) or V(read-only).
  type: dict
  returned: success
  sample: {/etc/haproxy: full}
versions:
  description:
    - By package, the version that is installed, or else the one that apt would install as far as its lists say; empty
      where neither is known.
  type: dict
  returned: success
  sample: {haproxy: 2.6.12, keepalived: 2.2.7, nftables: 1.0.6}
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.pacs.loadbalancer.plugins.module_utils import _preflight
from ansible_collections.pacs.loadbalancer.plugins.module_utils._neighbours import CannotAsk


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "interfaces": {"type": "list", "elements": "str", "required": True},
            "addresses": {"type": "list", "elements": "str", "required": True},
            "timeout": {"type": "float", "default": 1},
        },
        supports_check_mode=True,
    )
    try:
        module.exit_json(changed=False, **_preflight.gather(**module.params))
    except CannotAsk as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
