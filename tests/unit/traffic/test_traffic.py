# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The traffic programs of the lab, with associations of their own on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time

import peers
import pydicom
import pytest
from traffic import blocking, study
from traffic.control import Control
from traffic.echo import Echo
from traffic.journal import Journal
from traffic.stored import Stored


@pytest.fixture
def journal(tmp_path):
    return Journal(str(tmp_path / "journal"))


@contextlib.asynccontextmanager
async def traffic(journal, port, **associations):
    """Associations of our own through a port of loopback, and a study each that is being stored and retrieved."""
    config = {
        "vip": "127.0.0.1",
        "clients": ["127.0.0.2", "127.0.0.3", "127.0.0.4"],
        "ports": dict.fromkeys(("dicom", "query", "mwl"), port),
        "associations": {"echo": 0, "silent": 0, **associations},
        "images": 10,
    }
    for kind in ("store", "get"):
        journal.opened(kind, "127.0.0.2", time.time()).answers = 5
    echo = Echo(config, journal)
    tasks = [asyncio.create_task(work) for work in echo.work()]
    try:
        yield Control(config, journal, echo, stored=None)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


def test_traffic_is_ready_once_every_association_is_open(journal):
    """Or one that opens later, as the last silent ones do, would seem to have been lost."""

    async def wait_for_it(port):
        async with traffic(journal, port, echo=2, silent=3) as control:
            now = (await asyncio.wait_for(control.ready(), 10))["now"]
            return (await control.report(now))["throughout"]

    with peers.Server(peers.verification_scp) as server:
        throughout = asyncio.run(wait_for_it(server.port))
    assert throughout == {"echo": 2, "silent": 3, "store": 1, "get": 1}


def test_an_association_that_breaks_is_noted_and_replaced(journal):
    async def wait_for_it(port):
        async with traffic(journal, port, echo=1):
            while len(journal.since(0, "opened")) < 4:
                await asyncio.sleep(0.01)

    def hang_up_after_associating(connection):
        connection.recv(65536)
        connection.sendall(peers.ACCEPT)
        connection.recv(65536)

    with peers.Server(hang_up_after_associating) as server:
        asyncio.run(wait_for_it(server.port))
    (broken,) = journal.since(0, "broken")
    assert broken["kind"] == "echo" and broken["why"] == "echo: EOFError the connection was closed"
    assert {event["why"] for event in journal.since(0, "failed")} == {broken["why"]}  # those of newcomers


def test_silent_associations_are_used_when_asked_and_not_before(journal):
    async def wait_for_it(port):
        async with traffic(journal, port, silent=1) as control:
            since = (await control.ready())["now"]
            before = await control.report(since)
            return before, await control.report(since, silent=True)

    with peers.Server(peers.verification_scp) as server:
        before, after = asyncio.run(wait_for_it(server.port))
    assert "silent" not in before["pauses"] and after["pauses"]["silent"] < 5
    assert before["throughout"] == after["throughout"]


def test_an_association_that_is_renewed_was_not_there_throughout(journal):
    async def wait_for_it(port):
        async with traffic(journal, port, echo=1, silent=1) as control:
            since = (await control.ready())["now"]
            await control.renew()
            await control.ready()
            return await control.report(since)

    with peers.Server(peers.verification_scp) as server:
        report = asyncio.run(wait_for_it(server.port))
    assert report["throughout"] == {"store": 1, "get": 1}
    assert report["broken"] == report["failed"] == []


def test_the_journal_on_disk_has_every_event(journal, tmp_path):
    association = journal.opened("echo", "127.0.0.2", time.time())
    journal.answered(association, time.time())
    journal.closed(association)
    written = [json.loads(line) for line in (tmp_path / "journal").read_text().splitlines()]
    assert written == journal.events
    assert [event["event"] for event in written] == ["opened", "answer", "closed"]


def test_whoever_still_waits_counts_for_the_longest_pause(journal):
    start = time.time()
    journal.opened("mwl", "127.0.0.2", start).asked = start - 7
    assert journal.pauses(start)["mwl"] == pytest.approx(7, abs=1)


def test_a_blocking_association_is_used_and_released():
    seen = []
    with peers.Server(lambda connection: seen.append(peers.verification_scp(connection))) as server:
        with blocking.Association("127.0.0.1", server.port, 5, "127.0.0.2") as association:
            association.echo()
            association.echo()
            association.release()
        peers.wait_for(lambda: seen)
        assert server.connections == 1


def test_an_image_is_looked_for_until_its_node_is_back():
    found = []
    asking = threading.Thread(target=lambda: found.append(Stored._delete("127.0.0.9", "2.25.7.1", "2.25.7")))
    asking.start()
    asking.join(0.2)
    assert asking.is_alive()
    with peers.Server(peers.http_server(), "127.0.0.9", 8042):
        asking.join(5)
    assert found == [True]


def test_a_study_is_one_that_others_read(tmp_path):
    study.write(tmp_path / "study", "2.25.7", 2, 64)
    images = [pydicom.dcmread(tmp_path / "study" / name) for name in ("1", "2")]
    assert [image.SOPInstanceUID for image in images] == ["2.25.7.1", "2.25.7.2"]
    assert {(image.StudyInstanceUID, image.PatientID, image.Rows, image.Columns) for image in images} == {
        ("2.25.7", study.PATIENT, 64, study.COLUMNS)
    }
    assert images[0].file_meta.TransferSyntaxUID == pydicom.uid.ExplicitVRLittleEndian
    assert images[0].SOPClassUID == pydicom.uid.CTImageStorage
    assert len(images[0].PixelData) == 64 * 1024
