# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible.errors import AnsibleFilterError

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils import _tcp_check


def dicom_check(service: dict) -> list[dict]:
    """Return the steps of HAProxy's check of a service."""
    try:
        return _tcp_check.steps(service)
    except ValueError as error:
        raise AnsibleFilterError(f"dicom_check: {error}") from error


class FilterModule:
    """The filter pacs.loadbalancer.dicom_check."""

    def filters(self) -> dict:
        return {"dicom_check": dicom_check}
