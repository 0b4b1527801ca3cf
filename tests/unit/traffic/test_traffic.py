# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The traffic programs of the lab, with associations of their own on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import threading
import time

import peers
import pydicom
import pytest
from traffic import blocking, study, web
from traffic.control import Control
from traffic.echo import Echo
from traffic.journal import Journal
from traffic.stored import Stored
from traffic.visits import Visits


@pytest.fixture
def journal(tmp_path):
    return Journal(str(tmp_path / "journal"))


def serve(body, announced=None):
    """Behave as a web server that answers with this body, and announces so many bytes."""

    def behave(connection):
        connection.recv(65536)
        length = len(body) if announced is None else announced
        connection.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n".encode() + body)

    return behave


@contextlib.asynccontextmanager
async def traffic(journal, port, **associations):
    """Associations of our own through a port of loopback, and what is being stored, retrieved and downloaded."""
    page = peers.Server(serve(b""))
    config = {
        "vip": "127.0.0.1",
        "clients": ["127.0.0.2", "127.0.0.3", "127.0.0.4"],
        "ports": {**dict.fromkeys(("dicom", "query", "mwl"), port), "web": page.port},
        "associations": {"echo": 0, "silent": 0, **associations},
        "images": 10,
        "download": 10 * web.PIECE,
    }
    for kind in ("store", "get", "download"):
        journal.opened(kind, "127.0.0.2", time.time()).answers = 5
    echo, visits = Echo(config, journal), Visits(config, journal)
    tasks = [asyncio.create_task(work) for work in (*echo.work(), visits.work())]
    try:
        yield Control(config, journal, echo, visits, stored=None)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        page.close()


def test_traffic_is_ready_once_every_association_is_open(journal):
    """Or one that opens later, as the last silent ones do, would seem to have been lost."""

    async def wait_for_it(port):
        async with traffic(journal, port, echo=2, silent=3) as control:
            now = (await asyncio.wait_for(control.ready(), 10))["now"]
            return (await control.report(now))["throughout"]

    with peers.Server(peers.verification_scp) as server:
        throughout = asyncio.run(wait_for_it(server.port))
    assert throughout == {"echo": 2, "silent": 3, "store": 1, "get": 1, "download": 1}


def test_what_is_open_is_noted_when_it_is_counted(journal):
    async def wait_for_it(port):
        async with traffic(journal, port, echo=2) as control:
            await asyncio.wait_for(control.ready(), 10)
            journal.closed(journal.of("store")[0])
            await control.count()

    with peers.Server(peers.verification_scp) as server:
        asyncio.run(wait_for_it(server.port))
    opened, closed = ({entry["number"] for entry in journal.since(0, event)} for event in ("opened", "closed"))
    assert {*journal.since(0, "open")[0]["numbers"]} == opened - closed and len(opened) == 5


def test_an_association_that_breaks_is_noted_and_replaced(journal):
    async def wait_for_it(port):
        async with traffic(journal, port, echo=1):
            while len(journal.since(0, "opened")) < 5:
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
    assert report["throughout"] == {"store": 1, "get": 1, "download": 1}
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


# --- downloads --------------------------------------------------------------------------------------------------------


SIZE = 3 * web.PIECE + 1000
FILE = web.content(SIZE)


def events_of_downloads(journal, behave, until):
    """Return the events of downloads from a server that behaves so, up to the first of this kind."""

    async def download(port):
        config = {"vip": "127.0.0.1", "own": "127.0.0.2", "ports": {"web": port}, "download": SIZE}
        task = asyncio.create_task(web.Downloads(config, journal).work())
        while not journal.since(0, until):
            await asyncio.sleep(0.01)
            assert not task.done(), task.result()
        task.cancel()
        await asyncio.wait([task])

    with peers.Server(behave) as server:
        asyncio.run(asyncio.wait_for(download(server.port), 10))
    events = [event["event"] for event in journal.events]
    return journal.events[: events.index(until) + 1]


@pytest.fixture
def fast(monkeypatch):
    monkeypatch.setattr(web, "RATE", 1000)


def test_a_download_that_arrives_complete_has_an_answer_for_each_piece(journal, fast):
    events = events_of_downloads(journal, serve(FILE), "downloaded")
    assert [event["event"] for event in events] == ["opened", *4 * ["answer"], "closed", "downloaded"]
    assert {(event["kind"], event["number"]) for event in events} == {("download", 1)}
    assert events[-1]["bytes"] == SIZE and all("waited" in event for event in events[1:5])


@pytest.mark.parametrize(
    "body, announced, why",
    [
        (FILE[: 2 * web.PIECE + 1], SIZE, "read: IncompleteReadError 1 bytes read on a total of 262144 expected bytes"),
        (FILE[:-1] + bytes([FILE[-1] ^ 1]), SIZE, "wrong content in the 1000 bytes from 786432 on"),
        (FILE[:-1], SIZE - 1, "Content-Length is 787431, and the file has 787432 bytes"),
    ],
)
def test_a_download_that_is_cut_short_or_altered_is_broken(journal, fast, body, announced, why):
    events = events_of_downloads(journal, serve(body, announced), "broken")
    assert events[-1]["why"].startswith(why) and journal.since(0, "downloaded") == [] and not journal.alive


def test_a_download_of_a_file_that_is_not_there_is_broken(journal):
    def refuse(connection):
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")

    events = events_of_downloads(journal, refuse, "broken")
    assert events[-1]["why"] == "GET: HTTP/1.1 404 Not Found"


def test_a_download_rests_between_its_pieces_and_that_is_no_pause(journal):
    events = events_of_downloads(journal, serve(FILE), "downloaded")
    took = events[-1]["t"] - events[0]["t"]
    assert took > 4 / web.RATE - 0.01 and sum(event.get("waited", 0) for event in events) < 0.7 * took


@pytest.mark.parametrize("kind", ["store", "get", "download"])
@pytest.mark.parametrize("answers", [0, 10])
def test_traffic_is_ready_while_all_that_is_large_is_in_the_middle(journal, kind, answers):
    async def wait_for_it(port):
        async with traffic(journal, port) as control:
            (download,) = journal.of("download")
            assert (await asyncio.wait_for(control.ready(), 10))["download"] == download.number
            journal.of(kind)[0].answers = answers
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(control.ready(), 0.3)

    with peers.Server(peers.verification_scp) as server:
        asyncio.run(wait_for_it(server.port))


def test_the_file_is_the_same_everywhere(tmp_path):
    web.write(tmp_path / "file", 1000)
    digest = hashlib.sha256((tmp_path / "file").read_bytes()).hexdigest()
    assert digest == "ab1033887fb8fc4ae4c65efb10af0a74eac257ef7260f450a6c17bcbc704ed6b"


def test_the_web_is_visited_as_every_service_is(journal):
    async def report(port):
        async with traffic(journal, port) as control:
            return await control.report(0)

    with peers.Server(peers.verification_scp) as server:
        visits = asyncio.run(report(server.port))["visits"]
    assert len(visits) == 6 and {visit["broken"] for visit in visits} == {""}
