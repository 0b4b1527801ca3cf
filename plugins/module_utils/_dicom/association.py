# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The requestor's side of an association: the only state of this package."""

from __future__ import annotations

from . import constants
from .dimse import EchoRQ, EchoRSP, decode_command
from .errors import DicomError
from .items import CALLED_AE, CALLING_AE, MAX_LENGTH, PresentationContext
from .pdu import PDV, Abort, AssociateAC, AssociateRJ, AssociateRQ, PData, ReleaseRP, ReleaseRQ
from .stream import PDU, Decoder, encode


class Requestor:
    """One association for Verification, seen from its requestor (PS3.8 9.2, PS3.7 9.1.5).

    associate(), echo() and release() return the bytes to send. One answer is expected at a time, since no asynchronous
    operations are negotiated.
    """

    CONTEXT = PresentationContext()

    def __init__(self, called_ae: str = CALLED_AE, calling_ae: str = CALLING_AE) -> None:
        self._request = AssociateRQ(called_ae, calling_ae, (self.CONTEXT,))
        self._decoder = Decoder()
        self._expected = "nothing"
        self._message_id = 0
        self._command = bytearray()
        #: Whether there is an association, which has to be released or aborted.
        self.associated = False
        #: The peer's A-ASSOCIATE-RJ, where it sent one.
        self.rejection: AssociateRJ | None = None

    @property
    def pending(self) -> int:
        """Number of bytes held that are not a whole PDU yet."""
        return self._decoder.pending

    def associate(self) -> bytes:
        self._expected = AssociateAC.NAME
        return encode(self._request)

    def echo(self) -> bytes:
        self._expected = "C-ECHO-RSP"
        self._message_id = self._message_id % 0xFFFF + 1
        return encode(PData((PDV(self.CONTEXT.id, EchoRQ(self._message_id).encode()),)))

    def release(self) -> bytes:
        self._expected = ReleaseRP.NAME
        return encode(ReleaseRQ())

    def receive(self, data: bytes) -> AssociateAC | EchoRSP | ReleaseRP | None:
        """Return the expected answer once data completes it, None before.

        Raises DicomError of kind rejected, aborted, not_accepted, echo_status, wrong_pdu or malformed.
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

    def _take(self, pdu: PDU) -> AssociateAC | EchoRSP | ReleaseRP | None:
        if isinstance(pdu, Abort):
            self.associated = False
            raise DicomError("aborted", f"aborted the association: {pdu.text}")
        if isinstance(pdu, AssociateRJ) and self._expected == AssociateAC.NAME:
            self.rejection = pdu
            raise DicomError("rejected", f"rejected the association: {pdu.text}")
        if isinstance(pdu, PData) and self._expected == "C-ECHO-RSP":
            return self._take_data(pdu)
        if not isinstance(pdu, (AssociateAC, ReleaseRP)) or self._expected != pdu.NAME:
            raise DicomError("wrong_pdu", f"sent {pdu.NAME} where {self._expected} was expected")
        self.associated = isinstance(pdu, AssociateAC)
        if isinstance(pdu, AssociateAC):
            self._check_accepted(pdu)
        return pdu

    def _check_accepted(self, pdu: AssociateAC) -> None:
        for context in pdu.contexts:
            if context.id == self.CONTEXT.id:
                if context.result != constants.ACCEPTANCE:
                    raise DicomError("not_accepted", f"accepted the association but not Verification: {context.text}")
                return
        raise DicomError("not_accepted", "accepted the association without an answer about Verification")

    def _take_data(self, pdu: PData) -> EchoRSP | None:
        for value in pdu.values:
            if value.context_id != self.CONTEXT.id or not value.command:
                raise DicomError("wrong_pdu", "sent a data set where C-ECHO-RSP was expected")
            # Without both limits a peer could send fragments forever.
            if len(self._command) + len(value.data) > MAX_LENGTH or not value.data:
                raise DicomError("malformed", "sent a C-ECHO-RSP of empty or endless fragments")
            self._command += value.data
            if value.last:
                message = decode_command(bytes(self._command))
                self._command.clear()
                return self._check_echo(message)
        return None

    def _check_echo(self, message: EchoRQ | EchoRSP) -> EchoRSP:
        if not isinstance(message, EchoRSP):
            raise DicomError("wrong_pdu", "sent C-ECHO-RQ where C-ECHO-RSP was expected")
        if message.message_id != self._message_id:
            raise DicomError(
                "wrong_pdu", f"answered message {message.message_id} where message {self._message_id} was expected"
            )
        if message.status != constants.SUCCESS:
            raise DicomError("echo_status", f"answered C-ECHO with {message.text}")
        return message
