#!/usr/bin/python
# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: security_updates
short_description: See which security updates wait on a host, and for how long
version_added: "1.0.0"
description:
  - Asks apt, by the package lists that the host has, which installed packages have an update in a security archive.
  - apt does not know since when. When this module sees an update first, it writes that down in
    C(/var/lib/pacs.loadbalancer/updates.json).
  - Upgrades nothing. On a host without apt none is reported.
options:
  timeout:
    description: Seconds for the answer.
    type: float
    default: 30
attributes:
  check_mode:
    description: Writes nothing down in check mode.
    support: full
author:
  - The pacs.loadbalancer authors (@pacs-loadbalancer)
"""

EXAMPLES = r"""
- name: See which security updates wait
  pacs.loadbalancer.security_updates:
  register: updates
"""

RETURN = r"""
waiting:
  description: By package, for how many seconds its update has been known to wait.
  type: dict
  returned: always
  sample: {haproxy: 86400}
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.pacs.loadbalancer.plugins.module_utils import _updates


def main() -> None:
    module = AnsibleModule(
        argument_spec={"timeout": {"type": "float", "default": 30}},
        supports_check_mode=True,
    )
    # What is written down is no part of what the host is.
    waiting = _updates.waiting(module.params["timeout"], remember=not module.check_mode)
    module.exit_json(changed=False, waiting=waiting)


if __name__ == "__main__":
    main()
