#!/usr/bin/python
# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: keepalived_info
short_description: What the Keepalived of this host runs and holds
version_added: "1.0.0"
description:
  - Asks a running Keepalived for its VRRP instances, by the signals that make it write its state into C(/tmp), and for the
    configuration that it runs.
  - A reload that meets an unknown word ignores it and goes on, and a reload that has not happened shows nowhere. So the role
    writes a hash as C(router_id) into C(global_defs), which nothing else here uses and which changes by reload without moving
    the VIP; that RV(configuration) is this hash proves that the daemon has read what was written.
  - Finds the files under C(PrivateTmp) too; follows no link, and trusts no file that was there before or that another user wrote.
  - Changes nothing, but for the two files. A Keepalived that is absent or hangs is an answer, not a failure of the task.
  - Needs root and Keepalived 2.2 or later, built with JSON, as Debian's is.
options:
  pid_file:
    description: Where the daemon writes its process id.
    type: path
    default: /run/keepalived.pid
  timeout:
    description: Seconds for the whole answer.
    type: float
    default: 3
  unit:
    description: The systemd unit that runs it.
    type: str
    default: keepalived.service
attributes:
  check_mode:
    description: Runs in check mode as otherwise.
    support: full
author:
  - The pacs.loadbalancer authors (@pacs-loadbalancer)
"""

EXAMPLES = r"""
- name: Ask Keepalived what it holds
  pacs.loadbalancer.keepalived_info:
  register: keepalived

- name: Wait until Keepalived runs what was written
  pacs.loadbalancer.keepalived_info:
  register: keepalived
  until: keepalived.configuration == configuration_hash
  retries: 20
  delay: 0.5
"""

RETURN = r"""
running:
  description: Whether the daemon answers.
  type: bool
  returned: always
  sample: true
msg:
  description: Why it does not answer, in words; empty when it did.
  type: str
  returned: always
  sample: "Keepalived does not run: /run/keepalived.pid names no process of it."
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
  description: Version of the daemon that runs, which is not always that of the installed package; null when none runs.
  type: str
  returned: always
  sample: 2.2.7
configuration:
  description: The C(router_id) of C(global_defs) that the daemon runs; null when it does not answer.
  type: str
  returned: always
  sample: 9f2c41d07be3
addresses:
  description:
    - Every address of this host, without prefix, and since when it has it, in seconds since the epoch, as the kernel knows it.
    - Told of a host whose Keepalived does not answer too, which may have left a VIP behind.
  type: dict
  returned: always
  sample: {127.0.0.1: 1795525200, 198.51.100.11: 1795525203, 198.51.100.10: 1795532752}
instances:
  description: Its VRRP instances.
  type: list
  elements: dict
  returned: always
  contains:
    name:
      description: Name of the instance.
      type: str
    state:
      description: C(MASTER), C(BACKUP), C(FAULT) or C(INIT).
      type: str
    since:
      description:
        - Since when, in seconds since the epoch.
        - For a master the moment at which its first VIP was set on the host, as the kernel knows it.
        - Otherwise Keepalived's last change of state; a reload sets it anew.
      type: int
    vips:
      description: The addresses that the instance has when it is master, with their prefix, the excluded ones too.
      type: list
      elements: str
    held:
      description: Those of them that are set on this host now, without prefix, whatever the state says.
      type: list
      elements: str
    priority:
      description: Priority in force, weights of scripts included.
      type: int
    configured_priority:
      description: Priority as configured.
      type: int
    interface:
      description: The interface that VRRP runs on.
      type: str
    virtual_router_id:
      description: Virtual router id.
      type: int
    peers:
      description: Addresses of the unicast peers.
      type: list
      elements: str
    adverts_received:
      description: Advertisements received since the daemon started.
      type: int
    adverts_sent:
      description: Advertisements sent since the daemon started.
      type: int
    became_master:
      description: How often it became master since the daemon started.
      type: int
  sample:
    - {name: PACS, state: MASTER, since: 1795532752, vips: [198.51.100.10/24, 198.51.100.11/24],
       held: [198.51.100.10, 198.51.100.11], priority: 254, configured_priority: 254, interface: eth0, virtual_router_id: 51,
       peers: [198.51.100.12], adverts_received: 0, adverts_sent: 629, became_master: 1}
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.pacs.loadbalancer.plugins.module_utils import _keepalived, _systemd


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "pid_file": {"type": "path", "default": "/run/keepalived.pid"},
            "timeout": {"type": "float", "default": 3},
            "unit": {"type": "str", "default": "keepalived.service"},
        },
        supports_check_mode=True,
    )
    ask = module.params
    answer = _keepalived.gather(ask["pid_file"], ask["timeout"])
    module.exit_json(changed=False, **_systemd.inspect(ask["unit"]), **answer)


if __name__ == "__main__":
    main()
