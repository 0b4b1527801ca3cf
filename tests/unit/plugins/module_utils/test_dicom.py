# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.pacs.loadbalancer.plugins.module_utils._dicom import constants, dataset, dimse, items, stream
from ansible_collections.pacs.loadbalancer.plugins.module_utils._dicom.association import Requestor
from ansible_collections.pacs.loadbalancer.plugins.module_utils._dicom.commands import CancelRQ, EchoRQ, FindRQ, StoreRQ
from ansible_collections.pacs.loadbalancer.plugins.module_utils._dicom.dimse import EchoRSP, FindRSP, StoreRSP
from ansible_collections.pacs.loadbalancer.plugins.module_utils._dicom.errors import DicomError
from ansible_collections.pacs.loadbalancer.plugins.module_utils._dicom.items import (
    ContextResult,
    PresentationContext,
    UserInformation,
)
from ansible_collections.pacs.loadbalancer.plugins.module_utils._dicom.pdu import (
    PDV,
    Abort,
    AssociateAC,
    AssociateRJ,
    AssociateRQ,
    PData,
    ReleaseRP,
    ReleaseRQ,
)
from ansible_collections.pacs.loadbalancer.plugins.module_utils._dicom.stream import Decoder

octet = st.integers(0, 255)
us = st.integers(0, 0xFFFF)
uid = st.from_regex(r"[0-9](\.?[0-9]){0,30}", fullmatch=True)
ae_title = st.text(
    st.characters(min_codepoint=0x20, max_codepoint=0x7E, exclude_characters="\\"), min_size=1, max_size=16
).filter(lambda s: s == s.strip())
user = st.builds(UserInformation, st.integers(0, 2**32 - 1), uid, ae_title)
contexts_rq = st.lists(st.builds(PresentationContext, octet, uid, st.lists(uid, max_size=4).map(tuple)), max_size=4)
contexts_ac = st.lists(st.builds(ContextResult, octet, octet, uid), max_size=4)
pdv = st.builds(PDV, octet, st.binary(max_size=80), st.booleans(), st.booleans())
pdus = st.one_of(
    st.builds(AssociateRQ, ae_title, ae_title, contexts_rq.map(tuple), user),
    st.builds(AssociateAC, ae_title, ae_title, contexts_ac.map(tuple), user),
    st.builds(AssociateRJ, octet, octet, octet),
    st.builds(PData, st.lists(pdv, max_size=4).map(tuple)),
    st.just(ReleaseRQ()),
    st.just(ReleaseRP()),
    st.builds(Abort, octet, octet),
)
# Bytes that get past the header often enough to reach the parsers behind it.
framed = st.builds(
    lambda kind, body: bytes((kind, 0)) + len(body).to_bytes(4, "big") + body,
    st.integers(1, 7),
    st.one_of(
        st.binary(max_size=120),
        st.builds(
            lambda head, items: head + b"".join(items),
            st.binary(min_size=68, max_size=68),
            st.lists(
                st.builds(
                    lambda k, v: bytes((k, 0)) + len(v).to_bytes(2, "big") + v,
                    st.sampled_from([0x10, 0x20, 0x21, 0x50]),
                    st.binary(max_size=40),
                )
            ),
        ),
    ),
)


def decode_all(chunks, **limits):
    """PDUs and, at the end, the kind of the error if one came."""
    decoder = Decoder(**limits)
    found = []
    for chunk in chunks:
        decoder.feed(chunk)
        try:
            while (pdu := decoder.next_pdu()) is not None:
                found.append(pdu)
        except DicomError as error:
            return found, error.kind
    return found, None


@given(st.lists(pdus, max_size=5))
def test_pdus_survive_the_round_trip(sent):
    assert decode_all([b"".join(map(stream.encode, sent))]) == (sent, None)


@given(
    st.one_of(
        st.builds(EchoRQ, us),
        *(st.builds(response, us, us, st.booleans()) for response in (EchoRSP, FindRSP, StoreRSP)),
    )
)
def test_messages_survive_the_round_trip(message):
    assert dimse.decode_command(message.encode()) == message


@settings(max_examples=150)
@given(st.one_of(st.binary(max_size=200), st.lists(framed, max_size=3).map(b"".join)))
def test_random_bytes_raise_nothing_but_the_codecs_error(data):
    decode_all([data])


@given(st.binary(max_size=200))
def test_random_command_sets_raise_nothing_but_the_codecs_error(data):
    try:
        dimse.decode_command(data)
    except DicomError:
        return


@settings(max_examples=150)
@given(
    st.data(),
    st.one_of(st.binary(max_size=200), st.lists(st.one_of(framed, pdus.map(stream.encode)), max_size=4).map(b"".join)),
)
def test_how_the_bytes_are_cut_makes_no_difference(data, stream):
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    chunks = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)])]
    assert decode_all(chunks) == decode_all([stream])
    assert decode_all(bytes((b,)) for b in stream) == decode_all([stream])


@given(
    st.lists(st.one_of(framed, pdus.map(stream.encode), st.binary(max_size=100)), max_size=3),
    st.sampled_from([["associate"], ["echo"], ["release"], ["find", b"", 2], ["cancel"], ["store", "1.2", b""]]),
)
def test_a_requestor_answers_random_peers_with_nothing_but_the_codecs_error(answers, step):
    requestor = Requestor()
    getattr(requestor, step[0])(*step[1:])
    try:
        for answer in answers:
            if requestor.receive(answer) is not None:
                return
    except DicomError as error:
        assert error.text


def test_the_bytes_are_those_of_the_standard():
    request = AssociateRQ("PACS", "LB", (PresentationContext(),), UserInformation(16384, "1.2", "V1"))
    assert stream.encode(request) == (
        b"\x01\x00"
        + (68 + 25 + 50 + 4 + 8 + 7 + 6).to_bytes(4, "big")
        + b"\x00\x01\x00\x00"
        + b"PACS            "
        + b"LB              "
        + bytes(32)
        + b"\x10\x00\x00\x15"
        + b"1.2.840.10008.3.1.1.1"
        + b"\x20\x00\x00\x2e"
        + b"\x01\x00\x00\x00"
        + b"\x30\x00\x00\x11"
        + b"1.2.840.10008.1.1"
        + b"\x40\x00\x00\x11"
        + b"1.2.840.10008.1.2"
        + b"\x50\x00\x00\x15"
        + b"\x51\x00\x00\x04\x00\x00\x40\x00"
        + b"\x52\x00\x00\x03"
        + b"1.2"
        + b"\x55\x00\x00\x02"
        + b"V1"
    )
    assert stream.encode(PData((PDV(1, EchoRQ(7).encode()),))) == (
        b"\x04\x00\x00\x00\x00\x4a"
        + b"\x00\x00\x00\x46\x01\x03"
        + b"\x00\x00\x00\x00\x04\x00\x00\x00\x38\x00\x00\x00"
        + b"\x00\x00\x02\x00\x12\x00\x00\x00"
        + b"1.2.840.10008.1.1\x00"
        + b"\x00\x00\x00\x01\x02\x00\x00\x00\x30\x00"
        + b"\x00\x00\x10\x01\x02\x00\x00\x00\x07\x00"
        + b"\x00\x00\x00\x08\x02\x00\x00\x00\x01\x01"
    )
    assert FindRQ(7, constants.WORKLIST_FIND).encode() == (
        b"\x00\x00\x00\x00\x04\x00\x00\x00\x46\x00\x00\x00"
        + b"\x00\x00\x02\x00\x16\x00\x00\x00"
        + b"1.2.840.10008.5.1.4.31"
        + b"\x00\x00\x00\x01\x02\x00\x00\x00\x20\x00"
        + b"\x00\x00\x10\x01\x02\x00\x00\x00\x07\x00"
        + b"\x00\x00\x00\x07\x02\x00\x00\x00\x00\x00"
        + b"\x00\x00\x00\x08\x02\x00\x00\x00\x01\x00"
    )
    assert CancelRQ(7).encode() == (
        b"\x00\x00\x00\x00\x04\x00\x00\x00\x1e\x00\x00\x00"
        + b"\x00\x00\x00\x01\x02\x00\x00\x00\xff\x0f"
        + b"\x00\x00\x20\x01\x02\x00\x00\x00\x07\x00"
        + b"\x00\x00\x00\x08\x02\x00\x00\x00\x01\x01"
    )
    assert StoreRQ(7, "1.2", "1.2.3").encode()[-14:] == b"\x00\x00\x00\x10\x06\x00\x00\x001.2.3\x00"
    assert dataset.study_identifier({"PatientID": "A1B", "StudyInstanceUID": "1.2"}) == (
        b"\x08\x00\x52\x00\x06\x00\x00\x00STUDY "
        + b"\x10\x00\x20\x00\x04\x00\x00\x00A1B "
        + b"\x20\x00\x0d\x00\x04\x00\x00\x001.2\x00"
    )
    assert dataset.worklist_identifier({"Modality": "CT"}) == (
        b"\x40\x00\x00\x01\x22\x00\x00\x00"
        + b"\xfe\xff\x00\xe0\x1a\x00\x00\x00"
        + b"\x08\x00\x60\x00\x02\x00\x00\x00CT"
        + b"\x40\x00\x01\x00\x00\x00\x00\x00"
        + b"\x40\x00\x02\x00\x00\x00\x00\x00"
        + b"\x40\x00\x01\x10\x00\x00\x00\x00"
    )
    assert stream.encode(ReleaseRQ()) == bytes.fromhex("05000000000400000000")
    assert stream.encode(Abort(2, 6)) == bytes.fromhex("07000000000400000206")


def test_pynetdicom_reads_what_is_written():
    from pynetdicom.pdu import A_ASSOCIATE_RQ, P_DATA_TF

    request = A_ASSOCIATE_RQ()
    request.decode(stream.encode(AssociateRQ("PACS", "LB")))
    assert (request.called_ae_title, request.calling_ae_title) == ("PACS", "LB")
    assert request.presentation_context[0].abstract_syntax == constants.VERIFICATION
    assert request.user_information.maximum_length == items.MAX_LENGTH
    data = P_DATA_TF()
    data.decode(stream.encode(PData((PDV(1, EchoRQ().encode()),))))
    assert data.presentation_data_value_items[0].presentation_data_value[1:] == EchoRQ().encode()


@pytest.mark.parametrize(
    ("rejection", "words"),
    [
        ((1, 1, 7), "rejected-permanent, DICOM UL service-user, called-AE-title-not-recognized"),
        ((1, 1, 3), "rejected-permanent, DICOM UL service-user, calling-AE-title-not-recognized"),
        ((1, 1, 2), "rejected-permanent, DICOM UL service-user, application-context-name-not-supported"),
        (
            (1, 2, 2),
            "rejected-permanent, DICOM UL service-provider (ACSE related function), protocol-version-not-supported",
        ),
        (
            (2, 3, 1),
            "rejected-transient, DICOM UL service-provider (Presentation related function), temporary-congestion",
        ),
        (
            (2, 3, 2),
            "rejected-transient, DICOM UL service-provider (Presentation related function), local-limit-exceeded",
        ),
        ((9, 8, 7), "result 9, source 8, reason 7"),
    ],
)
def test_a_rejection_has_the_terms_of_the_standard(rejection, words):
    requestor = Requestor()
    requestor.associate()
    with pytest.raises(DicomError) as error:
        requestor.receive(stream.encode(AssociateRJ(*rejection)))
    assert (error.value.kind, error.value.text) == ("rejected", f"rejected the association: {words}")
    assert requestor.rejection.busy == (rejection[:2] == (2, 3))


@pytest.mark.parametrize(
    ("abort", "words"),
    [
        ((0, 0), "DICOM UL service-user"),
        ((2, 0), "DICOM UL service-provider, reason-not-specified"),
        ((2, 2), "DICOM UL service-provider, unexpected-PDU"),
        ((2, 6), "DICOM UL service-provider, invalid-PDU-parameter value"),
    ],
)
def test_an_abort_has_the_terms_of_the_standard(abort, words):
    requestor = associated()
    requestor.echo()
    with pytest.raises(DicomError) as error:
        requestor.receive(stream.encode(Abort(*abort)))
    assert (error.value.kind, error.value.text) == ("aborted", f"aborted the association: {words}")
    assert not requestor.associated


def associated():
    requestor = Requestor()
    requestor.associate()
    assert requestor.receive(stream.encode(AssociateAC())) is not None
    return requestor


def test_an_association_from_begin_to_end():
    requestor = associated()
    assert requestor.associated
    for number in (1, 2):
        request = decode_all([requestor.echo()])[0][0].values[0]
        assert dimse.decode_command(request.data) == EchoRQ(number)
        answer = EchoRSP(number).encode()
        # In two fragments, the second in a PDU of its own.
        assert requestor.receive(stream.encode(PData((PDV(1, answer[:9], last=False),)))) is None
        assert requestor.receive(stream.encode(PData((PDV(1, answer[9:]),)))) == EchoRSP(number)
    requestor.release()
    assert requestor.receive(stream.encode(ReleaseRP())) == ReleaseRP()
    assert not requestor.associated


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (stream.encode(AssociateAC(contexts=(ContextResult(1, 3),))), "not_accepted", "abstract-syntax-not-supported"),
        (
            stream.encode(AssociateAC(contexts=(ContextResult(3, 0),))),
            "not_accepted",
            "without an answer about Verification",
        ),
        (stream.encode(ReleaseRP()), "wrong_pdu", "sent A-RELEASE-RP where A-ASSOCIATE-AC was expected"),
        (stream.encode(AssociateRQ()), "wrong_pdu", "sent A-ASSOCIATE-RQ where A-ASSOCIATE-AC was expected"),
        (stream.encode(PData((PDV(1, b""),))), "wrong_pdu", "sent P-DATA-TF where A-ASSOCIATE-AC was expected"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "malformed", "another protocol than DICOM (HTTP)"),
        (b"\x15\x03\x01\x00\x02\x02\x46", "malformed", "another protocol than DICOM (TLS)"),
        (b"SSH-2.0-x\r\n", "malformed", "it begins with 5353482d"),
        (b"\x02\x00\xff\xff\xff\xff", "malformed", "A-ASSOCIATE-AC of 4294967295 bytes"),
        (b"\x03\x00\x00\x00\x00\x05\x00\x01\x01\x01\x00", "malformed", "A-ASSOCIATE-RJ of 5 bytes instead of 4"),
        (b"\x02\x00\x00\x00\x00\x02\x00\x01", "malformed", "too short"),
    ],
)
def test_a_wrong_answer_to_the_association_is_reported(answer, kind, words):
    requestor = Requestor()
    requestor.associate()
    with pytest.raises(DicomError) as error:
        requestor.receive(answer)
    assert error.value.kind == kind
    assert words in error.value.text


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (PData((PDV(1, EchoRSP(1, 0x0122).encode()),)), "echo_status", "status 0122H, SOP class not supported"),
        (PData((PDV(1, EchoRSP(2).encode()),)), "wrong_pdu", "message 2 where message 1 was expected"),
        (PData((PDV(1, EchoRQ(1).encode()),)), "wrong_pdu", "sent C-ECHO-RQ"),
        (PData((PDV(3, EchoRSP(1).encode()),)), "wrong_pdu", "sent a data set"),
        (PData((PDV(1, EchoRSP(1).encode(), command=False),)), "wrong_pdu", "sent a data set"),
        (PData((PDV(1, EchoRSP(1).encode()[:-1]),)), "malformed", "malformed command set"),
        (PData((PDV(1, b"", last=False),)), "malformed", "empty or endless"),
        (ReleaseRQ(), "wrong_pdu", "sent A-RELEASE-RQ where C-ECHO-RSP was expected"),
    ],
)
def test_a_wrong_answer_to_an_echo_is_reported(answer, kind, words):
    requestor = associated()
    requestor.echo()
    with pytest.raises(DicomError) as error:
        requestor.receive(stream.encode(answer))
    assert error.value.kind == kind
    assert words in error.value.text


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\x04\x00\x00\x00\x00\x06" + b"\x00\x00\x00\x03\x01\x03", "wrong length (3)"),
        (b"\x04\x00\x00\x00\x00\x06" + b"\x00\x00\x00\x01\x01\x03", "wrong length (1)"),
        (b"\x04\x00\x00\x00\x00\x05" + b"\x00\x00\x00\x01\x01", "presentation data value that is cut off"),
        (b"\x02\x00\x00\x00\x00\x48" + bytes(68) + b"\x50\x00\x00\x01", "item (type 50H) longer than what contains it"),
        (b"\x02\x00\x00\x00\x00\x47" + bytes(68) + b"\x50\x00\x00", "DICOM item that is cut off"),
        (b"\x02\x00\x00\x00\x00\x4a" + bytes(68) + b"\x21\x00\x00\x02\x01\x00", "presentation context that is cut off"),
        (
            b"\x02\x00\x00\x00\x00\x4e" + bytes(68) + b"\x50\x00\x00\x06" + b"\x51\x00\x00\x02\x40\x00",
            "not 4 bytes long",
        ),
    ],
)
def test_a_wrong_inner_length_is_reported(data, words):
    decoder = Decoder()
    decoder.feed(data)
    with pytest.raises(DicomError) as error:
        decoder.next_pdu()
    assert error.value.kind == "malformed"
    assert words in error.value.text


@pytest.mark.parametrize("most", [0, 200, 4096])
def test_a_data_set_comes_in_fragments_that_the_peer_takes(most):
    requestor = Requestor(sop_class=constants.SECONDARY_CAPTURE)
    requestor.associate()
    answers = (ContextResult(1), ContextResult(3))
    requestor.receive(stream.encode(AssociateAC(contexts=answers, user=UserInformation(most, "", ""))))
    data = bytes(range(256)) * 80
    command, *fragments = decode_all([requestor.store("1.2", data)])[0]
    assert command.values[0].command and command.values[0].context_id == 3
    assert max(len(fragment.body()) for fragment in fragments) <= (most or items.MAX_LENGTH)
    values = [value for fragment in fragments for value in fragment.values]
    assert b"".join(value.data for value in values) == data
    assert [value.last for value in values] == [False] * (len(values) - 1) + [True]


def test_pydicom_reads_the_test_object_and_the_identifiers():
    from io import BytesIO

    from pydicom import dcmread

    def read(data):
        return dcmread(BytesIO(data), force=True)

    image = read(dataset.test_object("2.25.1"))
    assert (image.PatientID, image.SOPInstanceUID, image.Rows) == (dataset.TEST_PATIENT, "2.25.1", dataset.TEST_SIDE)
    found = read(dataset.object_identifier("2.25.1"))
    assert {found.StudyInstanceUID, found.SeriesInstanceUID} == {image.StudyInstanceUID, image.SeriesInstanceUID}
    assert read(dataset.worklist_identifier({})).PatientID == dataset.TEST_PATIENT


def test_endless_fragments_are_refused_in_bounded_memory():
    requestor = associated()
    requestor.echo()
    fragment = stream.encode(PData((PDV(1, bytes(1000), last=False),)))
    tracemalloc.start()
    try:
        with pytest.raises(DicomError, match="endless"):
            for _number in range(1000):
                requestor.receive(fragment)
        assert tracemalloc.get_traced_memory()[1] < 200_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("title", "problem"),
    [
        ("", "0 characters"),
        ("A" * 17, "17 characters"),
        ("A\\B", "backslash"),
        ("A\nB", "printable ASCII"),
        ("KÖLN", "printable ASCII"),
        (" A", "no space at either end"),
    ],
)
def test_what_is_no_ae_title_is_refused_with_a_sentence(title, problem):
    with pytest.raises(ValueError, match="called_ae is .*") as error:
        items.check_ae_title("called_ae", title)
    assert problem in str(error.value)


@given(ae_title)
def test_an_ae_title_is_taken_as_it_is(title):
    assert items.check_ae_title("called_ae", title) == title
