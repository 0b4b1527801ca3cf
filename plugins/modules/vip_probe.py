#!/usr/bin/python
# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vip_probe
short_description: Measure the outages of a virtual IP
version_added: "1.0.0"
author:
  - The pacs.loadbalancer authors (@pacs-loadbalancer)
description:
  - Asks an address every few milliseconds for a given time, and returns what a client would have seen.
  - The loop is open. A request is sent every O(interval), whatever becomes of the requests before, and each has its own
    O(timeout), so that a server that hangs does not slow the measurement down.
  - A I(silence) lasts from one answer to the next; the begin and the end of the probe count as answers. An I(outage) is
    a silence in which at least one request failed.
  - Run it on a client, not on a load balancer.
options:
  address:
    description: The virtual IP, IPv4 or IPv6, or a name, which is resolved once.
    type: str
    required: true
  port:
    description: Port of the service.
    type: int
    required: true
  check:
    description:
      - V(http) sends C(HEAD) and checks the status, V(tcp) connects, V(echo) opens an association, sends a C-ECHO and
        releases the association; each time over a new connection.
      - V(association) opens one association, sends a C-ECHO on it every O(interval), or when the one before is answered
        if that is later, and releases it at the end. The probe begins when the association is open, and ends when it
        breaks, by a reset, an abort or a C-ECHO that is not answered within O(timeout). A break is noticed when the
        next C-ECHO is due.
    type: str
    choices: [http, tcp, echo, association]
    default: http
  interval:
    description: Milliseconds from one request to the next.
    type: int
    default: 10
  duration:
    description: Seconds during which requests are sent.
    type: float
    required: true
  stop_file:
    description: A file on the host. The probe ends early once it exists.
    type: path
  timeout:
    description: Seconds within which each request must be answered.
    type: float
    default: 1
  check_path:
    description: Path for V(http).
    type: str
    default: /
  check_host:
    description: The C(Host) header for V(http). By default O(address).
    type: str
  check_status:
    description: Statuses that V(http) accepts, in HAProxy's syntax, such as V(200) or V(200-399,401).
    type: str
    default: 200-399
  called_ae:
    description: The called AE title of V(echo) and V(association).
    type: str
    default: INFINITT
  calling_ae:
    description: The calling AE title of V(echo) and V(association).
    type: str
    default: PACSLB
  node_header:
    description: Header of an HTTP answer that names the node that sent it.
    type: str
    default: X-Node
  node_cookie:
    description: Cookie of an HTTP answer whose value names the node that sent it; replaces O(node_header) if set.
    type: str
  samples:
    description: Whether RV(samples) is wanted, each request of the probe.
    type: bool
    default: false
extends_documentation_fragment:
  - pacs.loadbalancer.attributes.reads
notes:
  - Needs only Python 3.8 or later on the host.
  - Use C(async) for a probe that takes longer than an Ansible connection lasts.
seealso:
  - module: pacs.loadbalancer.infinitt_backend_check
"""

EXAMPLES = r"""
- name: Start to probe the web service for a minute
  pacs.loadbalancer.vip_probe:
    address: 198.51.100.10
    port: 80
    duration: 60
  async: 90
  poll: 0
  register: probe

- name: Hold an association through a planned switchover, which may take 5 seconds
  pacs.loadbalancer.vip_probe:
    address: 198.51.100.10
    port: 104
    check: association
    called_ae: INFINITT
    duration: 30
    timeout: 5
"""

RETURN = r"""
requests:
  description: Number of requests sent.
  type: int
  returned: success
  sample: 6000
succeeded:
  description: Number of requests that were answered as expected.
  type: int
  returned: success
  sample: 5939
failures:
  description: Number of requests that were not.
  type: int
  returned: success
  sample: 61
latency_ms:
  description: Milliseconds from request to answer of those that succeeded; V(null) where none did.
  type: dict
  returned: success
  sample: {p50: 0.8, p95: 1.4, p99: 2.9, max: 11.0}
outages:
  description: Silences in which at least one request failed.
  type: list
  elements: dict
  returned: success
  contains:
    start:
      description: Last answer before, in seconds since the probe began.
      type: float
      sample: 20.0312
    end:
      description: First answer after, in seconds since the probe began.
      type: float
      sample: 20.6411
    start_epoch:
      description: The start as seconds since the epoch.
      type: float
      sample: 1767225620.031
    length_ms:
      description: Length in milliseconds.
      type: float
      sample: 609.9
    failed:
      description: Number of failed requests.
      type: int
      sample: 61
    kind:
      description: Kind of the first failure, as in RV(errors).
      type: str
      sample: refused
    cause:
      description: The first failure as text.
      type: str
      sample: refused the connection
longest_silence_ms:
  description:
    - Milliseconds of the longest silence, whether a request failed in it or not.
    - Time in which the probe itself did not run is subtracted from a silence in which nothing failed, and never from an
      outage.
  type: float
  returned: success
  sample: 609.9
nodes:
  description: Number of answers from each node, by the name in O(node_header) or O(node_cookie).
  type: dict
  returned: success
  sample: {pacs1: 3000, pacs2: 2939}
errors:
  description:
    - Number of failed requests by kind. The kinds are those of M(pacs.loadbalancer.infinitt_backend_check).
  type: dict
  returned: success
  sample: {refused: 61}
probe_lag_ms:
  description:
    - Milliseconds by which a request was late at most, because the host was busy. Outages shorter than this cannot be
      measured.
  type: float
  returned: success
  sample: 1.2
began:
  description: When the probe began, in seconds since the epoch.
  type: float
  returned: success
  sample: 1767225600.0
ended:
  description: When it ended, in seconds since the epoch.
  type: float
  returned: success
  sample: 1767225660.0
samples:
  description:
    - Each request, in the order in which they were sent. When it was sent and when it was answered or failed, in
      seconds since the probe began; the node, empty if it is not known; the kind of failure, empty if there was none.
  type: list
  elements: list
  returned: with O(samples=true)
  sample: [[0.01, 0.0112, pacs1, ""], [0.02, 0.0203, "", refused]]
source:
  description: Address and port that the association was opened from; null if it could not be opened.
  type: dict
  returned: with O(check=association)
  sample: {address: 198.51.100.25, port: 40312}
broken:
  description: Whether the association broke, or could not be opened.
  type: bool
  returned: with O(check=association)
cause:
  description: Why it broke.
  type: str
  returned: with O(check=association)
  sample: reset the connection without C-ECHO-RSP
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.pacs.loadbalancer.plugins.module_utils._check import Check
from ansible_collections.pacs.loadbalancer.plugins.module_utils._dicom.items import CALLED_AE, CALLING_AE
from ansible_collections.pacs.loadbalancer.plugins.module_utils._failure import Failure
from ansible_collections.pacs.loadbalancer.plugins.module_utils._http_head import CHECK_PATH, CHECK_STATUS
from ansible_collections.pacs.loadbalancer.plugins.module_utils._probe import Plan, run


def main() -> None:
    module = AnsibleModule(
        argument_spec=dict(
            address=dict(type="str", required=True),
            port=dict(type="int", required=True),
            check=dict(type="str", choices=["http", "tcp", "echo", "association"], default="http"),
            interval=dict(type="int", default=10),
            duration=dict(type="float", required=True),
            stop_file=dict(type="path"),
            timeout=dict(type="float", default=1),
            check_path=dict(type="str", default=CHECK_PATH),
            check_host=dict(type="str"),
            check_status=dict(type="str", default=CHECK_STATUS),
            called_ae=dict(type="str", default=CALLED_AE),
            calling_ae=dict(type="str", default=CALLING_AE),
            node_header=dict(type="str", default="X-Node"),
            node_cookie=dict(type="str"),
            samples=dict(type="bool", default=False),
        ),
        supports_check_mode=True,
    )
    params = module.params
    hold = params["check"] == "association"
    try:
        check = Check(
            "echo" if hold else params["check"],
            params["check_path"],
            params["check_host"] or "",
            params["check_status"],
            params["called_ae"],
            params["calling_ae"],
        )
        interval = params["interval"] / 1000
        result = run(
            Plan(
                params["address"],
                params["port"],
                check,
                hold,
                interval,
                params["duration"],
                params["timeout"],
                params["node_header"],
                params["stop_file"] or "",
                params["node_cookie"] or "",
                params["samples"],
            )
        )
    except ValueError as error:
        module.fail_json(msg=str(error))
    except Failure as failure:
        module.fail_json(msg=f"{params['address']} {failure.text}")
    if "local" in result["errors"]:
        module.fail_json(msg="this host itself ran out of ports or memory: nothing was measured", **result)
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
