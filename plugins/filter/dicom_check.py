# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: dicom_check
short_description: The bytes of a DICOM health check for HAProxy
version_added: "1.0.0"
author:
  - The pacs.loadbalancer authors (@pacs-loadbalancer)
description:
  - Turns a service's check into the bytes that C(tcp-check) of HAProxy sends and expects.
    So HAProxy itself opens an association, sends a C-ECHO and releases it, without another program.
  - The association is released, but the answer to that is not waited for. DICOM servers log no abort,
    if the check begins with C(tcp-check connect linger); else HAProxy resets the connection.
positional: _input
options:
  _input:
    description: A service. Its other keys are not looked at.
    type: dict
    required: true
    suboptions:
      check:
        description:
          - V(associate) negotiates an association for Verification and releases it.
            A node that rejects it as transient because of its load does answer, and passes.
          - V(echo) sends a C-ECHO over such an association.
        type: str
        choices: [associate, echo]
        required: true
      called_ae:
        description: The node's AE title.
        type: str
        default: INFINITT
      calling_ae:
        description: AE title under which HAProxy asks.
        type: str
        default: PACSLB
seealso:
  - module: pacs.loadbalancer.infinitt_backend_check
"""

EXAMPLES = r"""
# In a template of haproxy.cfg
# option tcp-check
# tcp-check connect linger
# {% for step in service | pacs.loadbalancer.dicom_check %}
# tcp-check send-binary {{ step.send }} comment {{ step.name }}
# {% if step.expect %}
# tcp-check expect {{ step.expect }} comment {{ step.name }}
# {% endif %}
# {% endfor %}

- name: Show the steps of a check
  ansible.builtin.debug:
    msg: "{{ {'check': 'echo', 'called_ae': 'INFINITT'} | pacs.loadbalancer.dicom_check }}"
"""

RETURN = r"""
_value:
  description: The steps of the check, in their order.
  type: list
  elements: dict
  contains:
    name:
      description: C(associate), C(echo) or C(release).
      type: str
    send:
      description: Bytes for C(tcp-check send-binary), in hexadecimal digits.
      type: str
    expect:
      description: What follows C(tcp-check expect), or V(null) where nothing is waited for.
      type: str
"""

from ansible.errors import AnsibleFilterError

from ansible_collections.pacs.loadbalancer.plugins.module_utils._dicom import association, dimse, items, pdu, stream


def dicom_check(service: dict) -> list[dict]:
    """The steps of HAProxy's check of a service: what it sends and what it expects.

    Expectations match the answer in upper case hexadecimal digits, from its first byte, the PDU
    type. With min-recv a short answer is final; the C-ECHO-RSP has none, since DCMTK sends it in
    two parts.
    """
    kind = service.get("check")
    if kind not in ("associate", "echo"):
        raise AnsibleFilterError(f"dicom_check: check is {kind!r}: it must be associate or echo")
    titles = {
        "called_ae": service.get("called_ae") or items.CALLED_AE,
        "calling_ae": service.get("calling_ae") or items.CALLING_AE,
    }
    try:
        for name, value in titles.items():
            items.check_ae_title(name, value)
    except ValueError as error:
        raise AnsibleFilterError(f"dicom_check: {error}") from error

    requestor = association.Requestor(**titles)
    accepted = f"{pdu.AssociateAC.TYPE:02X}"
    rejection = stream.encode(pdu.AssociateRJ(2, 3, 0))
    if kind == "associate":
        # All but the last byte, the reason: see AssociateRJ.busy.
        accepted = f"({accepted}|{rejection[:-1].hex().upper()})"
    steps = [_step("associate", requestor.associate(), f"min-recv {len(rejection)} rbinary ^{accepted}")]
    if kind == "echo":
        # The last element, the status, whatever message and padding come before it.
        success = dimse.EchoRSP(status=0).encode()[-10:].hex().upper()
        steps.append(_step("echo", requestor.echo(), f"rbinary ^{pdu.PData.TYPE:02X}.*{success}"))
    return [*steps, _step("release", requestor.release(), None)]


def _step(name: str, send: bytes, expect: str | None) -> dict:
    return {"name": name, "send": send.hex().upper(), "expect": expect}


class FilterModule:
    """The filter pacs.loadbalancer.dicom_check."""

    def filters(self) -> dict:
        return {"dicom_check": dicom_check}
