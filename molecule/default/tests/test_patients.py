# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whoever was asked for, stored or looked at through the load balancers: nothing of it stays on them."""

from __future__ import annotations

import re

import session_records
from pair import AE, PAIR, header, until

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


def test_nothing_on_the_load_balancers_names_a_patient(lab, vip):
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

    # All of it came through the load balancers, and is in their records.
    def services():
        records = session_records.in_the_journals(lab, since, client)
        return {record["service"] for its in records.values() for record in its}

    assert until(lambda: services() >= {"dicom", "mwl", "web"}, 10), services()

    # None of these words is in a command on a load balancer: sudo would write it to the journal.
    words = [patient, patient.partition("^")[0], "Lab^", study, image, PATH, QUERY, COOKIE]
    everything = {(name, where): its for name in PAIR for where, its in known(lab[name]).items()}
    found = [(word, *place) for word in words for place, its in everything.items() if word in its]
    assert found == []
