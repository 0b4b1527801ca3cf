# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""playbooks/check.yml itself, run by a load balancer in a network namespace against pynetdicom's servers; and what it
asks, through the real HAProxy.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import asked
import namespaces
import pacs
import peers
import played
import pytest
import rendering
from factories import build
from pki import WEB
from running import accepts, haproxy, until

from ansible_collections.pacs.loadbalancer.plugins.module_utils import _backend_check as backend_check
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils import _check_plan
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis import answers
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.output import as_dict
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.pem import no_file
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.tls import pem_files

NAMESPACES = namespaces.missing(("unshare", "nsenter", "ip"))
OURS = "127.66.100."

MODALITY = [{"name": "ct1", "address": "198.51.100.50", "ae": "CT1"}]
INVENTORY = {
    "loadbalancers": {
        "hosts": {"lb1": {"ansible_host": "198.51.100.11", "ansible_connection": "local", "ansible_become": False}},
        "vars": {
            "ansible_python_interpreter": sys.executable,
            "infinitt_vip": "198.51.100.10/24",
            "infinitt_nodes": [
                {"name": "pacs1", "address": "198.51.100.21"},
                {"name": "pacs2", "address": "198.51.100.22"},
            ],
            "infinitt_modalities": MODALITY,
        },
    }
}


@pytest.fixture
def check(tmp_path):
    """check(*faults, options, **variables): the exit code of the playbook, and what it said."""
    if NAMESPACES:
        pytest.skip(NAMESPACES)
    switch = namespaces.Switch()
    host = namespaces.Host(switch, "198.51.100.11")

    def run(*faults, options=(), **variables):
        for address in pacs.ADDRESSES:
            host("ip", "address", "add", f"{address}/32", "dev", "lo")
        served = host.start(sys.executable, str(Path(pacs.__file__)), *faults, stdout=subprocess.PIPE)
        assert served.stdout.readline() == "up\n"
        return played.run(host, tmp_path, "check", INVENTORY, *options, **variables)

    yield run
    host.power_off()
    switch.power_off()


def rows(said):
    """The tables of the screen, without the times: service or modality and who was asked, by the last two cells."""
    words = [line.split() for line in said.splitlines()]
    return {
        tuple(line[:2]): tuple(line[-2:])
        for line in words
        if len(line) > 5 and line[0] in ("web", "dicom", "query", "mwl", "ct1")
    }


def test_where_all_is_well_each_phase_is_timed_and_the_test_object_is_found(check):
    code, said = check(
        options=["-vvv"],
        infinitt_check_study="PatientID=PHANTOM1",
        infinitt_check_worklist="ScheduledStationAETitle=CT1",
        infinitt_check_store="dicom",
    )
    assert code == 0, said
    assert re.search(r"RUN:\s+loadbalancer_check:\s+problems: \[\]", said), said
    found = rows(said)
    assert {found["query", whom] for whom in ("VIP", "pacs1", "pacs2")} == {("1", "yes")}
    assert {found["mwl", whom] for whom in ("VIP", "pacs1", "pacs2")} == {("10+", "yes")}
    assert found["web", "pacs2"][1] == found["ct1", "198.51.100.50"][1] == "yes"
    assert "stored through dicom and found through query; asked directly, pacs1 has it." in said
    # Whatever --verbose: no patient, and not by what was asked.
    assert "CANARY" not in said and "PHANTOM1" not in said


def test_who_is_to_blame_is_said_and_a_dry_run_stores_nothing(check):
    code, said = check(
        *("deaf=pacs1", "other=ct1"),
        options=["--check"],
        infinitt_check_timeout="1s",
        infinitt_check_store="dicom",
    )
    assert code == 2, said
    assert rows(said)["query", "pacs2"] == ("0", "yes")
    said = " ".join(said.split())
    assert "query (C-FIND) does not answer through the VIP 198.51.100.10 port 105, asked from lb1: timed out" in said
    assert "the fault is pacs1. [vip_unanswered]" in said
    assert "calling-AE-title-not-recognized. [modality_refuses]" in said
    assert "[vip_unanswered]" in said.partition("RUN: loadbalancer_check: problems:")[2]
    assert "Would store a test object through dicom" in said and "C-STORE" not in said and "changed=0" in said


# --- through the real HAProxy -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def door(tmp_path_factory):
    """A site of one service, with TLS and a list of AE titles, and the HAProxy that runs it."""
    directory, port = tmp_path_factory.mktemp("door"), peers.free_port()
    off = {name: {"enabled": False} for name in ("web", "dicom", "mwl")}
    keys = {"tls": {"certificate": WEB.chain, "key": WEB.key}, "allowed_calling_ae": "CT1", "node_port": port}
    written = {**off, "query": {**keys, "port": peers.free_port()}}
    site = as_dict(build(infinitt_services=written))
    assert site["problems"] == []
    for file in pem_files(written, site["services"], no_file):
        (directory / file.name).write_text(file.content)
    text = rendering.render({"": ({"haproxy_pem_directory": str(directory)}, site)})[""]["lb1"]["haproxy"]
    for number in (21, 22):
        pacs.node(f"{OURS}{number}", port, "", set(), False)
    with haproxy(text, directory, replaced={"127.51.100.": OURS}):
        until(lambda: accepts(f"{OURS}10", site["services"][0]["port"]))
        yield site


def ask(site, key, title):
    """What the plan asks, and what comes of it: through the VIP and of the nodes."""
    its = {**site, "run": {**site["run"], "check_calling_ae": title}}
    plan = _check_plan.plan(its, key)
    found = {"by": "lb2", "itself": False, "under": "", "keyed": True, "store": [], "find": [], "has": []}
    for name in ("through", "nodes"):
        questions = json.loads(json.dumps(plan[name]).replace("198.51.100.", OURS))
        for one in questions:
            one["tls"] = {"ca": "", "verify": True, "fingerprints": [], **one["tls"]} if "tls" in one else None
        endpoints = backend_check.make_endpoints([], [{**asked.service(), **one} for one in questions])
        done = backend_check.ask_all(endpoints, 5, 0, 0)
        found[name] = [backend_check.describe(*pair) for pair in zip(endpoints, done)]
    return found, answers.problems(its, {**found, "modalities": []})


@pytest.mark.skipif(not shutil.which("haproxy"), reason="haproxy is not installed")
def test_a_study_is_found_through_tls_and_the_door(door):
    found, problems = ask(door, "PatientID=PHANTOM1", "CT1")
    assert problems == []
    (through,) = found["through"]
    assert (through["matches"], through["certificate"]["sha256"]) == (1, WEB.sha256)
    assert list(through["latency_ms"]) == ["connect", "tls", "associate", "echo", "find"]
    assert [end["matches"] for end in found["nodes"]] == [1, 1]


@pytest.mark.skipif(not shutil.which("haproxy"), reason="haproxy is not installed")
def test_who_is_refused_at_the_door_is_told_so(door):
    _found, (problem,) = ask(door, "PatientID=PHANTOM1", None)
    assert problem.code == "vip_unanswered" and "calling-AE-title-not-recognized" in problem.text
    assert problem.text.endswith(": the fault is between lb2 and them.")
    assert problem.remedy.startswith("Ask under an AE title that its allowed_calling_ae has")
