#!/usr/bin/python
# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: monitoring_info
short_description: Ask whether a load balancer looks at how it is
version_added: "1.0.0"
description:
  - Asks systemd for the timer that the role P(pacs.loadbalancer.monitoring#role) starts. Changes nothing.
options:
  unit:
    description: The timer.
    type: str
    default: loadbalancer.timer
extends_documentation_fragment:
  - pacs.loadbalancer.attributes.reads
author:
  - The pacs.loadbalancer authors (@pacs-loadbalancer)
"""

EXAMPLES = r"""
- name: Ask whether anything looks
  pacs.loadbalancer.monitoring_info:
  register: monitoring
"""

RETURN = r"""
running:
  description: Whether the timer is active.
  type: bool
  returned: always
  sample: true
enabled:
  description: Whether systemd starts it at boot.
  type: bool
  returned: always
  sample: true
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.pacs.loadbalancer.plugins.module_utils import _systemd


def main() -> None:
    module = AnsibleModule(
        argument_spec={"unit": {"type": "str", "default": "loadbalancer.timer"}}, supports_check_mode=True
    )
    unit = module.params["unit"]
    module.exit_json(changed=False, running=_systemd.is_active(unit), enabled=_systemd.inspect(unit)["enabled"])


if __name__ == "__main__":
    main()
