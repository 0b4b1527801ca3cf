# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What several modules say of themselves."""

from __future__ import annotations


class ModuleDocFragment:
    # pacs.loadbalancer.attributes.reads
    READS = r"""
attributes:
  check_mode:
    description: Changes nothing, and so runs in check mode too.
    support: full
"""
