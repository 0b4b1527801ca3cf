#!/usr/bin/python
# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: infinitt_backend_check
short_description: Verify that INFINITT PACS nodes answer
version_added: "1.0.0"
author:
  - The pacs.loadbalancer authors (@pacs-loadbalancer)
description:
  - Verifies that every service of every node can be reached from the host that the module runs on.
  - All endpoints are asked at once, each with one deadline over all its phases.
    Nodes that hang cost one O(timeout), however many they are.
  - Changes nothing, on the host or on the nodes. An association is released, so that a node logs no abort.
options:
  nodes:
    description: The nodes. May be left out where each service has nodes of its own.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the node.
        type: str
        required: true
      address:
        description: Its IPv4 or IPv6 address, or a name that the host resolves.
        type: str
        required: true
      weight:
        description: Not used here. Accepted, so that one list of nodes serves everything.
        type: int
      backup:
        description: Not used here.
        type: bool
      max_connections:
        description: Not used here.
        type: int
  services:
    description: The services.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the service.
        type: str
        required: true
      port:
        description: Its port.
        type: int
      node_port:
        description: Its port on the nodes, where that is another than O(services[].port).
        type: int
      nodes:
        description:
          - Names of those O(nodes) that serve it, or a list of nodes of its own with the keys of O(nodes).
          - Without it, all O(nodes) serve it.
        type: list
        elements: raw
      check:
        description:
          - V(tcp) connects.
          - V(http) sends C(HEAD) and looks at the status.
          - V(associate) negotiates a DICOM association for Verification and releases it.
            A node that rejects it as transient because of its load (C(temporary-congestion), C(local-limit-exceeded))
            does answer, and says so in its RV(endpoints[].note).
          - V(echo) sends a C-ECHO over such an association.
          - A connection that only opens and closes, as V(tcp) makes, leaves a complaint in the log of some DICOM
            servers. V(associate) and V(echo) do not.
        type: str
        choices: [tcp, http, associate, echo]
        default: tcp
      check_path:
        description: Path for V(http).
        type: str
        default: /
      check_host:
        description: The C(Host) header for V(http). Without it, the node's address.
        type: str
      check_status:
        description: Statuses that V(http) accepts, in HAProxy's syntax, such as V(200) or V(200-399,401).
        type: str
        default: 200-399
      called_ae:
        description: The node's AE title for V(associate) and V(echo).
        type: str
        default: INFINITT
      calling_ae:
        description: AE title under which V(associate) and V(echo) ask.
        type: str
        default: PACSLB
  timeout:
    description: Seconds that an endpoint has to answer, from looking up its name to its last byte.
    type: float
    default: 3
  retries:
    description: How many times endpoints that did not answer are asked again.
    type: int
    default: 0
  delay:
    description: Seconds before each of the O(retries).
    type: float
    default: 1
  require:
    description:
      - How many endpoints must answer, else the module fails.
      - V(any) is at least one node for each service. With V(none) it only tells.
    type: str
    choices: [all, any, none]
    default: all
attributes:
  check_mode:
    description: The module changes nothing and runs in check mode as otherwise.
    support: full
notes:
  - Needs nothing on the host but Python 3.8 or later.
  - The module is not affiliated with INFINITT.
seealso:
  - module: pacs.loadbalancer.vip_probe
"""

EXAMPLES = r"""
- name: Verify that all nodes answer
  pacs.loadbalancer.infinitt_backend_check:
    nodes:
      - {name: pacs1, address: 198.51.100.21}
      - {name: pacs2, address: 198.51.100.22}
    services:
      - {name: web, port: 80, check: http, check_status: 200-399}
      - {name: dicom, port: 104, check: echo, called_ae: INFINITT}
      - {name: query, port: 105}
      - {name: mwl, port: 204, check: associate}

- name: Wait for up to a minute until each service has a node
  pacs.loadbalancer.infinitt_backend_check:
    nodes: "{{ infinitt_nodes }}"
    services:
      - {name: dicom, port: 104, check: echo}
      # A worklist that lives on the RIS
      - {name: mwl, port: 204, node_port: 2040, nodes: [{name: ris, address: 198.51.100.30}]}
    require: any
    retries: 20
    delay: 3
"""

RETURN = r"""
msg:
  description: One sentence that counts and names what does not answer.
  type: str
  returned: always
  sample: >-
    1 of 8 endpoints does not answer from lb1: dicom on pacs2 (198.51.100.22:104) refused the connection
reachable:
  description: How many endpoints answer as they should.
  type: int
  returned: when the parameters are valid
  sample: 7
silent:
  description: How many do not.
  type: int
  returned: when the parameters are valid
  sample: 1
endpoints:
  description: Every service on every node, in the order of the services.
  type: list
  elements: dict
  returned: when the parameters are valid
  contains:
    service:
      description: Name of the service.
      type: str
      sample: dicom
    node:
      description: Name of the node.
      type: str
      sample: pacs1
    address:
      description: Address that was asked.
      type: str
      sample: 198.51.100.21
    port:
      description: Port that was asked.
      type: int
      sample: 104
    check:
      description: How it was asked.
      type: str
      sample: echo
    reachable:
      description: Whether it answers as it should.
      type: bool
      sample: true
    latency_ms:
      description: Milliseconds of each phase that was completed.
      type: dict
      sample: {connect: 0.4, associate: 3.1, echo: 0.8}
    total_ms:
      description: Milliseconds until the answer or the failure.
      type: float
      sample: 4.5
    error:
      description: What went wrong, if anything.
      type: dict
      contains:
        kind:
          description:
            - One of V(refused), V(timeout), V(no_route), V(name_not_found), V(reset), V(closed), V(http_status),
              V(rejected), V(aborted), V(not_accepted) (the association but not Verification), V(echo_status), V(wrong_pdu),
              V(malformed), V(local) (this host itself could not ask).
          type: str
          sample: rejected
        text:
          description: The same in words, for DICOM in those of the standard.
          type: str
          sample: "rejected the association: rejected-permanent, DICOM UL service-user, called-AE-title-not-recognized"
    source:
      description: Address and port from which it was asked; null where no connection was made.
      type: dict
      sample: {address: 198.51.100.11, port: 40312}
    note:
      description: What is worth telling about an endpoint that does answer.
      type: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.pacs.loadbalancer.plugins.module_utils._backend_check import (
    ask_all,
    describe,
    judge,
    make_endpoints,
)
from ansible_collections.pacs.loadbalancer.plugins.module_utils._dicom.items import CALLED_AE, CALLING_AE
from ansible_collections.pacs.loadbalancer.plugins.module_utils._http_head import CHECK_PATH, CHECK_STATUS

NODE = dict(
    name=dict(type="str", required=True),
    address=dict(type="str", required=True),
    weight=dict(type="int"),
    backup=dict(type="bool"),
    max_connections=dict(type="int"),
)

SERVICE = dict(
    name=dict(type="str", required=True),
    port=dict(type="int"),
    node_port=dict(type="int"),
    nodes=dict(type="list", elements="raw"),
    check=dict(type="str", choices=["tcp", "http", "associate", "echo"], default="tcp"),
    check_path=dict(type="str", default=CHECK_PATH),
    check_host=dict(type="str"),
    check_status=dict(type="str", default=CHECK_STATUS),
    called_ae=dict(type="str", default=CALLED_AE),
    calling_ae=dict(type="str", default=CALLING_AE),
)


def main() -> None:
    module = AnsibleModule(
        argument_spec=dict(
            nodes=dict(type="list", elements="dict", default=[], options=NODE),
            services=dict(
                type="list",
                elements="dict",
                required=True,
                options=SERVICE,
                required_one_of=[("port", "node_port")],
            ),
            timeout=dict(type="float", default=3),
            retries=dict(type="int", default=0),
            delay=dict(type="float", default=1),
            require=dict(type="str", choices=["all", "any", "none"], default="all"),
        ),
        supports_check_mode=True,
    )
    asked = module.params
    try:
        endpoints = make_endpoints(asked["nodes"], asked["services"])
        answers = ask_all(endpoints, asked["timeout"], asked["retries"], asked["delay"])
    except ValueError as error:
        module.fail_json(msg=str(error))
    enough, msg = judge(endpoints, answers, asked["require"])
    described = [describe(endpoint, answer) for endpoint, answer in zip(endpoints, answers)]
    reachable = sum(endpoint["reachable"] for endpoint in described)
    result = dict(
        msg=msg,
        reachable=reachable,
        silent=len(described) - reachable,
        endpoints=described,
    )
    if enough:
        module.exit_json(changed=False, **result)
    module.fail_json(**result)


if __name__ == "__main__":
    main()
