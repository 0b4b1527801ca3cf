# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is wrong, as sentences. Each filter is documented in the YAML file of its name."""

from __future__ import annotations

import time

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis import (
    handover,
    members,
    mirror,
    preflight,
    promises,
    status,
    verify,
)
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._screens.text import sentence


def infinitt_forgotten(site):
    return [sentence(problem) for problem in members.forgotten(site)]


def infinitt_unmirrored(site, observed):
    return [sentence(problem) for problem in mirror.incomplete(site, observed)]


def infinitt_preflight(site, observed, require):
    return [sentence(problem) for problem in preflight.problems(site, observed, require, time.time())]


def infinitt_verify(site, observed, prober, through, paths=None):
    verdict = verify.verify(site, observed, prober, through, paths)
    return {
        **verdict._asdict(),
        "broken": [sentence(problem) for problem in verdict.broken],
        "notices": [sentence(problem) for problem in verdict.notices],
    }


def infinitt_removal(site, observed):
    run = site["run"]
    removal = members.Removal(site, observed, run["host"], run["dead"])
    refusals = [*removal.refusals(run["force"])]
    refusals = refusals or [sentence(problem) for problem in removal.problems()]
    return {"refusals": refusals, "plan": [] if refusals else removal.plan()}


def status_problems(site, observed, hosts):
    return [sentence(problem) for problem in status.problems(site, observed, hosts, time.time())]


def _by_host(asked):
    """Observations from the results of loops over the load balancers."""
    observed: dict = {}
    for daemon, answers in asked.items():
        for answer in answers:
            observed.setdefault(answer["item"], {})[daemon] = answer
    return observed


def infinitt_kept(host, through=()):
    return promises.kept(host, through)


def infinitt_broken(site, asked, name, before, through=()):
    return " ".join(sentence(problem) for problem in promises.broken(site, name, _by_host(asked), through, before))


def infinitt_handover(site, asked, to=None):
    move = handover.plan(site, _by_host(asked), to or "")
    return {
        **move._asdict(),
        "obstacles": [sentence(problem) for problem in move.obstacles],
        "plan": [] if move.obstacles else handover.in_words(site, move),
        "given_up": "" if move.obstacles else handover.given_up(site, move),
        "services": handover.services(site),
    }


class FilterModule:
    def filters(self):
        return {
            "infinitt_broken": infinitt_broken,
            "infinitt_forgotten": infinitt_forgotten,
            "infinitt_handover": infinitt_handover,
            "infinitt_kept": infinitt_kept,
            "infinitt_preflight": infinitt_preflight,
            "infinitt_removal": infinitt_removal,
            "infinitt_unmirrored": infinitt_unmirrored,
            "infinitt_verify": infinitt_verify,
            "status_problems": status_problems,
            "haproxy_settled": verify.haproxy_settled,
            "vip_prober": verify.vip_prober,
        }
