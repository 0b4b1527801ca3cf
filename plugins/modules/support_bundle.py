#!/usr/bin/python
# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: support_bundle
short_description: Collect what somebody who is called for help wants to see of a load balancer
version_added: "1.0.0"
description:
  - Writes an archive with the configurations of HAProxy, Keepalived, the kernel's forwarding and monitoring, units and
    drop-ins, what was deployed and by whom, what C(loadbalancer status) says, versions, addresses, routes, sockets and
    rules, and a day of logs.
  - In place of passwords, keys, cookies, the query strings of URLs, the paths of web requests, the keys of a C-FIND
    and a webhook's URL there is C((masked)). AE titles and addresses stay. No PEM file and no copy of a former file is
    read.
  - Each part has 4 MB at most; of logs the newest lines. What cannot be had says why in its place.
options:
  path:
    description: The archive, C(.tar.gz), which is for root alone.
    type: path
    required: true
  directory:
    description: The directory that everything is in, in the archive.
    type: str
    required: true
attributes:
  check_mode:
    description: Collects and writes nothing in check mode.
    support: full
author:
  - The pacs.loadbalancer authors (@pacs-loadbalancer)
"""

EXAMPLES = r"""
- name: Collect what whoever is called for help wants to see
  pacs.loadbalancer.support_bundle:
    path: /root/lb1.tar.gz
    directory: lb1
"""

RETURN = r"""
parts:
  description: What the archive has, or would have.
  type: list
  elements: str
  returned: success
  sample: [configuration/haproxy.cfg, status.json, logs/haproxy.log]
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.pacs.loadbalancer.plugins.module_utils import _support_bundle


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "directory": {"type": "str", "required": True},
        },
        supports_check_mode=True,
    )
    try:
        if not module.check_mode:
            _support_bundle.write(module.params["path"], module.params["directory"])
    except OSError as error:
        module.fail_json(msg="The archive cannot be written: %s." % error)
    module.exit_json(changed=True, parts=_support_bundle.names())


if __name__ == "__main__":
    main()
