# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""C-FIND and C-STORE as infinitt_backend_check sends them, to pynetdicom's servers and to peers that mean no good."""

from __future__ import annotations

import json
import re
import select
import tracemalloc

import peers
import pytest
from asked import TIMEOUT, ask, error_of
from pki import NAME, ROOT, WEB
from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom.sop_class import (
    ModalityWorklistInformationFind,
    SecondaryCaptureImageStorage,
    StudyRootQueryRetrieveInformationModelFind,
    Verification,
)

from ansible_collections.pacs.loadbalancer.plugins.module_utils._dicom import dataset, dimse, pdu, stream
from ansible_collections.pacs.loadbalancer.plugins.modules import infinitt_backend_check

PATIENT = 3
UID = "2.25.4711"
EVERYTHING = (
    Verification,
    StudyRootQueryRetrieveInformationModelFind,
    ModalityWorklistInformationFind,
    SecondaryCaptureImageStorage,
)


class Pacs:
    """pynetdicom's SCP, and what it was asked: identifiers, objects, and how associations ended."""

    def __init__(self, answers=(), contexts=EVERYTHING, stores=lambda event: 0x0000, **settings):
        self.asked, self.stored, self.ended, self.cancelled = [], [], [], []
        self._answers, self._stores = answers, stores
        ae = AE("INFINITT")
        for context in contexts:
            ae.add_supported_context(context)
        for name, value in settings.items():
            setattr(ae, name, value)
        handlers = [
            (evt.EVT_C_FIND, self._find),
            (evt.EVT_C_STORE, self._store),
            (evt.EVT_RELEASED, lambda event: self.ended.append("released")),
            (evt.EVT_ABORTED, lambda event: self.ended.append("aborted")),
        ]
        self._server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
        self.port = self._server.server_address[1]

    def _find(self, event):
        self.asked.append(event.identifier)
        for answer in self._answers(event) if callable(self._answers) else self._answers:
            if event.is_cancelled:
                self.cancelled.append(event.request.MessageID)
                yield 0xFE00, None
                return
            yield answer

    def _store(self, event):
        self.stored.append(event.dataset)
        return self._stores(event)

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        self._server.shutdown()


def study(number=1):
    found = Dataset()
    found.QueryRetrieveLevel = "STUDY"
    found.StudyInstanceUID = f"2.25.{number}"
    found.PatientName = "CANARY^PATIENT"
    return found


def find(port, **keys):
    return ask(port, "find", timeout=PATIENT, **keys)


# --- C-FIND ---------------------------------------------------------------------------------------------------------


def test_a_study_is_asked_for_by_the_users_key_and_counted():
    with Pacs([(0xFF00, study())]) as pacs:
        described = find(pacs.port, key="PatientID=PHANTOM1, ModalitiesInStudy=CT")
        peers.wait_for(lambda: pacs.ended)
    assert described["error"] is None
    assert list(described["latency_ms"]) == ["connect", "associate", "echo", "find"]
    assert (described["matches"], described["more"]) == (1, False)
    (identifier,) = pacs.asked
    assert (identifier.QueryRetrieveLevel, identifier.PatientID, identifier.ModalitiesInStudy) == (
        "STUDY",
        "PHANTOM1",
        "CT",
    )
    assert pacs.ended == ["released"]


def test_without_a_key_nobodys_study_is_asked_for():
    with Pacs() as pacs:
        described = find(pacs.port)
    assert (described["error"], described["matches"]) == (None, 0)
    assert pacs.asked[0].StudyInstanceUID == dataset.TEST_STUDY


def test_a_worklist_is_asked_for_as_a_modality_does():
    with Pacs([(0xFF01, study()), (0xFF00, study())], contexts=[ModalityWorklistInformationFind]) as pacs:
        described = find(pacs.port, find="worklist", key="ScheduledStationAETitle=CT1,AccessionNumber=7")
    # Who does not accept Verification is not asked for it.
    assert list(described["latency_ms"]) == ["connect", "associate", "find"]
    assert (described["error"], described["matches"]) == (None, 2)
    (step,) = pacs.asked[0].ScheduledProcedureStepSequence
    assert (step.ScheduledStationAETitle, step.Modality, pacs.asked[0].AccessionNumber) == ("CT1", "", "7")


def test_no_more_matches_are_taken_than_the_limit_and_the_rest_is_cancelled():
    def matches(_event):
        for number in range(1000):
            # One that takes its time, as a database does, sees the cancellation.
            select.select([], [], [], 0.02)
            yield 0xFF00, study(number)

    with Pacs(matches) as pacs:
        described = find(pacs.port, limit=3)
        peers.wait_for(lambda: pacs.ended)
    assert (described["error"], described["matches"], described["more"]) == (None, 3, True)
    assert pacs.cancelled and pacs.ended == ["released"]


def test_the_last_match_may_be_the_limit():
    with Pacs([(0xFF00, study())] * 3) as pacs:
        described = find(pacs.port, limit=3)
        peers.wait_for(lambda: pacs.ended)
    assert (described["matches"], pacs.ended) == (3, ["released"])


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (0xA700, "status A700H, refused: out of resources"),
        (0xA900, "status A900H, error: data set does not match SOP class"),
        (0xC001, "status C001H, failed: unable to process"),
        (0x0124, "status 0124H, not authorized"),
        (0xFE00, None),
    ],
)
def test_a_status_is_said_in_words_and_the_association_released(status, words):
    with Pacs([(status, None)]) as pacs:
        error = find(pacs.port)["error"]
        peers.wait_for(lambda: pacs.ended)
    assert error == (words and {"kind": "find_status", "text": f"answered C-FIND with {words}"})
    assert pacs.ended == ["released"]


def test_one_that_does_no_c_find_is_reported_and_released():
    with Pacs(contexts=[Verification]) as pacs:
        error = find(pacs.port)["error"]
        peers.wait_for(lambda: pacs.ended)
    assert error["kind"] == "not_accepted"
    assert error["text"].startswith(
        "accepted the association but not Study Root Query/Retrieve - FIND: abstract-syntax"
    )
    assert pacs.ended == ["released"]


def test_the_test_object_must_be_among_what_is_found():
    def answers(event):
        assert (event.identifier.QueryRetrieveLevel, event.identifier.StudyInstanceUID) == ("IMAGE", dataset.TEST_STUDY)
        other = Dataset()
        other.SOPInstanceUID = "2.25.1"
        yield 0xFF00, other
        if stored:
            yield 0xFF00, event.identifier

    for stored in (False, True):
        with Pacs(answers) as pacs:
            described = find(pacs.port, find="object", object_uid=UID)
        if stored:
            assert (described["error"], described["matches"]) == (None, 1)
        else:
            assert described["error"] == {"kind": "not_found", "text": "does not find the test object"}


def test_it_finds_over_tls(tmp_path):
    def behave(connection):
        for answer in (AC_FIND, peers.echo_response(), response(0x0000), peers.RELEASED):
            connection.recv(65536)
            connection.sendall(answer)

    with peers.Server(peers.over_tls(behave, WEB.served(tmp_path))) as server:
        tls = {"ca": ROOT.pem, "name": NAME, "fingerprints": [], "verify": True}
        described = find(server.port, tls=tls)
    assert (described["error"], described["matches"]) == (None, 0)
    assert "tls" in described["latency_ms"]


# --- C-STORE --------------------------------------------------------------------------------------------------------


def test_the_test_object_is_stored_and_is_a_whole_image():
    with Pacs(maximum_pdu_size=64) as pacs:  # what is sent is cut to what the peer takes
        described = ask(pacs.port, "store", timeout=PATIENT, object_uid=UID)
        peers.wait_for(lambda: pacs.ended)
    assert (described["error"], described["note"]) == (None, None)
    assert list(described["latency_ms"]) == ["connect", "associate", "echo", "store"]
    (stored,) = pacs.stored
    assert (stored.SOPInstanceUID, stored.SOPClassUID) == (UID, SecondaryCaptureImageStorage)
    assert len(stored.PixelData) == stored.Rows * stored.Columns
    assert pacs.ended == ["released"]


def test_a_warning_is_a_note_and_a_refusal_an_error():
    with Pacs(stores=lambda event: 0xB000) as pacs:
        described = ask(pacs.port, "store", timeout=PATIENT, object_uid=UID)
    assert described["error"] is None
    assert described["note"] == "stored the test object with a warning: status B000H, coercion of data elements"
    with Pacs(stores=lambda event: 0xA700) as pacs:
        error = ask(pacs.port, "store", timeout=PATIENT, object_uid=UID)["error"]
    assert error == {"kind": "store_status", "text": "answered C-STORE with status A700H, refused: out of resources"}


# --- peers that mean no good ----------------------------------------------------------------------------------------

AC_FIND = stream.encode(pdu.AssociateAC(contexts=(pdu.ContextResult(1), pdu.ContextResult(3))))


def response(status, data=None, kind=dimse.FindRSP, last=True, number=2):
    """What a peer answers to C-FIND: the command, and the identifier where there is one."""
    command = stream.encode(pdu.PData((pdu.PDV(3, kind(number, status, data is not None).encode()),)))
    if data is None:
        return command
    return command + stream.encode(pdu.PData((pdu.PDV(3, data, command=False, last=last),)))


def found(*answers, then="hang"):
    return peers.says(AC_FIND, peers.echo_response(), *answers, then=then)


def match():
    return response(0xFF00, b"\0" * 64)


def endless(first, chunk):
    def behave(connection):
        for answer in (AC_FIND, peers.echo_response(), first):
            connection.recv(65536)
            connection.sendall(answer)
        while True:
            connection.sendall(chunk)

    return behave


HOSTILE = {
    "silent": (found(), "timeout", "timed out after 0.2 s without C-FIND-RSP"),
    "silent after a match": (found(match()), "timeout", "without C-FIND-RSP"),
    "match without an identifier": (found(response(0xFF00)), "malformed", "without an identifier"),
    "no identifier after all": (
        found(response(0xFF00, b"x", last=False) + response(0x0000)),
        "wrong_pdu",
        "sent a command where the identifier of C-FIND-RSP was expected",
    ),
    "identifier at once": (found(match()[-80:]), "wrong_pdu|malformed", ""),
    "another message": (found(response(0x0000, number=7)), "wrong_pdu", "answered message 7 where message 2"),
    "another command": (found(response(0x0000, kind=dimse.StoreRSP)), "wrong_pdu", "sent C-STORE-RSP where C-FIND-RSP"),
    "empty fragments": (endless(response(0xFF00, b"", last=False), b""), "malformed", "identifier of empty fragments"),
    "closes": (found(response(0xFF00, b"x", last=False), then="close"), "closed", "without C-FIND-RSP"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_peer_costs_at_most_the_timeout(name):
    behave, expected, words = HOSTILE[name]
    kind, text = error_of(behave, "find")
    assert re.fullmatch(expected, kind), (kind, text)
    assert words in text


FRAGMENT = stream.encode(pdu.PData((pdu.PDV(3, bytes(16000), command=False, last=False),)))


@pytest.mark.parametrize("uid", ["", UID])
def test_an_endless_identifier_costs_the_timeout_and_bounded_memory(uid):
    keys = {"find": "object", "object_uid": uid} if uid else {}
    with peers.Server(endless(response(0xFF00, b"x", last=False), FRAGMENT * 4)) as server:
        tracemalloc.start(1)
        try:
            described = ask(server.port, "find", **keys)
            assert tracemalloc.get_traced_memory()[1] < 4_000_000
        finally:
            tracemalloc.stop()
    assert described["error"]["kind"] == "timeout"


def test_matches_without_end_were_an_answer_all_the_same():
    """A PACS that sends on although the C-FIND was cancelled costs the timeout."""

    def behave(connection):
        for answer in (AC_FIND, peers.echo_response()):
            connection.recv(65536)
            connection.sendall(answer)
        while True:
            connection.sendall(match() * 100)

    with peers.Server(behave) as server:
        described = ask(server.port, "find", limit=5)
    assert (described["error"], described["matches"], described["more"]) == (None, 5, True)
    assert described["total_ms"] < TIMEOUT * 1000


# --- the module -----------------------------------------------------------------------------------------------------


def run(capsys, port, check_mode=False, **keys):
    return peers.run_module(
        infinitt_backend_check,
        capsys,
        nodes=[{"name": "pacs1", "address": "127.0.0.1"}],
        services=[{"name": "query", "port": port, **keys}],
        _ansible_check_mode=check_mode,
    )


def test_no_key_and_no_patient_is_in_a_result(capsys):
    with Pacs([(0xFF00, study())]) as pacs:
        code, result = run(capsys, pacs.port, check="find", key="PatientName=CANARY^PATIENT")
    assert (code, result["endpoints"][0]["matches"], result["changed"]) == (0, 1, False)
    assert pacs.asked[0].PatientName == "CANARY^PATIENT"
    assert "CANARY" not in json.dumps(result).replace(json.dumps(result["invocation"]), "")
    assert result["invocation"]["module_args"]["services"][0]["key"] == "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"


@pytest.mark.parametrize("check_mode", [False, True])
def test_storing_is_a_change_and_check_mode_stores_nothing(capsys, check_mode):
    with Pacs() as pacs:
        code, result = run(capsys, pacs.port, check_mode, check="store", object_uid=UID)
    assert (code, result["changed"], len(pacs.stored)) == (0, not check_mode, int(not check_mode))


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"key": "PHANTOM-CANARY"}, "key is not of the form KEYWORD=VALUE"),
        ({"key": "PatentID=CANARY"}, "key has a keyword other than PatientID, PatientName,"),
        ({"key": "Modality=CT"}, "key has a keyword other than"),
        ({"key": "PatientID=1,PatientID=2"}, "key has PatientID twice"),
        ({"key": "PatientID=CANÄRY"}, "key has for PatientID what is not up to 64"),
        ({"key": "StudyInstanceUID=1.02"}, "key has for StudyInstanceUID what is no UID"),
        ({"find": "object"}, "object_uid is '', which is no UID"),
        ({"limit": 0}, "limit is 0: it must be 1 or more"),
    ],
)
def test_what_cannot_be_is_refused_with_a_sentence_that_has_no_value(capsys, keys, words):
    code, result = run(capsys, 104, check="find", **keys)
    assert code == 1 and result["msg"].startswith(f"service query: {words}")
    assert "CAN" not in result["msg"]
