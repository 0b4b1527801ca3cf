# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A deployment that tells somebody, and asks by a key, shows no secret, however much it is asked to show."""

from __future__ import annotations

import base64

import namespaces
import played
import pytest

MISSING = namespaces.missing(played.PROGRAMS)
SECRET = "canary-7f3a-canary"
MAILBOX = {"server": "mail", "from": "pacs@example.org", "to": ["ops@example.org"], "starttls": True}


@pytest.mark.skipif(bool(MISSING), reason=str(MISSING))
def test_a_dry_run_with_all_that_ansible_can_show(tmp_path):
    with played.player(tmp_path) as play:
        code, said = play(
            "site",
            "--check",
            "--diff",
            "-vvv",
            hosts={"lb1": played.HERE},
            infinitt_preflight="none",
            infinitt_on_event="/usr/local/sbin/tell --to ops",
            infinitt_check_every="5m",
            infinitt_check_study=f"PatientID={SECRET}",
            infinitt_notify={
                "webhook": {"url": f"https://chat.example.org/{SECRET}", "header": f"X-Key: {SECRET}"},
                "mail": {**MAILBOX, "user": "pacs", "password": SECRET},
            },
        )
    assert code == 0, said
    assert "+++ /etc/loadbalancer/notify.json (root:root 0600)\n(secret: its lines are not shown)\n" in said
    assert "+++ /etc/loadbalancer/check.json (root:root 0600)\n(secret: its lines are not shown)\n" in said
    assert "+OnUnitActiveSec=300s" in said and "loadbalancer-check.timer would be started" in said
    assert "OnSuccess=loadbalancer-notify.service" in said
    # As it is, and as a file's content is handed over: at each of the three places of a text in Base64.
    assert SECRET not in said
    for before in ("", "x", "xx"):
        middle = base64.b64encode(f"{before}{SECRET}".encode()).decode()[4:20]
        assert middle not in said
