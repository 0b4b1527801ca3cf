# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: host_program
short_description: A Python program for a host, with what it needs of this collection, in one file
version_added: "1.0.0"
description:
  - Packs a directory that has a C(__main__.py), and every module of this collection that its files import, into one
    executable file (L(zipapp,https://docs.python.org/3/library/zipapp.html)), so that a host runs the very code that
    the playbooks run.
  - One file is replaced as a whole, so that no mixture of two versions ever runs. The same sources give the same file.
options:
  _terms:
    description: The directories.
    type: list
    elements: path
    required: true
  interpreter:
    description: What runs it on the host.
    type: str
    default: /usr/bin/python3 -IS
author:
  - The pacs.loadbalancer authors (@pacs-loadbalancer)
"""

EXAMPLES = r"""
- name: Install a program
  ansible.builtin.copy:
    content: "{{ lookup('pacs.loadbalancer.host_program', role_path ~ '/files/loadbalancer') | b64decode }}"
    dest: /usr/local/sbin/loadbalancer
    mode: "0755"
"""

RETURN = r"""
_raw:
  description: The file, in Base64.
  type: list
  elements: str
"""

import base64
from pathlib import Path

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._archive import pack

# The directory of the collection: the name by which its modules import each other begins there.
COLLECTION = Path(__file__).resolve().parents[2]


class LookupModule(LookupBase):
    def run(self, terms, variables=None, **kwargs):
        self.set_options(var_options=variables, direct=kwargs)
        try:
            return [
                base64.b64encode(pack(Path(term), COLLECTION, self.get_option("interpreter"))).decode()
                for term in terms
            ]
        except (OSError, SyntaxError) as error:
            raise AnsibleLookupError(f"The program cannot be packed: {error}.") from None
