# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""playbooks/check.yml itself, run by a load balancer in a network namespace against pynetdicom's servers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import namespaces
import pacs
import pytest
from rendering import REPOSITORY

pytestmark = pytest.mark.skipif(
    bool(namespaces.missing(("unshare", "nsenter", "ip"))), reason=namespaces.missing(("unshare", "nsenter", "ip"))
)

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
    inventory = tmp_path / "hosts.json"
    inventory.write_text(json.dumps(INVENTORY))
    switch = namespaces.Switch()
    host = namespaces.Host(switch, "198.51.100.11")

    def run(*faults, options=(), **variables):
        for address in pacs.ADDRESSES:
            host("ip", "address", "add", f"{address}/32", "dev", "lo")
        served = host.start(sys.executable, str(Path(pacs.__file__)), *faults, stdout=subprocess.PIPE)
        assert served.stdout.readline() == "up\n"
        done = subprocess.run(
            host.command(
                *(sys.executable, "-m", "ansible", "playbook", str(REPOSITORY / "playbooks/check.yml")),
                *("--inventory", str(inventory), "--extra-vars", json.dumps(variables), *options),
            ),
            env={**os.environ, "ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg"), "ANSIBLE_LOCAL_TEMP": str(tmp_path)},
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        return done.returncode, done.stdout

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
    assert "Would store a test object through dicom" in said and "C-STORE" not in said and "changed=0" in said
