# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the filters of the site do where Ansible itself is not as it must be."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.pacs.loadbalancer.plugins.filter import site


def test_a_missing_netaddr_is_one_sentence(monkeypatch):
    monkeypatch.setattr(site, "netaddr", None)
    with pytest.raises(
        AnsibleFilterError, match=r"netaddr is missing where Ansible runs; install it there.*pip install"
    ):
        site.infinitt_site({}, {}, [], [], [], {}, {}, 1024)
