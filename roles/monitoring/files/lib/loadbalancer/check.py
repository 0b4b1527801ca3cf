# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a modality is answered: what playbooks/check.yml asks, asked by a load balancer itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from ansible_collections.pacs.loadbalancer.plugins.module_utils import _backend_check, _http_head
from ansible_collections.pacs.loadbalancer.plugins.module_utils._dicom.items import CALLED_AE, CALLING_AE
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils import _check_plan
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis.answers import Answers
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis.observed import Endpoint, Site

from . import checked

# A VIP that moves, or a node that is left, is no reason to wake somebody: who does not answer is asked again.
RETRIES, DELAY = 2, 5.0  # seconds

# What infinitt_backend_check takes where nothing is said.
DEFAULTS = {
    "check_path": _http_head.CHECK_PATH,
    "check_status": _http_head.CHECK_STATUS,
    "called_ae": CALLED_AE,
    "calling_ae": CALLING_AE,
}
TLS = {"fingerprints": [], "verify": True}


def is_its_turn(state: Mapping[str, Any]) -> bool:
    """Does this load balancer ask, and not another one?

    One on standby asks: what the holder asks its own VIP crosses no wire, and at layer 4 is not forwarded. The holder
    asks where nobody is on standby, which is better than nothing.
    """
    return not _holds(state) or not any(answer and answer["state"] == "BACKUP" for answer in state["others"].values())


def _holds(state: Mapping[str, Any]) -> bool:
    addresses = state["observed"]["keepalived"]["addresses"]
    return any(service["address"] in addresses for service in state["site"]["services"])


def ask(state: Mapping[str, Any]) -> Answers:
    """Ask every DICOM service through the VIP, and each of its nodes; by C-FIND only where the user has given a key.

    ``state``: what `state.look` returns.
    """
    site, settings = state["site"], checked.settings()
    plan = _check_plan.plan(site, settings.get("study", ""), settings.get("worklist", ""))
    return {
        "by": state["name"],
        "itself": _holds(state),
        "under": "",
        "keyed": bool(settings.get("study")),
        "through": _ask(site, plan["through"]),
        "nodes": _ask(site, plan["nodes"]),
        "store": [],
        "find": [],
        "has": [],
        "modalities": [],
    }


def _ask(site: Site, planned: list[dict[str, Any]]) -> list[Endpoint]:
    questions = [_question(its) for its in planned if its["name"] in site["asks"]]
    if not questions:
        return []
    endpoints = _backend_check.make_endpoints([], questions)
    answers = _backend_check.ask_all(endpoints, site["run"]["check_timeout"], RETRIES, DELAY)
    return [cast(Endpoint, _backend_check.describe(*its)) for its in zip(endpoints, answers)]


def _question(its: Mapping[str, Any]) -> dict[str, Any]:
    echo = {"check": "echo"} if its["check"] == "find" and not its["key"] else {}
    return {**DEFAULTS, **its, **({"tls": {**TLS, **its["tls"]}} if "tls" in its else {}), **echo}
