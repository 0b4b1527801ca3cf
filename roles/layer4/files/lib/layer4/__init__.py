# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keep the kernel's map of healthy nodes in sync with HAProxy, for connections that the kernel forwards.

The rules of this package:

* HAProxy decides which node is healthy; the daemon polls it five times a second and never asks a node.
* What HAProxy does not say changes nothing: a node that a new worker has not checked yet, or a HAProxy that is silent,
  keeps the former map.
* Everything goes into the kernel in one transaction, and expires within 5 s when the daemon dies: new connections then
  reach HAProxy's listener.
* An established connection outlives its node's failure by `dead_after`. Then its client gets a TCP reset, never
  silence.
* Only a host that has the VIP ends connections, and none while neither a node nor another load balancer answers it.
* `address`, `company`, `hashing`, `health`, `nft`, `firewall` and `packet` are pure: they open nothing. `system` alone
  starts programs, and `daemon` alone writes to the kernel while the service runs.
"""
