#!/usr/bin/python
# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: address_owner
short_description: Find out who on the link answers for an address
version_added: "1.0.0"
description:
  - Asks on an interface which MAC addresses answer for IP addresses, by ARP for IPv4 and Neighbour Discovery for IPv6.
    More than one MAC for an address is a duplicate.
  - No neighbour table changes. The ARP question is a probe (RFC 5227), whose sender is C(0.0.0.0); the IPv6 question is
    answered to this host alone.
  - A host does not answer itself. For an address that this host holds, the module returns only other owners, so that
    anything in the list is a duplicate.
  - Changes nothing. Needs root and Python's standard library only.
options:
  interface:
    description: The Ethernet interface (or a bond, bridge or VLAN) on whose link the addresses are.
    type: str
    required: true
  addresses:
    description: IPv4 and IPv6 addresses, without a prefix.
    type: list
    elements: str
    required: true
  timeout:
    description: Seconds to wait for answers. Once every address has been answered for, 0.2 s are enough.
    type: float
    default: 1
extends_documentation_fragment:
  - pacs.loadbalancer.attributes.reads
author:
  - The pacs.loadbalancer authors (@pacs-loadbalancer)
"""

EXAMPLES = r"""
- name: See who answers for the VIP
  pacs.loadbalancer.address_owner:
    interface: eth0
    addresses:
      - 198.51.100.10
      - 2001:db8::10
  register: vip

- name: Refuse a VIP that another host holds
  ansible.builtin.assert:
    that: vip.owners['198.51.100.10'] | difference(macs_of_the_load_balancers) | length == 0
"""

RETURN = r"""
owners:
  description:
    - For each address, as it was given, the MAC addresses that answered for it, sorted and in lower case; empty when
      nobody did.
  type: dict
  returned: success
  sample:
    198.51.100.10: ["5a:0c:63:c2:f8:b1"]
    "2001:db8::10": []
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.pacs.loadbalancer.plugins.module_utils import _neighbours


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "interface": {"type": "str", "required": True},
            "addresses": {"type": "list", "elements": "str", "required": True},
            "timeout": {"type": "float", "default": 1},
        },
        supports_check_mode=True,
    )
    params = module.params
    try:
        owners = _neighbours.owners(params["interface"], params["addresses"], params["timeout"])
    except _neighbours.CannotAsk as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, owners=owners)


if __name__ == "__main__":
    main()
