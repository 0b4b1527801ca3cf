#!/usr/bin/python
# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: site_record
short_description: Keep which site a load balancer serves, and which one it served before
version_added: "1.0.0"
description:
  - A change of the site may replace one set of files or all (M(pacs.loadbalancer.configuration_files)), on one load
    balancer or on all, and take more than one run. Here it is one change from where it was confirmed.
  - Kept under C(/var/lib/pacs.loadbalancer), for root alone.
options:
  site:
    description:
      - The site that was deployed and found well. What was pending is confirmed then, as part of the change by the run
        that has the lock of M(pacs.loadbalancer.run_lock).
      - Unset, nothing is changed.
    type: dict
attributes:
  check_mode:
    description: Confirms nothing in check mode.
    support: full
author:
  - The pacs.loadbalancer authors (@pacs-loadbalancer)
"""

EXAMPLES = r"""
- name: Ask which site is served, and which one was before
  pacs.loadbalancer.site_record:
  register: record

- name: Confirm the change
  pacs.loadbalancer.site_record:
    site: "{{ site }}"
"""

RETURN = r"""
current:
  description:
    - The site that is served, C(site), and by which C(change) it is, C(by) whom, C(when), in which playbook (C(act)).
    - Empty where none was confirmed.
  type: dict
  returned: success
former:
  description: The same of the site before it.
  type: dict
  returned: success
sets:
  description: Of each set of files the C(change), and whether that is C(pending); C(act), C(by) and C(when) of it.
  type: dict
  returned: success
  sample:
    haproxy: {change: "ansible/4711/1021", pending: false, act: playbooks/site.yml, by: ops,
              when: "2026-11-25T13:04:05Z"}
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.pacs.loadbalancer.plugins.module_utils import _site_record
from ansible_collections.pacs.loadbalancer.plugins.module_utils._files import Refused


def main() -> None:
    module = AnsibleModule(argument_spec={"site": {"type": "dict"}}, supports_check_mode=True)
    site = module.params["site"]
    try:
        if site and not module.check_mode:
            _site_record.confirm(site)
        # The record is no part of what the host is.
        module.exit_json(changed=False, **_site_record.read())
    except Refused as reason:
        module.fail_json(msg=str(reason))


if __name__ == "__main__":
    main()
