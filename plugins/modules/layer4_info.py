#!/usr/bin/python
# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: layer4_info
short_description: What the kernel of this host forwards, and how its mirror is
version_added: "1.0.0"
description:
  - Asks the program of P(pacs.loadbalancer.layer4#role) for the services that the kernel forwards, their nodes as
    HAProxy sees them, the units, the connection table and the mirror.
  - A host that forwards nothing, or whose program fails, is an answer and not a failure of the task.
  - Needs root.
options:
  clients:
    description: Addresses of clients whose forwarded connections are wanted in RV(paths).
    type: list
    elements: str
    default: []
  connections:
    description: Whether RV(connections) is wanted, which two hosts compare to prove the mirror.
    type: bool
    default: false
  test_entries:
    description:
      - Test entries that M(pacs.loadbalancer.layer4_test_entry) has put into other hosts' connection tables. The module
        waits for them for 1 s at most, and says in RV(received) which of them are here.
    type: list
    elements: str
  timeout:
    description: Seconds for each of the questions.
    type: float
    default: 10
extends_documentation_fragment:
  - pacs.loadbalancer.attributes.reads
author:
  - The pacs.loadbalancer authors (@pacs-loadbalancer)
"""

EXAMPLES = r"""
- name: See what the kernel forwards
  pacs.loadbalancer.layer4_info:
  register: layer4

- name: See which way the connections of the modality went
  pacs.loadbalancer.layer4_info:
    clients: [198.51.100.50]
  register: layer4

- name: Put an entry into each connection table
  pacs.loadbalancer.layer4_test_entry:
  register: entry

- name: See whether it appears in the others
  pacs.loadbalancer.layer4_info:
    test_entries: >-
      {{ ansible_play_hosts | map('extract', hostvars, 'entry') | map(attribute='entry') | select | list }}
    connections: true
  register: layer4
"""

RETURN = r"""
deployed:
  description: Whether the program is installed and answers.
  type: bool
  returned: always
  sample: true
msg:
  description: Why it does not answer, in words; empty when it did.
  type: str
  returned: always
  sample: "/usr/local/sbin/layer4 is not installed: nothing is forwarded on this host."
running:
  description: Whether the daemon runs, that is, has refreshed the kernel's map within the last 3 s.
  type: bool
  returned: always
  sample: true
version:
  description: Version of the program that the daemon runs.
  type: str
  returned: always
  sample: 3f2c41d07be3a91c
fingerprint:
  description: The start of a hash of the rules and the configuration that the daemon runs.
  type: str
  returned: always
  sample: 0b72f9a1c4d5e6f7
current:
  description: Whether the daemon runs the rules and the configuration that are in C(/etc/layer4).
  type: bool
  returned: always
  sample: true
fault:
  description: Why the kernel does not have the rules, in words; empty when it has them.
  type: str
  returned: always
  sample: ""
guard:
  description: Whether forwarded connections outlive C(nft flush ruleset), as C(systemctl reload nftables) does it.
  type: bool
  returned: always
  sample: true
haproxy_answers:
  description: Whether HAProxy says which nodes are healthy. While it does not, the map stays as it is.
  type: bool
  returned: always
  sample: true
must_not_hold:
  description: Whether this host keeps away from the VIPs, since another one is better.
  type: bool
  returned: always
  sample: false
peers:
  description:
    - By address of each other load balancer, whether it is ready to hold the VIPs. Its Keepalived is standby or active
      then, its HAProxy answers and its kernel has the rules.
    - Null if it does not answer. Then this host would keep the VIPs even without HAProxy.
  type: dict
  returned: always
  sample: {198.51.100.12: true}
interfaces:
  description: Interfaces on which connections are forwarded.
  type: list
  elements: str
  returned: always
  sample: [eth0]
services:
  description:
    - By service and node, the C(state) (V(up), V(down), V(drain) or null, not known), the number of C(slots) of 256
      that the node has, and whether established connections to it are ended, C(dead).
  type: dict
  returned: always
  sample: {dicom: {pacs1: {state: up, slots: 131, dead: false}, pacs2: {state: up, slots: 125, dead: false}}}
units:
  description:
    - By unit, whether it is C(active), C(enabled), and C(outdated), that is, older than a file that only a restart
      makes it read.
  type: dict
  returned: always
  sample: {layer4.service: {active: true, enabled: true, outdated: false}}
obstacles:
  description: The site's own chains that may drop forwarded connections, with C(table), C(chain) and the C(rule) that
    lets them pass.
  type: list
  elements: dict
  returned: always
  sample: [{table: ip filter, chain: FORWARD, rule: iptables -I FORWARD -m conntrack --ctstate DNAT -j ACCEPT}]
flows:
  description: Number of forwarded connections, by service and node.
  type: dict
  returned: always
  sample: {dicom: {pacs1: 17, pacs2: 12}}
bytes:
  description:
    - Bytes that each node has C(received) and C(sent) by service, since the rules were loaded. Where two services share
      a port of a node, the first one has them.
  type: dict
  returned: always
  sample: {dicom: {pacs1: {received: 5242880, sent: 20480}, pacs2: {received: 1048576, sent: 4096}}}
newcomers:
  description:
    - How many clients a node has not answered, since the rules were loaded, so that their next SYN went to another node
      (C(retried)); and how many have been C(given_to_haproxy), since no node was left.
  type: dict
  returned: always
  sample: {retried: 3, given_to_haproxy: 0}
table:
  description:
    - The kernel's connection table, how many entries it has (C(used)) and can have (C(room)), and the seconds after
      which it forgets a silent established connection (C(established_timeout)).
  type: dict
  returned: always
  sample: {used: 180, room: 262144, established_timeout: 432000}
mirror:
  description:
    - Whether connections are to be mirrored (C(wanted)) and conntrackd answers (C(running)), and its counters C(ours)
      (connections in its list), C(taken) (messages of the other host put into the kernel), C(waiting) (messages that
      are not acknowledged), C(sent) and C(received) (bytes).
  type: dict
  returned: always
  sample: {wanted: true, running: true, ours: 29, taken: 214, waiting: 0, sent: 52310, received: 61200}
paths:
  description: Connections of O(clients) that this kernel forwards.
  type: list
  elements: dict
  returned: always
  contains:
    client:
      description: Address of the client.
      type: str
    client_port:
      description: Its port.
      type: int
    address:
      description: The VIP.
      type: str
    port:
      description: The port on it.
      type: int
    node:
      description: Address of the node.
      type: str
    node_port:
      description: Its port.
      type: int
    ended:
      description: Whether the connection is closed.
      type: bool
connections:
  description:
    - A digest of the forwarded connections, with O(connections); otherwise empty. Each connection is named by a hash of
      its addresses and ports. Of more than 2,000 those with the lowest hashes are told.
    - What is C(established) on the host that holds the VIP, up to the lower C(until) of two hosts, and neither
      C(established), nor among the C(others), nor C(ended) on a second host, is missing there.
  type: dict
  returned: always
  contains:
    established:
      description: Those that have been established for 10 s or more.
      type: list
      elements: str
    others:
      description: Those that begin or end.
      type: list
      elements: str
    ended:
      description: Those that are closed, and that only the table still knows.
      type: list
      elements: str
    until:
      description: The greatest hash that is told; that of all ones where none is left out.
      type: str
  sample: {established: [0d1f33e0a1b2, 9ac4010203fe], others: [], ended: [], until: ffffffffffff}
received:
  description: Test entries of other hosts that are in this connection table, with O(test_entries); otherwise empty.
  type: list
  elements: str
  returned: always
  sample: ["40112"]
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.pacs.loadbalancer.plugins.module_utils import _layer4


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "clients": {"type": "list", "elements": "str", "default": []},
            "connections": {"type": "bool", "default": False},
            "test_entries": {"type": "list", "elements": "str"},
            "timeout": {"type": "float", "default": 10},
        },
        supports_check_mode=True,
    )
    ask = module.params
    found = _layer4.gather(_layer4.PROGRAM, ask["timeout"], ask["clients"], ask["connections"], ask["test_entries"])
    module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()
