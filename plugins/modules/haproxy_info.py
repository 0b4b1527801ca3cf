#!/usr/bin/python
# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: haproxy_info
short_description: What the HAProxy of this host runs, sees and carries
version_added: "1.0.0"
description:
  - Asks a running HAProxy, on its own sockets, which configuration it runs, whether its last reload failed, what its checks
    say of each node, and how many sessions it carries, the old workers' included.
  - A reload that fails looks like a success from outside. That RV(description) is the new one and RV(failed_reloads) is V(0)
    proves it.
  - Changes nothing. A HAProxy that is absent or hangs is an answer, not a failure of the task.
  - Needs a stats socket and, for the reloads and the old workers, a master socket (C(haproxy -Ws -S)); HAProxy 2.6 or later.
options:
  socket:
    description: The stats socket of the configuration; its C(level) is C(operator) or C(admin), otherwise addresses are hidden.
    type: path
    default: /run/haproxy/admin.sock
  master_socket:
    description: The master socket of the command line, as Debian's unit has it.
    type: path
    default: /run/haproxy-master.sock
  timeout:
    description: Seconds for the whole answer; a worker that hangs costs no more.
    type: float
    default: 3
  unit:
    description: The systemd unit that runs it.
    type: str
    default: haproxy.service
attributes:
  check_mode:
    description: Runs in check mode as otherwise.
    support: full
author:
  - The pacs.loadbalancer authors (@pacs-loadbalancer)
"""

EXAMPLES = r"""
- name: Ask HAProxy what it runs
  pacs.loadbalancer.haproxy_info:
  register: haproxy

- name: Wait until HAProxy has carried out a reload, well or not
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
msg:
  description: What did not answer, and why, in words; empty when both sockets did.
  type: str
  returned: always
  sample: "/run/haproxy/admin.sock did not answer within 3 s: HAProxy hangs."
enabled:
  description: Whether systemd starts it at boot.
  type: bool
  returned: always
  sample: true
outdated:
  description: Those of the unit's files and its binary that are newer than its process. They take effect with a restart, not with a reload.
  type: list
  elements: str
  returned: always
  sample: []
needs_daemon_reload:
  description:
    - Whether the unit's files have changed since systemd read them. A start or restart uses them only after a daemon-reload.
    - More than systemd's own C(NeedDaemonReload), which overlooks a first drop-in in systemd 252.
  type: bool
  returned: always
  sample: false
version:
  description: Version of the worker that runs, which is not always that of the installed package; null when it does not run.
  type: str
  returned: always
  sample: 2.6.12-1+deb12u4
uptime_s:
  description: Age of the current worker, in seconds; a reload starts a new one.
  type: int
  returned: always
  sample: 7384
description:
  description: The C(description) of the C(global) section that the worker runs; null where it has none.
  type: str
  returned: always
  sample: 9f2c41d07be3
reloads:
  description:
    - How often the master was told to reload since it started, the failed times included; null when the master socket does not answer.
    - A reload is carried out after the command for it has returned. That this number has grown tells the answer from the one before.
  type: int
  returned: always
  sample: 4
failed_reloads:
  description: Reloads that failed since the last good one; null when the master socket does not answer.
  type: int
  returned: always
  sample: 0
workers:
  description: The master's workers, the current one and those that a reload replaced and that end with their last session.
  type: list
  elements: dict
  returned: always
  contains:
    pid:
      description: Process id.
      type: int
    current:
      description: Whether it takes new clients. Where none does, HAProxy does not serve.
      type: bool
    uptime_s:
      description: Age in seconds.
      type: int
    sessions:
      description: Sessions that it carries; null when it does not answer.
      type: int
  sample:
    - {pid: 5644, current: true, uptime_s: 7384, sessions: 12}
    - {pid: 5503, current: false, uptime_s: 90211, sessions: 1}
services:
  description: For each service (a backend that has nodes) its nodes, by name, as the current worker sees them.
  type: dict
  returned: always
  contains:
    address:
      description: The node's address.
      type: str
    up:
      description: Whether its check passes; null until a new worker has checked it once.
      type: bool
    status:
      description: HAProxy's word for it, such as C(UP), C(DOWN), C(DRAIN), C(MAINT), C(no check), C(UP 2/3).
      type: str
    check_status:
      description: HAProxy's code of the last check, such as C(L4OK), C(L4CON), C(L7STS), C(INI).
      type: str
    check_code:
      description: Status code of the last check, for HTTP.
      type: int
    check_text:
      description: The last check in words.
      type: str
    last_change_s:
      description: Seconds since it went up or down, or since the worker started.
      type: int
    weight:
      description: Effective weight.
      type: int
    backup:
      description: Whether it takes clients only when no other node is left.
      type: bool
    sessions:
      description: Sessions with it now, those of old workers included.
      type: int
    old_sessions:
      description: Those of them that old workers carry.
      type: int
  sample:
    dicom:
      pacs1: {address: 198.51.100.21, up: true, status: UP, check_status: L4OK, check_code: null, check_text: Layer4 check passed,
              last_change_s: 7384, weight: 1, backup: false, sessions: 5, old_sessions: 1}
      pacs2: {address: 198.51.100.22, up: false, status: DOWN, check_status: L4CON, check_code: null,
              check_text: "Layer4 connection problem: Connection refused", last_change_s: 62, weight: 1, backup: false,
              sessions: 0, old_sessions: 0}
sessions:
  description: Sessions of each service now, those of old workers included.
  type: dict
  returned: always
  sample: {web: 7, dicom: 5, query: 1, mwl: 0}
old_sessions:
  description: Sessions that old workers carry, all services together.
  type: int
  returned: always
  sample: 1
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.pacs.loadbalancer.plugins.module_utils import _haproxy, _systemd


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
    ask = module.params
    answer = _haproxy.gather(ask["socket"], ask["master_socket"], ask["timeout"])
    module.exit_json(changed=False, **_systemd.inspect(ask["unit"]), **answer)


if __name__ == "__main__":
    main()
