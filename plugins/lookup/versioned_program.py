# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: versioned_program
short_description: A Python program for a host, each version in a directory of its own
version_added: "1.0.0"
description:
  - Reads a directory that has a C(__main__.py) and packages beside it, and names the directory in which a host is to
    have them by a fingerprint of them all.
  - A new version is written beside the one that runs, so that no mixture of the two ever runs.
options:
  _terms:
    description: The directories.
    type: list
    elements: path
    required: true
  parent:
    description: The directory of the host in which each version has its own.
    type: str
    required: true
author:
  - The pacs.loadbalancer authors (@pacs-loadbalancer)
"""

EXAMPLES = r"""
- name: Write a program
  pacs.loadbalancer.configuration_files:
    name: it
    files: "{{ program.files }}"
  vars:
    program: "{{ lookup('pacs.loadbalancer.versioned_program', role_path ~ '/files/lib', parent='/usr/local/lib/it') }}"
"""

RETURN = r"""
_raw:
  description: The program.
  type: list
  elements: dict
  contains:
    version:
      description: The fingerprint.
      type: str
    directory:
      description: The directory of this version.
      type: str
    files:
      description: Its files, as M(pacs.loadbalancer.configuration_files) takes them.
      type: list
      elements: dict
"""

from pathlib import Path

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._archive import versioned


class LookupModule(LookupBase):
    def run(self, terms, variables=None, **kwargs):
        self.set_options(var_options=variables, direct=kwargs)
        try:
            return [versioned(Path(term), self.get_option("parent")) for term in terms]
        except OSError as error:
            raise AnsibleLookupError(f"The program cannot be read: {error}.") from None
