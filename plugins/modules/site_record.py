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
      - Unset, nothing is confirmed.
    type: dict
  promises:
    description: What works on the load balancer before the change by that run, to be kept until it is confirmed.
    type: list
    elements: str
attributes:
  check_mode:
    description: Keeps nothing in check mode.
    support: full
author:
  - The pacs.loadbalancer authors (@pacs-loadbalancer)
"""

EXAMPLES = r"""
- name: Ask which site is served, and which one was before
  pacs.loadbalancer.site_record:
  register: record

- name: Keep what works before the change
  pacs.loadbalancer.site_record:
    promises: "{{ {'haproxy': haproxy, 'keepalived': keepalived} | pacs.loadbalancer.infinitt_kept }}"

- name: Confirm the change
  pacs.loadbalancer.site_record:
    site: "{{ site }}"
"""

RETURN = r"""
promises:
  description: What is kept of O(promises). Where runs before this one have begun the change, what the first was given.
  type: list
  elements: str
  returned: with O(promises)
  sample: [HAProxy, Keepalived, dicom on pacs1]
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
    module = AnsibleModule(
        argument_spec={"site": {"type": "dict"}, "promises": {"type": "list", "elements": "str"}},
        supports_check_mode=True,
    )
    site, promises = module.params["site"], module.params["promises"]
    kept = {}
    try:
        if site and not module.check_mode:
            _site_record.confirm(site)
        if promises is not None:
            kept["promises"] = promises if module.check_mode else _site_record.begin(promises)
        # The record is no part of what the host is.
        module.exit_json(changed=False, **kept, **_site_record.read())
    except Refused as reason:
        module.fail_json(msg=str(reason))


if __name__ == "__main__":
    main()
