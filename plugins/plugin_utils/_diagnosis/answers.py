# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules about what a modality would be answered, and which node is to blame where it is not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypedDict

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis.nodes import entry
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis.observed import Endpoint, Service, Site
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis.problem import Problem
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis.reading import why
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._phrases import lapse, listed, owner

# What is asked, by the check; a connection needs no word.
QUESTIONS = {"http": " (HTTP)", "echo": " (C-ECHO)", "find": " (C-FIND)"}


class Answers(TypedDict):
    """What infinitt_backend_check returned: ``through`` the VIP, of the ``nodes``, of the ``modalities``; who was asked
    to ``store`` the test object, who to ``find`` it through the VIP, and who ``has`` it when asked directly.

    ``by``: the load balancer that asked; ``itself``: whether it holds the VIP. ``under``: the AE title that modalities
    were asked under. ``keyed``: whether the user named the study that must be found.
    """

    by: str
    itself: bool
    under: str
    keyed: bool
    through: list[Endpoint]
    nodes: list[Endpoint]
    store: list[Endpoint]
    find: list[Endpoint]
    has: list[Endpoint]
    modalities: list[Endpoint]


def problems(site: Site, answers: Answers) -> list[Problem]:
    """Everything that a modality would suffer from, and modalities that would not be reached."""
    return [
        *_services(site, answers),
        *_studies(site, answers),
        *_test_object(answers),
        *_modalities(site, answers),
    ]


def wants_certificate(service: Service) -> bool:
    """Is a client certificate required through the VIP? A load balancer has none."""
    return (service["tls"] or {}).get("client_certificate") == "required"


def notices(site: Site, answers: Answers) -> Iterator[Problem]:
    """What could not be asked."""
    required = {service["name"] for service in site["services"] if wants_certificate(service)}
    for end in answers["through"]:
        if end["service"] in required and end["check"] == "tcp":
            yield Problem(
                "asked_tls_only",
                end["service"],
                f"{end['service']} requires a client certificate, which a load balancer has none of: through the VIP it"
                " was asked for its TLS handshake alone.",
                "Send a C-ECHO from a modality that has a certificate.",
            )


def _services(site: Site, answers: Answers) -> Iterator[Problem]:
    blamed: set[str] = set()
    for end in answers["through"]:
        if end["reachable"]:
            continue
        its = [node for node in _in_service(site, answers["nodes"]) if owner(node["service"]) == owner(end["service"])]
        blamed.add(owner(end["service"]))
        yield _unanswered(site, answers, end, its)
    silent: dict[tuple[str, str], list[Endpoint]] = {}
    for node in _in_service(site, answers["nodes"]):
        if not node["reachable"] and owner(node["service"]) not in blamed:
            silent.setdefault((node["node"], why(node)), []).append(node)
    for (name, reason), ends in silent.items():
        what = listed(end["service"] + QUESTIONS.get(end["check"], "") for end in ends)
        yield Problem(
            "node_unanswered",
            name,
            f"{what} on {name} {'does' if len(ends) == 1 else 'do'} not answer {answers['by']} directly: {reason}.",
            _fix(site, ends),
        )


def _unanswered(site: Site, answers: Answers, end: Endpoint, its: Sequence[Endpoint]) -> Problem:
    good, bad = [node for node in its if node["reachable"]], [node for node in its if not node["reachable"]]
    directly = [
        *(f"{node['node']} answers directly in {lapse(node['total_ms'])}" for node in good),
        *(f"{node['node']} does not ({why(node)})" for node in bad),
    ]
    if not its:
        blame, remedy = "all its nodes are out of service", "Bring one of them back: playbooks/node_maintenance.yml."
    elif bad and good:
        blame, remedy = (
            f"{listed(directly)}: the fault is {listed(dict.fromkeys(n['node'] for n in bad))}",
            _fix(site, bad),
        )
    elif bad:
        blame = f"{listed(directly)}: the fault is theirs"
        remedy = "Fix the nodes; moving the VIP does not help."
    else:
        blame = f"{listed(directly)}: the fault is between {answers['by']} and them"
        remedy = "See the load balancers: playbooks/status.yml."
        if end["error"] and end["error"]["kind"] == "rejected" and _guarded(site, end["service"]):
            remedy = "Ask under an AE title that its allowed_calling_ae has: infinitt_check_calling_ae."
    return Problem(
        "vip_unanswered",
        end["service"],
        f"{end['service']}{QUESTIONS.get(end['check'], '')} does not answer through the VIP {end['address']} port"
        f" {end['port']}, asked from {answers['by']}: {why(end)}; {blame}.",
        remedy,
    )


def _studies(site: Site, answers: Answers) -> Iterator[Problem]:
    studies = {name for name, asks in site["asks"].items() if asks == "study"}
    for end in _in_service(site, answers["nodes"]):
        if answers["keyed"] and end["service"] in studies and end["reachable"] and end.get("matches") == 0:
            yield Problem(
                "study_not_found",
                end["node"],
                f"{end['service']} on {end['node']} answers, and finds no study by infinitt_check_study.",
                "See why that node does not know it; or give the key of a study that is there for good.",
            )


def _test_object(answers: Answers) -> Iterator[Problem]:
    refused = [end for end in answers["store"] if not end["reachable"]]
    for end in refused:
        yield Problem(
            "object_not_stored",
            end["service"],
            f"{end['service']} does not take the test object through the VIP: {why(end)}.",
            "See the log of the node; its disk may be full, or the AE title may not store.",
        )
    silent = {end["service"] for end in answers["through"] if not end["reachable"]}
    has = list(dict.fromkeys(end["node"] for end in answers["has"] if end["reachable"]))
    for end in answers["find"]:
        if not end["reachable"] and end["service"] not in silent:
            yield Problem(
                "object_not_found",
                end["service"],
                f"The test object was stored, and {end['service']} through the VIP {why(end)};"
                f" asked directly, {listed(has) if has else 'no node'} has it.",
                "See how the nodes share what they have, and whether what is stored goes through a queue first.",
            )


def _modalities(site: Site, answers: Answers) -> Iterator[Problem]:
    aes = {modality["name"]: modality["ae"] for modality in site["modalities"]}
    for end in answers["modalities"]:
        if end["reachable"]:
            continue
        where = f"{end['node']} ({end['address']} port {end['port']}, AE title {aes[end['node']]})"
        if end["error"] and end["error"]["kind"] == "rejected":
            yield Problem(
                "modality_refuses",
                end["node"],
                f"{where} answers {answers['by']}, and {why(end)}.",
                _admit(why(end), answers),
            )
        else:
            yield Problem(
                "modality_silent",
                end["node"],
                f"{where} does not answer {answers['by']}: {why(end)}.",
                "See whether it is on; then its address, its port, and what filters in between.",
            )


def _admit(reason: str, answers: Answers) -> str:
    if "called-AE-title" in reason:
        return "Correct its `ae` in infinitt_modalities."
    if "calling-AE-title" in reason:
        return f"Add the AE title {answers['under']}, with the address of {answers['by']}, to those that it knows."
    return "See its own log."


def _in_service(site: Site, ends: Sequence[Endpoint]) -> list[Endpoint]:
    """Without those that a person has taken out of service: they may be off."""
    return [end for end in ends if not entry(site, end["service"], end["node"])]


def _guarded(site: Site, name: str) -> bool:
    return any(service["name"] == name and service["allowed_calling_ae"] for service in site["services"])


def _fix(site: Site, ends: Sequence[Endpoint]) -> str:
    names = list(dict.fromkeys(end["node"] for end in ends))
    if all("calling-AE-title" in why(end) for end in ends):
        titles = dict.fromkeys(
            site["run"]["check_calling_ae"] or service["calling_ae"]
            for service in site["services"]
            if service["name"] in [end["service"] for end in ends]
        )
        return (
            f"Add {listed(titles)} to the AE titles that {listed(names)} knows; or ask under another one,"
            " infinitt_check_calling_ae."
        )
    it = "it" if len(names) == 1 else "them"
    return f"Fix {listed(names)}, or take {it} out of service until then: playbooks/node_maintenance.yml."
