#!/usr/bin/python
# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: infinitt_backend_check
short_description: Check that INFINITT PACS nodes answer
version_added: "1.0.0"
author:
  - The pacs.loadbalancer authors (@pacs-loadbalancer)
description:
  - Checks from the host that the module runs on that every service of every node answers.
  - All endpoints are asked at once, each with one deadline for all its phases, so that any number of nodes that hang
    cost one O(timeout).
  - Changes nothing on the host or on the nodes, but for O(services[].check=store). Associations are released, so that
    no node logs an abort.
options:
  nodes:
    description: The nodes. Not needed where each service has nodes of its own.
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
        description: Ignored. Accepted so that the same list of nodes can be used everywhere.
        type: int
      backup:
        description: Ignored.
        type: bool
      max_connections:
        description: Ignored.
        type: int
      tls_name:
        description: The name that its certificate must cover, where O(services[].tls) has no name.
        type: str
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
        description: Its port on the nodes, if different from O(services[].port).
        type: int
      nodes:
        description:
          - Names of the O(nodes) that serve it, or a list of its own nodes with the keys of O(nodes). By default all
            O(nodes) serve it.
        type: list
        elements: raw
      check:
        description:
          - V(tcp) connects.
          - V(http) sends C(HEAD) and checks the status.
          - V(associate) negotiates a DICOM association for Verification and releases it. A node that rejects it as
            transient because of its load (C(temporary-congestion), C(local-limit-exceeded)) passes, with a
            RV(endpoints[].note).
          - V(echo) sends a C-ECHO over such an association.
          - V(find) sends a C-FIND, after a C-ECHO where the association allows both. It counts the matches, and looks
            at nothing in them.
          - V(store) stores a test object, a Secondary Capture Image of nobody, after a C-ECHO likewise. It stays in the
            PACS. In check mode nothing but the C-ECHO is sent.
          - Some DICOM servers log an error for a connection that is opened and closed, as by V(tcp), but not for
            V(associate) and V(echo).
        type: str
        choices: [tcp, http, associate, echo, find, store]
        default: tcp
      find:
        description:
          - What V(find) asks for. V(study) asks for studies (Study Root), V(worklist) for the steps of a modality
            worklist.
          - V(object) asks for the test object of O(services[].object_uid), and fails where it is not found.
        type: str
        choices: [study, worklist, object]
        default: study
      key:
        description:
          - By which attributes V(study) and V(worklist) ask, such as C(PatientID=PHANTOM1), with commas between them.
          - Of a study C(PatientID), C(PatientName), C(AccessionNumber), C(StudyInstanceUID), C(StudyID), C(StudyDate)
            and C(ModalitiesInStudy). Of a worklist C(ScheduledStationAETitle), C(ScheduledProcedureStepStartDate),
            C(Modality), C(PatientID), C(PatientName), C(AccessionNumber) and C(RequestedProcedureID).
          - By default the test objects' own study or patient, which costs a PACS little.
          - It appears in no log and no result.
        type: str
      limit:
        description: How many matches V(find) takes. Where there are more, it cancels the C-FIND.
        type: int
        default: 10
      object_uid:
        description:
          - The SOP instance UID of the test object that V(store) stores and O(services[].find=object) asks for.
        type: str
      check_path:
        description: Path for V(http).
        type: str
        default: /
      check_host:
        description: The C(Host) header for V(http). By default the node's address.
        type: str
      check_status:
        description: Statuses that V(http) accepts, in HAProxy's syntax, such as V(200) or V(200-399,401).
        type: str
        default: 200-399
      called_ae:
        description: The node's AE title for the DICOM checks.
        type: str
        default: INFINITT
      calling_ae:
        description: The calling AE title of the DICOM checks.
        type: str
        default: PACSLB
      tls:
        description:
          - How TLS is spoken, before anything of the O(services[].check). Unset, none is.
          - At least version 1.2. Where neither O(services[].tls.fingerprints) nor O(services[].tls.ca) is given, the
            certificate must be of a CA that the host trusts.
        type: dict
        suboptions:
          name:
            description:
              - The name to ask for, which the certificate must cover. By default O(nodes[].tls_name), or any.
            type: str
          ca:
            description: The CAs of which the certificate must be, in PEM, or the path of such a file on the host.
            type: str
          fingerprints:
            description:
              - The SHA-256 of certificates that are accepted; without O(services[].tls.ca), whoever issued them.
            type: list
            elements: str
            default: []
          verify:
            description: Whether the certificate must be valid at all.
            type: bool
            default: true
  timeout:
    description: Seconds for each endpoint, from resolving its name to its last byte.
    type: float
    default: 3
  retries:
    description: How many times to ask again endpoints that did not answer.
    type: int
    default: 0
  delay:
    description: Seconds to wait before each of the O(retries).
    type: float
    default: 1
  require:
    description:
      - How many endpoints must answer for the module to succeed.
      - V(any) is at least one node for each service; with V(none) the module only reports.
    type: str
    choices: [all, any, none]
    default: all
attributes:
  check_mode:
    description: Nothing is stored. All else changes nothing, and so is done in check mode too.
    support: full
notes:
  - Needs only Python 3.8 or later on the host.
  - Not affiliated with INFINITT.
seealso:
  - module: pacs.loadbalancer.vip_probe
"""

EXAMPLES = r"""
- name: Check that all nodes answer
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

- name: Ask for a study as a viewer does, and for a worklist as a modality does
  pacs.loadbalancer.infinitt_backend_check:
    nodes: "{{ infinitt_nodes }}"
    services:
      - {name: query, port: 105, check: find, key: PatientID=PHANTOM1}
      - {name: mwl, port: 204, check: find, find: worklist, key: ScheduledStationAETitle=CT1, calling_ae: CT1}
"""

RETURN = r"""
msg:
  description: One sentence that counts and names the endpoints that do not answer.
  type: str
  returned: always
  sample: >-
    1 of 8 endpoints does not answer from lb1: dicom on pacs2 (198.51.100.22:104) refused the connection
reachable:
  description: Number of endpoints that answer as expected.
  type: int
  returned: when the parameters are valid
  sample: 7
silent:
  description: Number of endpoints that do not.
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
      description: Whether it answers as expected.
      type: bool
      sample: true
    latency_ms:
      description: Milliseconds of each completed phase.
      type: dict
      sample: {connect: 0.4, associate: 3.1, echo: 0.8}
    matches:
      description: With O(services[].check=find), how many matches were taken; otherwise null.
      type: int
      sample: 1
    more:
      description: Whether there may be more matches, since O(services[].limit) was reached.
      type: bool
      sample: false
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
              V(tls), V(certificate), V(rejected), V(aborted), V(not_accepted) (the association, but not what was to be
              asked), V(echo_status), V(find_status), V(store_status), V(not_found) (the test object), V(wrong_pdu),
              V(malformed) (or another protocol), V(local) (the host that asks could not).
          type: str
          sample: rejected
        text:
          description: The same as text, for DICOM with the terms of the standard.
          type: str
          sample: "rejected the association: rejected-permanent, DICOM UL service-user, called-AE-title-not-recognized"
    certificate:
      description: With O(services[].tls), what was presented; null where none was.
      type: dict
      contains:
        names:
          description: The names that it is for.
          type: list
          elements: str
        not_after:
          description: When it expires, in seconds since the epoch.
          type: int
        days_left:
          description: Whole days until then.
          type: int
        sha256:
          description: Its fingerprint.
          type: str
    source:
      description: Address and port from which the connection was made; null where none was.
      type: dict
      sample: {address: 198.51.100.11, port: 40312}
    note:
      description: What is worth knowing about an endpoint that answers.
      type: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.pacs.loadbalancer.plugins.module_utils._backend_check import (
    ask_all,
    describe,
    judge,
    make_endpoints,
)
from ansible_collections.pacs.loadbalancer.plugins.module_utils._check import FINDS
from ansible_collections.pacs.loadbalancer.plugins.module_utils._dicom.items import CALLED_AE, CALLING_AE
from ansible_collections.pacs.loadbalancer.plugins.module_utils._http_head import CHECK_PATH, CHECK_STATUS

NODE = dict(
    name=dict(type="str", required=True),
    address=dict(type="str", required=True),
    weight=dict(type="int"),
    backup=dict(type="bool"),
    max_connections=dict(type="int"),
    tls_name=dict(type="str"),
)

SERVICE = dict(
    name=dict(type="str", required=True),
    port=dict(type="int"),
    node_port=dict(type="int"),
    nodes=dict(type="list", elements="raw"),
    check=dict(type="str", choices=["tcp", "http", "associate", "echo", "find", "store"], default="tcp"),
    find=dict(type="str", choices=list(FINDS), default="study"),
    key=dict(type="str", no_log=True),
    limit=dict(type="int", default=10),
    object_uid=dict(type="str"),
    check_path=dict(type="str", default=CHECK_PATH),
    check_host=dict(type="str"),
    check_status=dict(type="str", default=CHECK_STATUS),
    called_ae=dict(type="str", default=CALLED_AE),
    calling_ae=dict(type="str", default=CALLING_AE),
    tls=dict(
        type="dict",
        options=dict(
            name=dict(type="str"),
            ca=dict(type="str"),
            fingerprints=dict(type="list", elements="str", default=[]),
            verify=dict(type="bool", default=True),
        ),
    ),
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
    params = module.params
    if module.check_mode:
        params["services"] = [
            {**service, "check": "echo"} if service["check"] == "store" else service for service in params["services"]
        ]
    try:
        endpoints = make_endpoints(params["nodes"], params["services"])
        answers = ask_all(endpoints, params["timeout"], params["retries"], params["delay"])
    except ValueError as error:
        module.fail_json(msg=str(error))
    enough, msg = judge(endpoints, answers, params["require"])
    described = [describe(endpoint, answer) for endpoint, answer in zip(endpoints, answers)]
    reachable = sum(endpoint["reachable"] for endpoint in described)
    result = dict(
        msg=msg,
        reachable=reachable,
        silent=len(described) - reachable,
        endpoints=described,
    )
    stored = any(answer.failure is None for end, answer in zip(endpoints, answers) if end.check.kind == "store")
    if enough:
        module.exit_json(changed=stored, **result)
    module.fail_json(**result)


if __name__ == "__main__":
    main()
