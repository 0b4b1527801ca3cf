# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The requestor's side of an association: the only state of this package.

The package is DICOM's upper layer protocol, C-ECHO, C-FIND and C-STORE: bytes to dataclasses and back, without a
socket. It has what an SCU of Verification, of C-FIND and of one test object needs (PS3.4 annexes A, B, C and K):
errors < items < pdu < stream, dataset < commands < dimse < association, and one table, constants. The sections in the
docstrings are those of the DICOM standard: PS3.8 for PDUs, which are big endian, and PS3.7 for command sets, which
are little endian with implicit VR, as are the data sets.

Everything that a peer can send ends in a dataclass or in DicomError.
"""

from __future__ import annotations

from typing import Union

from . import constants
from .commands import CancelRQ, EchoRQ, FindRQ, StoreRQ
from .dimse import EchoRSP, FindRSP, Response, StoreRSP, decode_command
from .errors import DicomError
from .items import CALLED_AE, CALLING_AE, MAX_LENGTH, PresentationContext
from .pdu import PDV, Abort, AssociateAC, AssociateRJ, AssociateRQ, PData, ReleaseRP, ReleaseRQ
from .stream import PDU, Decoder, encode

Answer = Union[AssociateAC, EchoRSP, FindRSP, StoreRSP, ReleaseRP]
Request = Union[EchoRQ, FindRQ, CancelRQ, StoreRQ]

# Bytes of a P-DATA-TF that are no fragment: the header of its one PDV (PS3.8 9.3.5.1). And what even a peer takes that
# announces less.
_PDV_HEADER, _SMALLEST = 6, 128


class Requestor:
    """One association for Verification, and for one more SOP class where it is given, seen from its requestor (PS3.8
    9.2, PS3.7 9.1).

    associate(), echo(), find(), cancel(), store() and release() return the bytes to send. One answer is expected at a
    time, since no asynchronous operations are negotiated.
    """

    def __init__(
        self, called_ae: str = CALLED_AE, calling_ae: str = CALLING_AE, sop_class: str = constants.VERIFICATION
    ) -> None:
        proposed = dict.fromkeys((constants.VERIFICATION, sop_class))
        self._contexts = tuple(PresentationContext(2 * number + 1, uid) for number, uid in enumerate(proposed))
        self._request = AssociateRQ(called_ae, calling_ae, self._contexts)
        self._context = self._contexts[-1]
        self._decoder = Decoder()
        self._expected = "nothing"
        self._message_id = 0
        self._command = bytearray()
        self._fragment = MAX_LENGTH - _PDV_HEADER
        self._limit = 0
        self._proof = b""
        self._pending: FindRSP | None = None  # one whose identifier has not come yet
        self._identifier = bytearray()
        #: Whether there is an association, which has to be released or aborted.
        self.associated = False
        #: Whether the peer accepted Verification.
        self.verifies = False
        #: The peer's A-ASSOCIATE-RJ, where it sent one.
        self.rejection: AssociateRJ | None = None
        #: How many matches C-FIND has had, and whether there may be more.
        self.matches = 0
        self.more = False

    @property
    def pending(self) -> int:
        """Number of bytes held that are not a whole PDU yet."""
        return self._decoder.pending

    def associate(self) -> bytes:
        self._expected = AssociateAC.NAME
        return encode(self._request)

    def echo(self) -> bytes:
        return self._ask(self._contexts[0], EchoRSP, EchoRQ(self._next_id()))

    def find(self, identifier: bytes, limit: int, proof: bytes = b"") -> bytes:
        """Ask for matches, for no more than limit of them; those alone count whose identifier contains proof."""
        self._limit, self._proof = limit, proof
        context = self._contexts[-1]
        return self._ask(context, FindRSP, FindRQ(self._next_id(), context.abstract_syntax), identifier)

    def cancel(self) -> bytes:
        """End a C-FIND that has more matches than were asked for: the peer may send some until it knows."""
        return self._ask(self._contexts[-1], FindRSP, CancelRQ(self._message_id))

    def store(self, sop_instance: str, data_set: bytes) -> bytes:
        context = self._contexts[-1]
        return self._ask(context, StoreRSP, StoreRQ(self._next_id(), context.abstract_syntax, sop_instance), data_set)

    def release(self) -> bytes:
        self._expected = ReleaseRP.NAME
        return encode(ReleaseRQ())

    def receive(self, data: bytes) -> Answer | None:
        """Return the expected answer once data completes it, None before. To C-FIND that is the last response, or the
        one that reaches the limit.

        Raises DicomError of kind rejected, aborted, not_accepted, echo_status, find_status,
        store_status, wrong_pdu or malformed.
        """
        self._decoder.feed(data)
        while True:
            pdu = self._decoder.next_pdu()
            if pdu is None:
                return None
            answer = self._take(pdu)
            if answer is not None:
                self._expected = "nothing"
                return answer

    def _next_id(self) -> int:
        self._message_id = self._message_id % 0xFFFF + 1
        return self._message_id

    def _ask(
        self, context: PresentationContext, response: type[Response], request: Request, data_set: bytes = b""
    ) -> bytes:
        self._context, self._expected = context, response.NAME
        fragments = [data_set[at : at + self._fragment] for at in range(0, len(data_set), self._fragment)]
        values = [PDV(context.id, request.encode())]
        values += [
            PDV(context.id, fragment, command=False, last=number == len(fragments))
            for number, fragment in enumerate(fragments, 1)
        ]
        return b"".join(encode(PData((value,))) for value in values)

    def _take(self, pdu: PDU) -> Answer | None:
        if isinstance(pdu, Abort):
            self.associated = False
            raise DicomError("aborted", f"aborted the association: {pdu.text}")
        if isinstance(pdu, AssociateRJ) and self._expected == AssociateAC.NAME:
            self.rejection = pdu
            raise DicomError("rejected", f"rejected the association: {pdu.text}")
        if isinstance(pdu, PData) and self._expected.endswith("-RSP"):
            return self._take_data(pdu)
        if not isinstance(pdu, (AssociateAC, ReleaseRP)) or self._expected != pdu.NAME:
            raise DicomError("wrong_pdu", f"sent {pdu.NAME} where {self._expected} was expected")
        self.associated = isinstance(pdu, AssociateAC)
        if isinstance(pdu, AssociateAC):
            self._check_accepted(pdu)
        return pdu

    def _check_accepted(self, pdu: AssociateAC) -> None:
        if pdu.user.max_length:
            self._fragment = max(_SMALLEST, min(pdu.user.max_length, MAX_LENGTH) - _PDV_HEADER)
        answers = {context.id: context for context in pdu.contexts}
        first, wanted = answers.get(self._contexts[0].id), answers.get(self._context.id)
        self.verifies = first is not None and first.result == constants.ACCEPTANCE
        name = constants.SOP_CLASSES.get(self._context.abstract_syntax, self._context.abstract_syntax)
        if wanted is None:
            raise DicomError("not_accepted", f"accepted the association without an answer about {name}")
        if wanted.result != constants.ACCEPTANCE:
            raise DicomError("not_accepted", f"accepted the association but not {name}: {wanted.text}")

    def _take_data(self, pdu: PData) -> Answer | None:
        for value in pdu.values:
            if value.context_id != self._context.id or value.command == (self._pending is not None):
                what = "a command" if self._pending else "a data set"
                raise DicomError("wrong_pdu", f"sent {what} where {self._awaited} was expected")
            answer = self._take_command(value) if value.command else self._take_identifier(value)
            if answer is not None:
                return answer
        return None

    @property
    def _awaited(self) -> str:
        return "the identifier of C-FIND-RSP" if self._pending else self._expected

    def _take_command(self, value: PDV) -> Response | None:
        # Without both limits a peer could send fragments forever.
        if len(self._command) + len(value.data) > MAX_LENGTH or not value.data:
            raise DicomError("malformed", f"sent a {self._expected} of empty or endless fragments")
        self._command += value.data
        if not value.last:
            return None
        message = decode_command(bytes(self._command))
        self._command.clear()
        return self._check(message)

    def _check(self, message: EchoRQ | Response) -> Response | None:
        name = "C-ECHO-RQ" if isinstance(message, EchoRQ) else message.NAME
        if isinstance(message, EchoRQ) or name != self._expected:
            raise DicomError("wrong_pdu", f"sent {name} where {self._expected} was expected")
        if message.message_id != self._message_id:
            raise DicomError(
                "wrong_pdu", f"answered message {message.message_id} where message {self._message_id} was expected"
            )
        if isinstance(message, FindRSP) and message.status in constants.PENDING:
            if not message.data_set:
                raise DicomError("malformed", "sent a C-FIND-RSP that is pending without an identifier")
            self._pending = message
            return None
        wanted = (constants.SUCCESS, *_ALSO_GOOD.get(name, ()))
        if message.status not in wanted or message.data_set:
            command = name[: -len("-RSP")]
            raise DicomError(f"{command[2:].lower()}_status", f"answered {command} with {message.text}")
        return message

    def _take_identifier(self, value: PDV) -> FindRSP | None:
        """Take a fragment of an identifier. Nothing is kept but what proof may be in, until the whole is there."""
        if not value.data and not value.last:
            raise DicomError("malformed", "sent an identifier of empty fragments")
        if self._proof and len(self._identifier) < MAX_LENGTH:
            self._identifier += value.data
        if not value.last:
            return None
        response, self._pending = self._pending, None
        self.matches += self._proof in self._identifier
        self._identifier.clear()
        # While a C-FIND is cancelled there is nothing left to count.
        reached = not self.more and self.matches >= self._limit
        self.more = self.more or reached
        return response if reached else None


# Statuses besides success that end an operation as wanted.
_ALSO_GOOD = {FindRSP.NAME: (constants.CANCELED,), StoreRSP.NAME: constants.STORED_WITH_WARNING}
