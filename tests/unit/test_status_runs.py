# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""playbooks/status.yml itself, where nothing runs and the other load balancer is lost."""

from __future__ import annotations

import json
import re

import namespaces
import played
import pytest
from known import STANDBY, seen
from loadbalancer import report

MISSING = namespaces.missing(played.PROGRAMS)


@pytest.fixture
def play(tmp_path):
    if MISSING:
        pytest.skip(MISSING)
    with played.player(tmp_path) as run:
        yield run


def test_a_program_reads_what_loadbalancer_status_says_and_the_next_job_is_told(play):
    hosts = {"lb1": played.HERE, "lb2": played.LOST}
    code, said = play("status", hosts=hosts, infinitt_format="json")
    assert code == 2, said
    shown = re.search(r"Show how the load balancers are\].*?\] => (\{.*?^\})$", said, re.DOTALL | re.MULTILINE)[1]
    known = json.loads(json.loads(shown)["msg"])
    assert list(known) == list(json.loads(report.as_json(seen("lb1", STANDBY))))
    assert (known["health"], list(known["observed"]), known["deployed"]) == (
        "down",
        ["lb1"],
        {"lb1": {"at": 0, "pending": False}},
    )
    codes = [problem["code"] for problem in known["problems"]]
    assert {"host_unreachable", "haproxy_down", "keepalived_down"} <= {*codes}
    # It fails in words, of which the first is the health.
    failure = said.partition("Fail where they are not healthy")[2]
    assert re.search(r'"msg": \[\s*"down: somebody is not served\."', failure) and "[haproxy_down]" in failure, failure
    told = played.artefacts(said)
    assert told == {
        "loadbalancer_status": {
            **{key: told["loadbalancer_status"][key] for key in ("at", "notices")},
            "health": "down",
            "vips": {"198.51.100.10": []},
            "problems": known["problems"],
            "problems_in_all": len(codes),
        }
    }
    # The next job of a workflow has it as a variable, and refuses none that begins otherwise than its own do.
    code, said = play("status", hosts={"lb1": played.HERE}, **told)
    assert "is not a known variable" not in said and "load balancer  VRRP" in said, said


def test_a_format_that_is_none_is_refused(play):
    code, said = play("status", hosts={"lb1": played.HERE}, infinitt_format="xml")
    assert code == 2 and "infinitt_format is 'xml'; give one of screen, json." in said, said
