# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is asked of a PACS, through the VIP and node by node, as a modality would. Pure.

Each list is of services as infinitt_backend_check takes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.pacs.loadbalancer.plugins.module_utils._dicom.items import CALLING_AE
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis.answers import wants_certificate
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis.observed import Service, Site
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._phrases import owner
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.problems import nearest

Question = dict[str, Any]


def plan(site: Site, study: str = "", worklist: str = "", uid: str = "") -> dict[str, Any]:
    """Return what stands in the way (``problems``), and what is asked ``through`` the VIP and of the ``nodes``; through
    which service the test object is stored (``store``), and where it is looked for then, through the VIP (``find``) and
    on the nodes (``has``); the ``modalities``; and what would be stored, in a sentence (``says``).

    ``study``, ``worklist``: the user's keys. ``uid``: the SOP instance UID of the test object; where there is none,
    there is no question about it.
    """
    keys = {"study": study, "worklist": worklist}
    through = [
        dict(check) if _wants_certificate(site, check) else _question(site, check, keys) for check in site["vip_checks"]
    ]
    nodes = [_question(site, check, keys) for check in site["node_checks"]]
    store = site["run"]["check_store"]
    of_object = {"object_uid": uid}
    return {
        "problems": _problems(site),
        "through": through,
        "nodes": nodes,
        "store": [{**one, "check": "store", **of_object} for one in through if store == one["name"]] if uid else [],
        **{
            name: [{**one, "find": "object", "key": "", **of_object} for one in asked if _is_archive(site, one)]
            if store and uid
            else []
            for name, asked in (("find", through), ("has", nodes))
        },
        "modalities": [_modality(site, modality) for modality in site["modalities"]],
        "says": f"Would store a test object through {store}, an image of the patient PACSLB-TEST, and ask for it."
        * bool(store),
    }


def _question(site: Site, check: Mapping[str, Any], keys: Mapping[str, str]) -> Question:
    """What a client asks there, where it is known; else the service's own check."""
    asks = site["asks"].get(check["name"])
    if not asks:
        return dict(check)
    service = _service(site, check)
    find = {} if asks == "echo" else {"find": asks, "key": keys[asks]}
    return {
        **{key: check[key] for key in ("name", "port", "nodes", "tls") if key in check},
        "check": "find" if find else "echo",
        **find,
        "called_ae": service["called_ae"],
        "calling_ae": site["run"]["check_calling_ae"] or service["calling_ae"],
    }


def _service(site: Site, check: Mapping[str, Any]) -> Service:
    return next(service for service in site["services"] if service["name"] == check["name"])


def _wants_certificate(site: Site, check: Mapping[str, Any]) -> bool:
    return wants_certificate(_service(site, check))


def _is_archive(site: Site, question: Question) -> bool:
    return question["check"] == "find" and question["find"] == "study" and owner(question["name"]) == question["name"]


def _modality(site: Site, modality: Mapping[str, Any]) -> Question:
    return {
        "name": modality["name"],
        "port": modality["port"],
        "nodes": [{"name": modality["name"], "address": modality["address"]}],
        "check": "echo",
        "called_ae": modality["ae"],
        "calling_ae": site["run"]["check_calling_ae"] or CALLING_AE,
    }


def _problems(site: Site) -> list[str]:
    store = site["run"]["check_store"]
    takers = [check["name"] for check in site["vip_checks"] if _takes(site, check)]
    if store and store not in takers:
        hint = nearest(store, takers) if takers else "there is none"
        return [f"infinitt_check_store is {store}, which is no service that takes images; {hint}."]
    if store and "study" not in site["asks"].values():
        return ["infinitt_check_store is set, but no service has find: study, so the object could not be found again."]
    return []


def _takes(site: Site, check: Mapping[str, Any]) -> bool:
    name = check["name"]
    return site["asks"].get(name) in ("echo", "study") and owner(name) == name and not _wants_certificate(site, check)
