# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a rule finds."""

from __future__ import annotations

from typing import NamedTuple


class Problem(NamedTuple):
    """One thing that is wrong, or that a person should know.

    ``code``: a stable word, explained in docs/operations.md. ``where``: the load balancer, the node, the service or the
    VIP that it concerns. ``text``: what is wrong, and ``remedy``: what to do about it, both whole sentences.
    """

    code: str
    where: str
    text: str
    remedy: str

    @property
    def key(self) -> str:
        """What stays the same of it from look to look, whatever its text counts."""
        return f"{self.code} {self.where}"
