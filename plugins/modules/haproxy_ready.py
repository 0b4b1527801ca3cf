#!/usr/bin/python
# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: haproxy_ready
short_description: Let a running HAProxy send clients to nodes again
version_added: "1.0.0"
description:
  - Takes nodes out of maintenance (C(set server state ready)) in the current worker, which then gives them their share
    of clients within their C(slowstart). A reload would give it to them at once.
  - It lasts until the next reload, so the configuration must say the same.
options:
  node:
    description: Name of the node.
    type: str
    required: true
  services:
    description: Names of the services in which it is to be ready.
    type: list
    elements: str
    required: true
  socket:
    description: The stats socket, of C(level admin).
    type: path
    default: /run/haproxy/admin.sock
attributes:
  check_mode:
    description: Changes nothing in check mode, and says whether it would.
    support: full
author:
  - The pacs.loadbalancer authors (@pacs-loadbalancer)
"""

EXAMPLES = r"""
- name: Let it have clients again
  pacs.loadbalancer.haproxy_ready:
    node: pacs1
    services: [dicom, query, mwl]
"""

RETURN = r"""
services:
  description: Those services in which it was in maintenance.
  type: list
  elements: str
  returned: always
  sample: [dicom, query, mwl]
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.pacs.loadbalancer.plugins.module_utils import _haproxy

TIMEOUT = 5  # seconds


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "node": {"type": "str", "required": True},
            "services": {"type": "list", "elements": "str", "required": True},
            "socket": {"type": "path", "default": "/run/haproxy/admin.sock"},
        },
        supports_check_mode=True,
    )
    socket, node, wanted = (module.params[key] for key in ("socket", "node", "services"))
    try:
        rows = _haproxy.parse_stat(_haproxy.ask(socket, "show stat -1 4 -1", TIMEOUT))
        out = [
            row["pxname"]
            for row in rows
            if row["svname"] == node and row["pxname"] in wanted and row["status"].startswith("MAINT")
        ]
        if out and not module.check_mode:
            # In one go, so that services with one affinity get it at the same time.
            commands = ["set server %s/%s state ready" % (service, node) for service in out]
            refused = _haproxy.ask(socket, ";".join(commands), TIMEOUT).strip()
            if refused:
                module.fail_json(msg="HAProxy does not take %s back: %s" % (node, refused))
    except _haproxy.NoAnswer as reason:
        module.fail_json(msg=str(reason))
    module.exit_json(changed=bool(out), services=out)


if __name__ == "__main__":
    main()
