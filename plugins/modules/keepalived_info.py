#!/usr/bin/python
# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: keepalived_info
short_description: Ask Keepalived what it runs and which addresses it holds
version_added: "1.0.0"
description:
  - Asks a running Keepalived for its VRRP instances and for the configuration that it runs, by the signals that make it
    write its state into C(/tmp).
  - Keepalived ignores an unknown keyword in a reload, and a reload that did not happen leaves no trace. The role
    C(pacs.loadbalancer.keepalived) therefore writes a hash as C(router_id) into C(global_defs), which nothing else uses
    and which a reload changes without moving a VIP. The daemon has read the new configuration when RV(configuration) is
    that hash.
  - Finds the files under C(PrivateTmp) too. Follows no link, and trusts no file that existed before or belongs to
    another user.
  - Changes nothing except for the two files. A Keepalived that is not running or hangs is an answer, not a failure of
    the task.
  - Needs root and Keepalived 2.2 or later, built with JSON support, as Debian's is.
options:
  handover_file:
    description: The file that keeps Keepalived from holding a VIP while it contains V(1), as
      M(pacs.loadbalancer.vip_barred) writes it. Without it, RV(barred) is V(false).
    type: path
  pid_file:
    description: The daemon's pid file.
    type: path
    default: /run/keepalived.pid
  timeout:
    description: Seconds for the whole answer.
    type: float
    default: 3
  unit:
    description: The systemd unit of Keepalived.
    type: str
    default: keepalived.service
extends_documentation_fragment:
  - pacs.loadbalancer.attributes.reads
author:
  - The pacs.loadbalancer authors (@pacs-loadbalancer)
"""

EXAMPLES = r"""
- name: Ask Keepalived which addresses it holds
  pacs.loadbalancer.keepalived_info:
  register: keepalived

- name: Wait until Keepalived runs the new configuration
  pacs.loadbalancer.keepalived_info:
  register: keepalived
  until: keepalived.configuration == configuration_hash
  retries: 20
  delay: 0.5
"""

RETURN = r"""
barred:
  description: Whether O(handover_file) keeps the VIPs from this host.
  type: bool
  returned: always
running:
  description: Whether the daemon answers.
  type: bool
  returned: always
  sample: true
msg:
  description: Why it did not answer, as a sentence; empty when it did.
  type: str
  returned: always
  sample: "Keepalived is not running: /run/keepalived.pid does not name a process of it."
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
    - Version of the running daemon, which is not always that of the installed package; null when none is running.
  type: str
  returned: always
  sample: 2.2.7
configuration:
  description:
    - The C(router_id) in C(global_defs) of the running configuration; null when the daemon does not answer.
  type: str
  returned: always
  sample: 9f2c41d07be3
addresses:
  description:
    - Every address of this host, without prefix, and when it was set, in seconds since the epoch, from the kernel.
      One that came or went while Keepalived was being asked is not among them.
    - Also returned where Keepalived does not answer, since it may have left a VIP behind.
  type: dict
  returned: always
  sample: {127.0.0.1: 1795525200, 198.51.100.11: 1795525203, 198.51.100.10: 1795532752}
guard:
  description: C(keepalived-guard.service), which listens to the peers.
  type: dict
  returned: always
  contains:
    running:
      description: Whether it runs.
      type: bool
    enabled:
      description: Whether systemd starts it at boot.
      type: bool
    outdated:
      description: Those of its files that are newer than its process.
      type: list
      elements: str
    held:
      description: Why it keeps Keepalived in C(FAULT), as a clause; empty where it does not.
      type: str
    split_brain:
      description: Who else has a VIP of this host, as a clause; empty where nobody has.
      type: str
    split_brain_since:
      description: Since when, in seconds since the epoch.
      type: float
    ignored:
      description:
        - By sender, the advertisements that Keepalived ignores, since they came from no peer or were forwarded by
          somebody. C(count), the C(ttl) and the moment (C(last)) of the last one.
      type: dict
    handed_over:
      description:
        - When it has handed the VIPs over last, because no node answered this host and one answered another (C(at), in
          seconds since the epoch; 0 for never), and the C(reason), as a clause.
      type: dict
    answering:
      description:
        - How many machines answer for each VIP that is on this host, by ARP or neighbour discovery, with this host. It
          asks every 1.5 s; one that has just lost the VIP may have answered still.
      type: dict
    moves:
      description:
        - How often this host has taken the VIPs (C(taken)) and given them up (C(given_up)), by the reason, since the
          guard was started.
        - C(taken) since a peer gave them up (C(peer_gave_up)) or was silent (C(peer_silent)). C(given_up) since no node
          answered this host (C(no_node)), since a peer announced something else (C(peer_differs)) or had the higher
          priority (C(peer_preferred)), since Keepalived was C(stopped), or for another C(fault) of what it watches,
          such as HAProxy.
      type: dict
  sample:
    {running: true, enabled: true, outdated: [], held: "", split_brain: "", split_brain_since: 0,
     ignored: {203.0.113.9: {count: 12, ttl: 64, last: 1795532752.3}}, handed_over: {at: 0, reason: ""},
     answering: {198.51.100.10: 1}, moves: {taken: {peer_gave_up: 0, peer_silent: 1},
     given_up: {no_node: 0, peer_differs: 0, peer_preferred: 0, fault: 0, stopped: 0}}}
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
        - Since when it has been in this state, in seconds since the epoch.
        - For a master, when its first VIP was set on the host, from the kernel.
        - Otherwise the time of Keepalived's last transition, which a reload resets.
      type: int
    vips:
      description: The VIPs of the instance, with their prefix, including excluded ones.
      type: list
      elements: str
    held:
      description: Those of them that are set on this host now, without prefix, whatever the state.
      type: list
      elements: str
    priority:
      description: Effective priority, including the weights of scripts.
      type: int
    configured_priority:
      description: Priority as configured.
      type: int
    interface:
      description: The interface of VRRP.
      type: str
    virtual_router_id:
      description: Virtual router ID.
      type: int
    advertisement:
      description: Seconds between advertisements.
      type: float
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
    adverts_rejected:
      description:
        - How many advertisements it has ignored since it started, and why. C(ttl), they were forwarded by somebody;
          C(addresses), they were for other VIPs; C(interval), C(type) and C(length).
        - Those of senders that are no peers are not among them. RV(guard.ignored) has them.
      type: dict
    became_master:
      description: How many times it has become master since the daemon started.
      type: int
  sample:
    - {name: PACS, state: MASTER, since: 1795532752, vips: [198.51.100.10/24, 198.51.100.11/24],
       held: [198.51.100.10, 198.51.100.11], priority: 254, configured_priority: 254, interface: eth0,
       virtual_router_id: 51, advertisement: 0.25, peers: [198.51.100.12], adverts_received: 0, adverts_sent: 629,
       became_master: 1}
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.pacs.loadbalancer.plugins.module_utils import _barred, _guard, _keepalived, _systemd


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "handover_file": {"type": "path"},
            "pid_file": {"type": "path", "default": "/run/keepalived.pid"},
            "timeout": {"type": "float", "default": 3},
            "unit": {"type": "str", "default": "keepalived.service"},
        },
        supports_check_mode=True,
    )
    params = module.params
    answer = _keepalived.gather(params["pid_file"], params["timeout"])
    barred = bool(params["handover_file"]) and _barred.is_barred(params["handover_file"])
    module.exit_json(changed=False, barred=barred, guard=_guard.gather(), **_systemd.inspect(params["unit"]), **answer)


if __name__ == "__main__":
    main()
