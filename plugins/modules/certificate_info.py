#!/usr/bin/python
# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: certificate_info
short_description: See whether HAProxy can use certificates that another tool renews, and whether it does
version_added: "1.0.0"
description:
  - Reads certificates of this host as a server does and verifies them as a client does, by Python's C(ssl). The key
    must fit, each certificate must have been issued by the next, and the first must cover the name that is expected.
  - Asks the running HAProxy which certificate it has loaded.
options:
  certificates:
    description: The certificates.
    type: list
    elements: dict
    required: true
    suboptions:
      service:
        description: The service that they are for.
        type: str
        required: true
      certificate:
        description: The path of the certificate, and of those that lead to its CA.
        type: str
        required: true
      key:
        description: The path of the key. Empty, it stands beside the certificate.
        type: str
        default: ""
      name:
        description: What it must cover. Empty, any name is good.
        type: str
        default: ""
      file:
        description: The name of the link to it in O(directory).
        type: str
        required: true
  directory:
    description: Where HAProxy's configuration finds its certificates.
    type: path
    default: /etc/haproxy/tls
  socket:
    description: HAProxy's socket.
    type: path
    default: /run/haproxy/admin.sock
  timeout:
    description: Seconds for each of HAProxy's answers.
    type: float
    default: 3
extends_documentation_fragment:
  - pacs.loadbalancer.attributes.reads
author:
  - The pacs.loadbalancer authors (@pacs-loadbalancer)
notes:
  - Needs only Python 3.8 or later on the host.
"""

EXAMPLES = r"""
- name: See whether HAProxy serves what certbot has renewed
  pacs.loadbalancer.certificate_info:
    certificates:
      - service: web
        certificate: /etc/letsencrypt/live/pacs/fullchain.pem
        key: /etc/letsencrypt/live/pacs/privkey.pem
        name: pacs.example.org
        file: web-1f0c22e1a9d4.pem
"""

RETURN = r"""
certificates:
  description: The same, in their order.
  type: list
  elements: dict
  returned: always
  contains:
    service:
      description: The service.
      type: str
    certificate:
      description: The path.
      type: str
    not_after:
      description: When it expires, in seconds since the epoch; null where it cannot be used.
      type: int
    served:
      description: Whether HAProxy has loaded just this one; null where it does not say.
      type: bool
    problem:
      description: Why it cannot be used, as what follows "The certificate PATH"; otherwise empty.
      type: str
  sample:
    - {service: web, certificate: /etc/letsencrypt/live/pacs/fullchain.pem, not_after: 1799956715, served: true,
       problem: ""}
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.pacs.loadbalancer.plugins.module_utils import _certificates

CERTIFICATE = dict(
    service=dict(type="str", required=True),
    certificate=dict(type="str", required=True),
    key=dict(type="str", default="", no_log=False),
    name=dict(type="str", default=""),
    file=dict(type="str", required=True),
)


def main() -> None:
    module = AnsibleModule(
        argument_spec=dict(
            certificates=dict(type="list", elements="dict", required=True, options=CERTIFICATE),
            directory=dict(type="path", default="/etc/haproxy/tls"),
            socket=dict(type="path", default="/run/haproxy/admin.sock"),
            timeout=dict(type="float", default=3),
        ),
        supports_check_mode=True,
    )
    ask = module.params
    seen = [
        _certificates.see(wanted, ask["directory"], ask["socket"], ask["timeout"]) for wanted in ask["certificates"]
    ]
    module.exit_json(changed=False, certificates=seen)


if __name__ == "__main__":
    main()
