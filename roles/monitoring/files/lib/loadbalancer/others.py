# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the other load balancers say of themselves, to whom keepalived-guard.service answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

from ansible_collections.pacs.loadbalancer.plugins.module_utils import _questions
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis.observed import Answer

SETTINGS = "/etc/keepalived/guard.json"
PATIENCE = 1.5  # seconds: the guard may ask Keepalived and HAProxy first


def ask(site: Mapping[str, Any], name: str) -> dict[str, Answer | None]:
    """Return by the name of each other load balancer what it answers; None of one that is silent."""
    host = site["hosts"][name]
    by_address = {peer["address"]: peer["name"] for peer in host["peers"]}
    found: dict[str, Answer | None] = dict.fromkeys(by_address.values())
    try:
        with open(SETTINGS, encoding="utf-8") as file:
            port = json.load(file)["peers_port"]
    except (OSError, ValueError, KeyError):
        return found
    for address, answer in _questions.ask(host["address"], list(by_address), port, _questions.GUARD, PATIENCE):
        found[by_address[address]] = cast("Answer", answer)
    return found
