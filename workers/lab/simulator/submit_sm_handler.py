"""Handles the simulator's submit_sm: reassembles long messages, decides each message once, plans its receipts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

from pipeline.carriers.simulated_smsc import REF_TAG, SPELLING, SimulatedSmsc
from pipeline.carriers.simulator_log import Oracle, OracleDecision
from pipeline.carriers.simulator_script import ACCEPTED, ScriptedOutcome, ScriptStep, reports
from pipeline.carriers.smpp.codes import MessageState, Tag
from pipeline.carriers.smpp.mo_message import PartPosition, as_coded, place_by_header, place_by_parameters
from pipeline.carriers.smpp.pdu import MessagePdu
from pipeline.carriers.smpp.text_encoding import UDHI, Alphabet
from schema.vocabulary import ReceiptVerdict
from workers.lab.simulator import deliver_sm_writer
from workers.lab.simulator.pending_deliver_sm import PendingDeliverSm

#: most incomplete long messages kept
UNFINISHED = 10_000
#: messages kept for query_sm
REMEMBERED = 200_000
#: registered_delivery: the bits that request a receipt, and their value for failures only
RECEIPT_BITS = 0x03
FAILURES_ONLY = 2

_TAKEN_PART = ScriptStep(ScriptedOutcome.ACCEPT)
_UCS2 = 8


@dataclass(slots=True)
class ReceivedPart:
    """One received part of a message."""

    message: MessagePdu
    #: length of the user data header in octets
    header: int
    text: bytes
    number: int = 0


@dataclass(slots=True)
class ReassembledMessage:
    """A long message, complete or not."""

    turn: ScriptStep[ScriptedOutcome]
    pieces: dict[int, ReceivedPart] = field(default_factory=dict)


class SubmitSmHandler:
    """Handles the submit_sm of one carrier."""

    def __init__(self, oracle: Oracle, pending: PendingDeliverSm) -> None:
        self._oracle = oracle
        self._pending = pending
        self._messages: dict[tuple[str, PartPosition], ReassembledMessage] = {}
        #: message id → our ref, the number, and the time of acceptance
        self._remembered: dict[str, tuple[str, str, float]] = {}

    def take(self, message: MessagePdu, now: float) -> OracleDecision:
        """Decide one submit_sm; the decision is logged once the oracle writes it."""
        header = _header(message)
        place = place_by_header(message.text[:header]) if header else None
        place = place or (place_by_parameters(message) if Tag.SAR_MSG_REF_NUM in message.tlvs else None)
        piece = ReceivedPart(message, header, message.text[header:])
        ref = _ref(message, place)
        if place:
            return self._part(ref, place, piece, now)
        turn = self._oracle.decide(ref, message.destination, now)
        return self._conclude(ref, turn, [piece], now)

    def ask(self, message_id: str, now: float) -> tuple[MessageState, int, str] | None:
        """Return a message's state, network error code and final_date; None if it is unknown."""
        known = self._remembered.get(message_id)
        if known is None:
            return None
        ref, to, taken = known
        ends = [each for each in reports(self._oracle.script, ref, to) if each.status is not ReceiptVerdict.PENDING]
        if not ends or taken + ends[-1].after > now:
            return MessageState.ENROUTE, 0, ""
        return *deliver_sm_writer.state(ends[-1]), deliver_sm_writer.final_date(taken + ends[-1].happened)

    def _part(self, ref: str, place: PartPosition, piece: ReceivedPart, now: float) -> OracleDecision:
        """Process one part; the last to arrive gets the response for the whole message."""
        key = (ref, PartPosition(place.ref, 0, place.of))
        whole = self._messages.get(key)
        if whole is None or place.part in whole.pieces:
            whole = ReassembledMessage(self._oracle.decide(ref, piece.message.destination, now))
            if whole.turn.word not in ACCEPTED:
                self._oracle.record(ref, self._text([piece]), OracleDecision(whole.turn, None), now)
            self._messages[key] = whole
            if len(self._messages) > UNFINISHED:
                del self._messages[next(iter(self._messages))]
        elif (limit := self._oracle.limit(now)) is not None:
            self._oracle.record(ref, self._text([piece]), OracleDecision(limit, None), now)
            return OracleDecision(limit, None)
        whole.pieces[place.part] = piece
        if len(whole.pieces) == place.of:
            del self._messages[key]
        if whole.turn.word not in ACCEPTED:
            return OracleDecision(whole.turn, None)
        if len(whole.pieces) == place.of:
            return self._conclude(ref, whole.turn, [whole.pieces[n] for n in sorted(whole.pieces)], now, place.part - 1)
        piece.number = self._oracle.number()
        return OracleDecision(_TAKEN_PART, self._spell(piece.number))

    def _conclude(
        self, ref: str, turn: ScriptStep[ScriptedOutcome], pieces: Sequence[ReceivedPart], now: float, last: int = 0
    ) -> OracleDecision:
        """Log a complete message and plan its receipts; return the decision for its last part."""
        text = self._text(pieces)
        if turn.word not in ACCEPTED:
            decision = OracleDecision(turn, None)
            self._oracle.record(ref, text, decision, now)
            return decision
        pieces[last].number = self._oracle.number()
        first = OracleDecision(turn, self._spell(pieces[0].number))
        self._oracle.record(ref, text, first, now)
        for piece in pieces:
            self._plan_receipts(ref, piece, text, now)
        return OracleDecision(turn, self._spell(pieces[last].number)) if last else first

    def _plan_receipts(self, ref: str, piece: ReceivedPart, text: str, now: float) -> None:
        """Remember an accepted part for query_sm, and plan its receipts."""
        message, script = piece.message, self._oracle.script
        self._remembered[self._spell(piece.number)] = ref, message.destination, now
        if len(self._remembered) > REMEMBERED:
            del self._remembered[next(iter(self._remembered))]
        requested = message.registered_delivery & RECEIPT_BITS
        if not requested:
            return
        smsc = script.smpp
        for report in reports(script, ref, message.destination):
            if requested == FAILURES_ONLY and not report.code:
                continue
            number = self._oracle.number() if report.of_unknown_message else piece.number
            named = f"{number:{SPELLING[smsc.receipt_ids]}}"
            self._pending.plan(now + report.after, deliver_sm_writer.receipt(smsc, message, named, report, now, text))

    def _text(self, pieces: Sequence[ReceivedPart]) -> str:
        return _text(self._oracle.script.smpp, pieces)

    def _spell(self, number: int) -> str:
        return f"{number:{SPELLING[self._oracle.script.smpp.ids]}}"


def _header(message: MessagePdu) -> int:
    """Return the length of the user data header with its length octet; 0 if it is longer than the message."""
    text = message.text
    return 1 + text[0] if message.esm_class & UDHI and text and text[0] < len(text) else 0


def _text(smsc: SimulatedSmsc, pieces: Sequence[ReceivedPart]) -> str:
    """Return the text of ordered parts, decoded exactly."""
    coding = pieces[0].message.data_coding
    if coding == _UCS2:
        return b"".join(piece.text for piece in pieces).decode("utf-16-be", "surrogatepass")
    if smsc.alphabet is Alphabet.GSM7_PACKED:
        return "".join(as_coded(piece.text, coding, smsc.alphabet, piece.header) for piece in pieces)
    return as_coded(b"".join(piece.text for piece in pieces), coding, smsc.alphabet)


def _ref(message: MessagePdu, place: PartPosition | None) -> str:
    """Return our ref, or for other clients' messages one derived from the message."""
    tlvs: Mapping[int, bytes] = message.tlvs
    if ours := tlvs.get(REF_TAG):
        return ours.decode("ascii", "replace")
    if theirs := tlvs.get(Tag.USER_MESSAGE_REFERENCE):
        return f"user-{int.from_bytes(theirs, 'big')}"
    content = f"{message.source}\0{message.destination}\0".encode()
    content += str((place.ref, place.of)).encode() if place else message.text
    return f"made-up-{blake2b(content, digest_size=8).hexdigest()}"
