# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The records of what the kernel forwards, in the journals of both load balancers, against the client's own list."""

from __future__ import annotations

import collections
import json
import os
import subprocess
import time
from contextlib import contextmanager

import pytest
import session_records
from pair import ASSOCIATION, FORWARDED, PAIR, measured, other, play, the_holder, traffic, until

pytestmark = pytest.mark.skipif(not FORWARDED, reason="at layer 7 nothing is forwarded")

# Opens so many connections, so many a second, and closes each at once; writes down their ports, and when each ended.
CLIENT = """
import asyncio, json, sys, time
vip, number, rate = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
seen, failed = [], []
async def visit(moment):
    await asyncio.sleep(max(moment - time.monotonic(), 0))
    while True:
        try:
            reader, writer = await asyncio.wait_for(asyncio.open_connection(vip, 104), 30)
            break
        except OSError as error:
            failed.append(repr(error))
            await asyncio.sleep(0.5)
    port = writer.get_extra_info("sockname")[1]
    try:
        writer.write_eof()
        await asyncio.wait_for(reader.read(), 30)
        writer.close()
        await writer.wait_closed()
    except OSError:
        pass  # it was a session all the same
    seen.append((port, time.time()))
async def main():
    began = time.monotonic()
    await asyncio.gather(*[visit(began + turn / rate) for turn in range(number)])
asyncio.run(main())
print(json.dumps({"seen": seen, "failed": failed}))
"""


@contextmanager
def sessions(lab, vip, number, rate):
    """Sessions of the modality; the mapping that it gives is filled when the block ends, and they have."""
    lab["modality"].check_output("cat > /run/lab-sessions.py <<'EOF'\n%s\nEOF" % CLIENT.strip())
    command = f"exec python3 /run/lab-sessions.py {vip} {number} {rate} > /run/lab-sessions.json"
    lab["modality"].check_output("systemd-run --unit lab-sessions --collect sh -c %s", command)
    found = {}
    yield found
    assert until(lambda: lab["modality"].run("systemctl is-active lab-sessions").rc != 0, 300)
    found.update(json.loads(lab["modality"].check_output("cat /run/lab-sessions.json")))


def journals(lab, since):
    """The records of the modality's sessions with this service."""
    found = session_records.in_the_journals(lab, since, session_records.client_address())
    return {name: [record for record in its if record["service"] == "dicom"] for name, its in found.items()}


def given_to_haproxy(lab):
    """How many newcomers no node has answered."""
    return sum(json.loads(lab[name].check_output("layer4 status"))["newcomers"]["given_to_haproxy"] for name in PAIR)


def count(found):
    return session_records.ports(record for its in found.values() for record in its)


def test_a_burst_with_a_switchover_is_recorded_whole_and_once(lab, vip, holder):
    since = time.time()
    before = given_to_haproxy(lab)
    with traffic(lab, vip, **ASSOCIATION) as held, sessions(lab, vip, 10000, 100) as its:
        moved = play("switchover")
        assert moved.code == 0, moved.said
    assert held["failures"] == 0, held["outages"]
    assert the_holder(lab, vip) == other(holder)
    wanted = collections.Counter(port for port, _end in its["seen"])
    until(lambda: count(journals(lab, since)).total() >= wanted.total(), 10)
    found = journals(lab, since)
    measured(
        f"{wanted.total()} sessions, {len(its['failed'])} attempts failed; recorded: "
        f"{', '.join(f'{name} {len(of)}' for name, of in found.items())}; "
        f"missing {(wanted - count(found)).total()}, of which HAProxy had {given_to_haproxy(lab) - before}"
    )
    assert wanted.total() == 10000 and all(found.values())
    # A starved node does not answer a newcomer twice: those HAProxy gets, and silent ones it does not record.
    assert (wanted - count(found)).total() <= given_to_haproxy(lab) - before
    (association,) = [one for its in found.values() for one in its if one["client_port"] not in wanted]
    assert (association["load_balancer"], association["taken_over"]) == (other(holder), True)
    assert not count(found) - wanted - collections.Counter([association["client_port"]])


def keep_the_journal(host):
    """Write it where it outlives a power loss: a container has it in memory, also after each start."""
    host.check_output("umount --lazy /var/log/journal && systemctl restart systemd-journald")


def test_a_power_loss_costs_the_records_of_its_last_second_at_most(lab, vip, holder):
    keep_the_journal(lab[holder])
    since = time.time()
    container = f"pacs-{os.environ['PACS_LAB']}-{holder}"
    with sessions(lab, vip, 3000, 50) as its:
        assert until(lambda: len(journals(lab, since)[holder]) > 500, 60)
        subprocess.run(["podman", "kill", "--signal", "KILL", container], check=True, capture_output=True)
        lost = time.time()
        subprocess.run(["podman", "start", container], check=True, capture_output=True)
    assert until(lambda: lab[holder].run("systemctl is-system-running --wait").stdout.strip() == "running", 120)
    keep_the_journal(lab[holder])
    assert until(lambda: play("status").code == 0, 120)
    wanted = collections.Counter(port for port, _end in its["seen"])
    found = journals(lab, since)
    missing = wanted - count(found)
    ends = [end - lost for port, end in its["seen"] if port in missing]
    measured(
        f"{wanted.total()} sessions, {len(its['failed'])} attempts failed; recorded: "
        f"{', '.join(f'{name} {len(of)}' for name, of in found.items())}; missing {missing.total()},"
        f" twice {(count(found) - wanted).total()}"
    )
    assert all(-1 < end < 1 for end in ends), ends
    assert not count(found) - wanted and all(found.values())
