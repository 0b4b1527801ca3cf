#!/usr/bin/python
# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: haproxy_info
short_description: Ask HAProxy what it runs, checks and carries
version_added: "1.0.0"
description:
  - Asks a running HAProxy, on its own sockets, which configuration it runs, whether its last reload failed, what its
    checks say about each node, how many sessions it carries, including those of old workers, and with which peers it
    is connected.
  - A reload that fails looks like a success from outside. A reload has succeeded when RV(description) is that of the
    new configuration and RV(failed_reloads) is V(0).
  - Changes nothing. An HAProxy that is not running or hangs is an answer, not a failure of the task.
  - Needs HAProxy 2.6 or later with a stats socket, and a master socket (C(haproxy -Ws -S)) for the reloads and the old
    workers.
options:
  socket:
    description:
      - The stats socket of the configuration. With a C(level) below C(operator) it hides the addresses of the nodes.
    type: path
    default: /run/haproxy/admin.sock
  master_socket:
    description: The master socket of the command line; the default is that of Debian's unit.
    type: path
    default: /run/haproxy-master.sock
  timeout:
    description: Seconds for all answers together.
    type: float
    default: 3
  unit:
    description: The systemd unit of HAProxy.
    type: str
    default: haproxy.service
extends_documentation_fragment:
  - pacs.loadbalancer.attributes.reads
author:
  - The pacs.loadbalancer authors (@pacs-loadbalancer)
"""

EXAMPLES = r"""
- name: Ask HAProxy what it runs
  pacs.loadbalancer.haproxy_info:
  register: haproxy

- name: Wait until HAProxy has reloaded, successfully or not
  pacs.loadbalancer.haproxy_info:
  register: reloaded
  until: reloaded.running and reloaded.reloads > haproxy.reloads
  retries: 20
  delay: 0.5
  failed_when: reloaded.failed_reloads > 0 or reloaded.description != configuration_hash
"""

RETURN = r"""
running:
  description: Whether the current worker answers on the stats socket.
  type: bool
  returned: always
  sample: true
hangs:
  description: Whether it listens on both sockets and answers on neither, so that a reload would do nothing.
  type: bool
  returned: always
  sample: false
msg:
  description: What did not answer, and why, as a sentence; empty when both sockets did.
  type: str
  returned: always
  sample: "/run/haproxy/admin.sock did not answer within 3 s: HAProxy hangs."
enabled:
  description: Whether systemd starts it at boot.
  type: bool
  returned: always
  sample: true
outdated:
  description:
    - Those of the unit's files and its binary that are newer than its process. They take effect with a restart, not
      with a reload.
  type: list
  elements: str
  returned: always
  sample: []
needs_daemon_reload:
  description:
    - Whether the unit's files have changed since systemd read them. A start or restart uses them only after a
      daemon-reload.
    - More than systemd's own C(NeedDaemonReload), which overlooks a first drop-in in systemd 252.
  type: bool
  returned: always
  sample: false
version:
  description:
    - Version of the running worker, which is not always that of the installed package; null when none is running.
  type: str
  returned: always
  sample: 2.6.12-1+deb12u4
uptime_s:
  description: Age of the current worker, in seconds; a reload starts a new worker.
  type: int
  returned: always
  sample: 7384
description:
  description: The C(description) in the C(global) section of the running configuration; null where it has none.
  type: str
  returned: always
  sample: 9f2c41d07be3
reloads:
  description:
    - How many times the master has reloaded since it started, including failed reloads; null when the master socket
      does not answer.
    - A reload happens after the command for it has returned. An answer is that of the new worker once this number has
      grown.
  type: int
  returned: always
  sample: 4
failed_reloads:
  description: Reloads that have failed since the last successful one; null when the master socket does not answer.
  type: int
  returned: always
  sample: 0
workers:
  description:
    - The master's workers. Besides the current one those that a reload has replaced, which end with their last session.
  type: list
  elements: dict
  returned: always
  contains:
    pid:
      description: Process ID.
      type: int
    current:
      description: Whether it accepts new clients. Where none does, HAProxy is not serving.
      type: bool
    uptime_s:
      description: Age in seconds.
      type: int
    sessions:
      description: Its sessions; null when it does not answer.
      type: int
  sample:
    - {pid: 5644, current: true, uptime_s: 7384, sessions: 12}
    - {pid: 5503, current: false, uptime_s: 90211, sessions: 1}
peers:
  description:
    - For each other peer of the C(peers) sections whether they are connected, and so share their stick tables. Empty
      when the worker does not answer.
  type: dict
  returned: always
  sample: {lb2: true}
services:
  description: For each service (a backend that has nodes) its nodes, by name, as the current worker sees them.
  type: dict
  returned: always
  contains:
    address:
      description: The node's address.
      type: str
    port:
      description: The service's port on the node.
      type: int
    up:
      description: Whether its check passes; null until a new worker has checked it once.
      type: bool
    status:
      description: HAProxy's status of it, such as C(UP), C(DOWN), C(DRAIN), C(MAINT), C(no check), C(UP 2/3).
      type: str
    check_status:
      description: HAProxy's code of the last check, such as C(L4OK), C(L4CON), C(L7STS), C(INI).
      type: str
    check_code:
      description: Status code of the last check, for HTTP.
      type: int
    check_text:
      description: The result of the last check, as text.
      type: str
    last_change_s:
      description: Seconds since it went up or down, or since the worker started.
      type: int
    weight:
      description: Effective weight.
      type: int
    throttle:
      description: Percent of its weight that it has while its C(slowstart) lasts; otherwise null.
      type: int
    backup:
      description: Whether it gets clients only when no other node is up.
      type: bool
    sessions:
      description: Its current sessions, including those of old workers.
      type: int
    old_sessions:
      description: Those of them in old workers.
      type: int
  sample:
    dicom:
      pacs1: {address: 198.51.100.21, port: 104, up: true, status: UP, check_status: L4OK, check_code: null,
              check_text: Layer4 check passed, last_change_s: 7384, weight: 1, throttle: null, backup: false,
              sessions: 5, old_sessions: 1}
      pacs2: {address: 198.51.100.22, port: 104, up: false, status: DOWN, check_status: L4CON, check_code: null,
              check_text: "Layer4 connection problem: Connection refused", last_change_s: 62, weight: 1, throttle: null,
              backup: false, sessions: 0, old_sessions: 0}
sessions:
  description: Current sessions of each service, including those of old workers.
  type: dict
  returned: always
  sample: {web: 7, dicom: 5, query: 1, mwl: 0}
old_sessions:
  description: Sessions in old workers, for all services together.
  type: int
  returned: always
  sample: 1
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.pacs.loadbalancer.plugins.module_utils import _haproxy_info, _systemd


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "socket": {"type": "path", "default": "/run/haproxy/admin.sock"},
            "master_socket": {"type": "path", "default": "/run/haproxy-master.sock"},
            "timeout": {"type": "float", "default": 3},
            "unit": {"type": "str", "default": "haproxy.service"},
        },
        supports_check_mode=True,
    )
    params = module.params
    answer = _haproxy_info.gather(params["socket"], params["master_socket"], params["timeout"])
    module.exit_json(changed=False, **_systemd.inspect(params["unit"]), **answer)


if __name__ == "__main__":
    main()
