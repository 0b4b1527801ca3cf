#!/usr/bin/python
# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vip_barred
short_description: Keep the virtual IP from a load balancer for a while
version_added: "1.0.0"
description:
  - While it is kept from it, Keepalived there is in state C(FAULT).
  - A timer of systemd, C(pacs-vip-barred.timer), ends it after O(seconds), whatever has become of the run that began
    it.
options:
  handover_file:
    description: The file that keeps Keepalived from holding the VIP, while it contains V(1).
    type: path
    required: true
  seconds:
    description: For how long at most, from now on. With V(0) the load balancer may hold it again.
    type: float
    required: true
attributes:
  check_mode:
    description: Changes nothing in check mode.
    support: full
author:
  - The pacs.loadbalancer authors (@pacs-loadbalancer)
"""

EXAMPLES = r"""
- name: Keep the VIP from this one
  pacs.loadbalancer.vip_barred:
    handover_file: /run/keepalived.handover
    seconds: 90
"""

RETURN = r"""
# Nothing of its own.
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.pacs.loadbalancer.plugins.module_utils import _barred


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "handover_file": {"type": "path", "required": True},
            "seconds": {"type": "float", "required": True},
        },
        supports_check_mode=True,
    )
    path, seconds = module.params["handover_file"], module.params["seconds"]
    try:
        if seconds and not module.check_mode:
            _barred.begin(path, seconds)
        elif not module.check_mode:
            _barred.end(path)
    except _barred.CannotBar as reason:
        module.fail_json(msg=str(reason))
    module.exit_json(changed=True)


if __name__ == "__main__":
    main()
