# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The record of each of 10,000 sessions in the journals and on a syslog server, against the client's list."""

from __future__ import annotations

import collections
import json
import threading
import time

import pytest
import session_records
from pair import FORWARDED, PAIR, REPOSITORY, measured, other, play, until
from records_server import Server

pytestmark = pytest.mark.skipif(FORWARDED, reason="the records of layer 7")
NUMBER = 10_000
AWAY = 60  # seconds
STOP = "/run/lab-sessions-end"
CLIENT = REPOSITORY / "molecule/shared/files/sessions.py"
WINDOW = 128  # messages that RELP sends ahead of what is acknowledged, for each load balancer: librelp's default


@pytest.fixture(scope="module")
def server(lab):
    with Server(lab["modality"]) as server:
        yield server


@pytest.fixture(scope="module")
def records(lab, server):
    """Both load balancers send there; afterwards nothing of it is left."""
    written = {"syslog": [server.written(relp=False), server.written(relp=True)]}
    assert play("site", infinitt_records=written).code == 0
    yield
    assert play("site").code == 0
    for name in PAIR:
        assert not lab[name].file("/etc/loadbalancer/records.conf").exists
        assert lab[name].run("systemctl is-active loadbalancer-records").stdout.strip() == "inactive"
        assert not lab[name].file("/var/lib/private/loadbalancer-records").exists


def in_the_journals(lab, since):
    return [line for lines in session_records.lines_in_the_journals(lab, since).values() for line in lines]


def counted(lines, client):
    return session_records.ports(session_records.parsed(lines, client))


def compared(seen, found):
    """Of the answered ones, how many are missing, and how many are there more often."""
    answered, broken = (collections.Counter(seen[key]) for key in ("answered", "broken"))
    return sum((answered - found).values()), sum((found - answered - broken).values())


def test_a_burst_over_a_switchover_and_a_reload_while_the_server_is_away(lab, vip, holder, server, records):
    modality = lab["modality"]
    client = session_records.client_address()
    modality.check_output(f"rm -f {STOP}")
    modality.check_output("cat > /srv/sessions.py <<'EOF'\n%s\nEOF" % CLIENT.read_text())
    since = lab["lb1"].check_output("date +%s")
    seen = {}

    def crowd():
        said = modality.check_output(f"nice python3 /srv/sessions.py {vip} {NUMBER} {STOP}")
        seen.update(json.loads(said))

    burst = threading.Thread(target=crowd)
    burst.start()
    try:
        server.stop()
        stopped = time.monotonic()
        lab[holder].check_output("systemctl reload haproxy")
        assert play("switchover", infinitt_to=other(holder)).code == 0
    finally:
        modality.check_output(f"touch {STOP}")
        burst.join()
    assert len(seen["answered"]) >= NUMBER

    assert until(lambda: compared(seen, counted(in_the_journals(lab, since), client))[0] == 0, 60)
    lines = in_the_journals(lab, since)
    measured(f"{len(seen['answered'])} answered, {len(seen['broken'])} broken: {len(lines)} records")
    assert compared(seen, counted(lines, client)) == (0, 0)
    assert not [line for line in lines if "canary" in line]

    until(lambda: time.monotonic() > stopped + AWAY, AWAY + 1)
    server.start()
    for protocol in ("relp", "tls"):
        until(lambda: compared(seen, counted(server.received(protocol), client))[0] == 0, 180)  # noqa: B023
        found = counted(server.received(protocol), client)
        measured(f"{protocol}: {compared(seen, found)} missing and twice")
    assert compared(seen, counted(server.received("relp"), client)) == (0, 0)
    # Syslog has no answer: what was on its way when the server went is lost.
    missing, twice = compared(seen, counted(server.received("tls"), client))
    assert missing <= 10 and twice == 0


def test_a_server_killed_in_a_burst_loses_nothing_by_relp_and_gets_little_twice(lab, vip, holder, server, records):
    modality = lab["modality"]
    client = session_records.client_address()
    modality.check_output("cat > /srv/sessions.py <<'EOF'\n%s\nEOF" % CLIENT.read_text())
    modality.check_output(f"touch {STOP}")
    server.forget()
    before = len(server.received("relp"))
    seen = {}

    def crowd():
        seen.update(json.loads(modality.check_output(f"nice python3 /srv/sessions.py {vip} 3000 {STOP}")))

    burst = threading.Thread(target=crowd)
    burst.start()
    assert until(lambda: len(server.received("relp")) > before + 100, 60)
    server.kill()
    server.start()
    burst.join()
    answered = collections.Counter(seen["answered"])
    until(lambda: not answered - counted(server.received("relp"), client), 120)
    found = counted(server.received("relp"), client)
    measured(f"relp, killed: {compared(seen, found)} missing and twice")
    measured(f"tls, killed: {compared(seen, counted(server.received('tls'), client))} missing and twice")
    missing, twice = compared(seen, found)
    assert missing == 0 and twice <= len(PAIR) * WINDOW
