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


def ae_title_regex(pattern: str) -> str:
    """Return a regular expression (PCRE) for all of an AE title in which ``*`` stands for any characters."""
    words = [
        char if char.isalnum() and char.isascii() else ".*" if char == "*" else f"\\x{ord(char):02x}"
        for char in pattern
    ]
    return f"\\A{''.join(words)}\\z"


class FilterModule:
    """The filters pacs.loadbalancer.dicom_check and ae_title_regex."""

    def filters(self) -> dict:
        return {"dicom_check": dicom_check, "ae_title_regex": ae_title_regex}
