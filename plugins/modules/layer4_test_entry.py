#!/usr/bin/python
# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: layer4_test_entry
short_description: Put an entry into the connection table that must appear in the other load balancer's
version_added: "1.0.0"
description:
  - Counters of a mirror that rise prove nothing; an entry of one host that appears on the other one does. This module
    puts one into the connection table, from a client that cannot be (RFC 5737, RFC 6666) to the first forwarded
    service. M(pacs.loadbalancer.layer4_info) waits for it on the other host.
  - The kernel forgets it after 20 s, so nothing is changed.
  - A host that forwards nothing, or whose program fails, is an answer and not a failure of the task.
  - Needs root.
options:
  timeout:
    description: Seconds for the answer.
    type: float
    default: 10
attributes:
  check_mode:
    description: Puts no entry into the table in check mode.
    support: full
author:
  - The pacs.loadbalancer authors (@pacs-loadbalancer)
"""

EXAMPLES = r"""
- name: Put an entry into the connection table
  pacs.loadbalancer.layer4_test_entry:
  register: test_entry
"""

RETURN = r"""
entry:
  description: Name of the entry, for O(pacs.loadbalancer.layer4_info#module:test_entries); empty when there is none.
  type: str
  returned: always
  sample: "40112"
msg:
  description: Why there is none, in words; empty when there is one.
  type: str
  returned: always
  sample: "/usr/local/sbin/layer4 is not installed: nothing is forwarded on this host."
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.pacs.loadbalancer.plugins.module_utils import _layer4


def main() -> None:
    module = AnsibleModule(
        argument_spec={"timeout": {"type": "float", "default": 10}},
        supports_check_mode=True,
    )
    entry, msg = "", ""
    if not module.check_mode:
        try:
            entry = str(_layer4.ask(_layer4.PROGRAM, module.params["timeout"], "test-entry"))
        except _layer4.NoAnswer as reason:
            msg = str(reason)
    module.exit_json(changed=False, entry=entry, msg=msg)


if __name__ == "__main__":
    main()
