# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whose the entries are that `layer4 test-entry` puts into the connection table, by the version of IP: clients that
cannot be (RFC 5737, RFC 6666).
"""

from __future__ import annotations

TEST_CLIENT = {4: "192.0.2.1", 6: "100::1"}
