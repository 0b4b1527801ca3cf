# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whoever was asked for, stored or looked at through the load balancers: nothing of it stays on them, nor in what
playbooks say and collect.
"""

from __future__ import annotations

import re
import tarfile

import pytest
import session_records
from pair import AE, PAIR, header, play, until

OBJECT = "/srv/dicom/CT_small.dcm"
# On the web, as it might name a patient.
PATH, QUERY, COOKIE = "canary-path-3e7b", "canary-query-3e7b", "canary-cookie-3e7b"


def identity(modality):
    """The patient's name, and the UIDs of the study and of the image, in the object that is stored."""
    said = modality.check_output(f"dcmdump +L +P 0010,0010 +P 0020,000d +P 0008,0018 {OBJECT}")
    name, *uids = (
        re.search(rf"\({tag}\) \w\w \[([^\]]+)\]", said)[1] for tag in ("0010,0010", "0020,000d", "0008,0018")
    )
    return name, uids


def asked(modality, *words):
    """What findscu was answered."""
    found = modality.run(f"findscu -aec {AE} " + " ".join(["%s"] * len(words)), *words)
    assert found.rc == 0, found.stderr
    return found.stdout + found.stderr


def known(host):
    """All that a load balancer has written down, or says of itself."""
    host.check_output("systemctl start loadbalancer.service")
    # A metrics' directory is there only where node_exporter is.
    files = host.run("find /run/loadbalancer /var/lib/prometheus -type f -exec cat {} + 2>/dev/null").stdout
    assert '"problems"' in files, "the state is not where it is looked for"
    return {
        "journal": host.check_output("journalctl --all --output cat"),
        "files": files,
        "status": host.check_output("loadbalancer status --json"),
    }


@pytest.fixture(scope="module")
def words(lab, vip):
    """What names a patient or an object, and went through the load balancers, in whose records its sessions are.

    No command on a load balancer may have one of them: sudo would write it to the journal.
    """
    modality = lab["modality"]
    patient, (study, image) = identity(modality)
    client, since = session_records.client_address(), lab["lb1"].check_output("date +%s")

    modality.check_output(f"storescu -aec {AE} {vip} 104 {OBJECT}")
    keys = ("-k", "0008,0052=STUDY", "-k", f"0010,0010={patient}", "-k", "0020,000D=")
    assert study in asked(modality, "-S", *keys, vip, "104")
    assert "Lab^Anna" in asked(modality, "-W", "-k", "0010,0010=Lab^Anna", vip, "204")
    answer = modality.check_output(
        f"curl -sD- -o /dev/null -H 'Cookie: patient={COOKIE}' 'http://{vip}/{PATH}/{study}?patient={QUERY}'"
    )
    assert header(answer, "X-Node") in ("pacs1", "pacs2"), answer

    def services():
        records = session_records.in_the_journals(lab, since, client)
        return {record["service"] for its in records.values() for record in its}

    assert until(lambda: services() >= {"dicom", "mwl", "web"}, 10), services()
    return [patient, patient.partition("^")[0], "Lab^", study, image, PATH, QUERY, COOKIE]


def test_a_check_finds_a_study_a_worklist_and_its_own_object_and_names_nobody(lab, words):
    for node in ("pacs1", "pacs2"):
        address = lab[node].check_output("hostname -I").split()[0]
        lab["modality"].check_output(f"storescu -aet MODALITY -aec {AE} {address} 105 {OBJECT}")
    _patient, (study, _image) = identity(lab["modality"])
    told = play(
        "check",
        "-vvv",
        infinitt_check_study=f"StudyInstanceUID={study}",
        infinitt_check_worklist="PatientName=Lab^Anna",
        infinitt_check_store="query",
    )
    assert told.code == 0, told.said[-4000:]
    assert "stored through query and found through query" in told.said, told.said[-4000:]
    assert set(told.changed.values()) <= {0, 1}
    # Ansible shows the command line of -vvv and no more of what was asked.
    assert [word for word in words if word in told.said.partition("PLAY [")[2]] == []


def test_nothing_on_the_load_balancers_names_a_patient(lab, words):
    everything = {(name, where): its for name in PAIR for where, its in known(lab[name]).items()}
    assert [(word, *place) for word in words for place, its in everything.items() if word in its] == []


def test_a_support_bundle_has_what_a_pair_knows_and_names_nobody(words, tmp_path):
    done = play("support_bundle", infinitt_report_dir=str(tmp_path))
    assert done.code == 0, done.said
    (archive,) = tmp_path.glob("support-*.tar.gz")
    with tarfile.open(archive) as bundle:
        parts = {its.name.partition("/")[2]: bundle.extractfile(its).read().decode() for its in bundle if its.isfile()}
    for name in PAIR:
        its = {path.removeprefix(f"{name}/"): text for path, text in parts.items() if path.startswith(f"{name}/")}
        assert "frontend web" in its["configuration/haproxy.cfg"] and '"problems"' in its["status.json"], sorted(its)
        assert "playbooks/site.yml" in its["logs/runs.log"] and "Keepalived" in its["logs/keepalived.log"], sorted(its)
        assert "[Service]" in its["systemd/system/haproxy.service.d/hardening.conf"], sorted(its)
    assert [(word, path) for word in words for path, text in parts.items() if word in text] == []
