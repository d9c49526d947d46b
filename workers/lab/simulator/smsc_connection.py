"""One connection to the simulator as an SMSC: SMPP 3.4, each submit_sm answered as the carrier's script wants it.

A carrier's name is its system_id. It knows the three binds, submit_sm, query_sm, enquire_link and unbind, and brings
deliver_sm to every bind that receives. All answers to what came in one piece leave in one piece.
"""

import asyncio
import socket
import struct
import time
from collections.abc import Sequence
from typing import cast

from pipeline.carriers.simulator_log import OracleDecision
from pipeline.carriers.simulator_script import ScriptedOutcome
from pipeline.carriers.smpp import pdu
from pipeline.carriers.smpp.codes import RESPONSE, CommandId, CommandStatus
from pipeline.carriers.smpp.framer import Frame, Framer, ProtocolFault
from workers.lab.simulator.http_connection import HALF_OPEN
from workers.lab.simulator.pending_deliver_sm import PendingPdu
from workers.lab.simulator.simulated_carrier import SimulatedCarrier, SimulatedCarriers
from workers.lab.simulator.slow_writer import SlowWriter

#: seconds in which somebody who connects must bind
SESSION_INIT = 30.0
#: seconds until a connection to which goodbye was said is let go
GOODBYE = 2.0
#: seconds until a connection is reset
RESET = 0.002
#: what this SMSC calls itself
SYSTEM_ID = "postroad"
#: how each refusal is answered
REFUSALS = {
    ScriptedOutcome.REFUSE: CommandStatus.RX_R_APPN,
    ScriptedOutcome.REFUSE_TRANSIENT: CommandStatus.RSYSERR,
    ScriptedOutcome.THROTTLE: CommandStatus.RTHROTTLED,
    ScriptedOutcome.QUEUE_FULL: CommandStatus.RMSGQFUL,
}
#: the refusals whose code may be a status
CODED = frozenset({ScriptedOutcome.REFUSE, ScriptedOutcome.REFUSE_TRANSIENT})
#: the status of each generic_nack
NACKS = {
    ScriptedOutcome.NACK: CommandStatus.RINVCMDID,
    ScriptedOutcome.BAD_GATEWAY: CommandStatus.ROK,
    ScriptedOutcome.GATEWAY_TIMEOUT: CommandStatus.ROK,
}
#: what is no PDU: its first four octets are a length beyond all bounds
GARBAGE = b"HTTP/1.1 502 Bad Gateway\r\n\r\n"
BINDS = frozenset({CommandId.BIND_TRANSMITTER, CommandId.BIND_RECEIVER, CommandId.BIND_TRANSCEIVER})
#: what has a response that can say: not here
KNOWN = frozenset(command for command in CommandId if command | RESPONSE in CommandId.__members__.values())

_LINGER_NOT = struct.pack("ii", 1, 0)
_HEADER = struct.Struct(">IIII")
_SUBMIT, _SUBMIT_RESP = 0x00000004, 0x80000004
_DELIVER_RESP = 0x80000005


class SmscConnection(asyncio.Protocol):
    """One connection of an ESME."""

    def __init__(self, counter: SimulatedCarriers, guests: "set[SmscConnection]") -> None:
        self._counter = counter
        #: those who are here
        self._guests = guests
        self._framer = Framer()
        #: whose ESME it is, once bound
        self._simulated: SimulatedCarrier | None = None
        self._bound_as: int | None = None
        #: no submit_sm is taken any more
        self._over = False
        #: nothing that comes is looked at any more
        self._deaf = False
        #: what is said when this chunk is read; by seconds, what is said later
        self._replies: list[bytes] = []
        self._later: dict[float, list[bytes]] = {}
        #: submit_sm that were not answered
        self._unanswered = 0
        self._drip: SlowWriter | None = None
        self._sequence = 0
        self._brought: dict[int, tuple[PendingPdu, float]] = {}
        self._acknowledged = False
        self._timer = asyncio.get_running_loop().call_later(SESSION_INIT, self.hang_up)

    def hang_up(self) -> None:
        """Close it at once."""
        self._transport.abort()

    # What the mailbox asks of it

    def room(self) -> int:
        """Return how many letters it may be brought now."""
        return self._here.oracle.script.smpp.window - len(self._brought) if not self._over else 0

    def bring(self, letters: Sequence[PendingPdu], now: float) -> None:
        """Write these."""
        whole = []
        for letter in letters:
            self._sequence += 1
            self._brought[self._sequence] = letter, now
            whole.append(pdu.deliver_sm(self._sequence, letter.body))
        self._write(b"".join(whole))

    def overdue(self, before: float) -> list[PendingPdu]:
        """Take back what was brought before that moment and is not acknowledged."""
        late = [sequence for sequence, (_, brought) in self._brought.items() if brought < before]
        return [self._brought.pop(sequence)[0] for sequence in late]

    # What the event loop tells it

    def connection_made(self, transport: asyncio.BaseTransport) -> None:  # noqa: D102
        self._transport = cast(asyncio.Transport, transport)
        self._guests.add(self)

    def data_received(self, data: bytes) -> None:  # noqa: D102
        try:
            frames, broken = self._framer.feed(data), False
        except ProtocolFault as fault:
            frames, broken = fault.frames, True
        now = time.time()
        for frame in frames:
            if self._deaf:
                return
            if frame[0] == _SUBMIT and self._bound_as is not None:
                if not self._over:
                    self._submit(frame[2], frame[3], now)
            elif frame[0] == _DELIVER_RESP:
                self._acknowledge(frame[2], frame[1], now)
            else:
                self._other(frame, now)
        self._flush(now)
        if broken:
            self._write(pdu.generic_nack(0, CommandStatus.RINVCMDLEN))
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: D102
        self._guests.discard(self)
        self._timer.cancel()
        self._over = True
        if self._simulated:
            self._simulated.in_flight -= self._unanswered
            if self in self._simulated.mailbox.readers:
                self._simulated.mailbox.readers.remove(self)
            self._simulated.mailbox.put_back([letter for letter, _ in self._brought.values()])

    # What the ESME says

    @property
    def _here(self) -> SimulatedCarrier:
        assert self._simulated is not None
        return self._simulated

    def _submit(self, sequence: int, body: bytes, now: float) -> None:
        simulated = self._here
        if self._bound_as == CommandId.BIND_RECEIVER:
            self._replies.append(pdu.submit_sm_resp(sequence, "", CommandStatus.RINVBNDSTS))
            return
        try:
            decision = simulated.submit_sm_handler.take(pdu.read_message(body), now)
        except ValueError:
            self._replies.append(pdu.submit_sm_resp(sequence, "", CommandStatus.RINVMSGLEN))
            return
        self._unanswered += 1
        simulated.begin()
        if decision.turn.word is ScriptedOutcome.ACCEPT:
            id_ = cast(str, decision.carrier_id).encode()
            self._answer(_HEADER.pack(17 + len(id_), _SUBMIT_RESP, 0, sequence) + id_ + b"\0")
        else:
            self._meet(sequence, decision, now)

    def _meet(self, sequence: int, decision: OracleDecision, now: float) -> None:
        """Let the message meet its fate."""
        word, argument = decision.turn.word, decision.turn.argument
        if word in REFUSALS:
            status = _status(argument) if word in CODED else None
            self._answer(pdu.submit_sm_resp(sequence, "", status or REFUSALS[word]))
        elif word in NACKS:
            self._answer(pdu.generic_nack(sequence, NACKS[word]))
        elif word is ScriptedOutcome.GARBAGE:
            self._answer(GARBAGE)
        elif word is ScriptedOutcome.SLOW:
            self._answer(pdu.submit_sm_resp(sequence, str(decision.carrier_id)), float(argument))
        elif word is ScriptedOutcome.TRICKLE:
            self._flush(now)
            self._drip = self._drip or SlowWriter(self._transport, float(argument))
            self._drip.add(pdu.submit_sm_resp(sequence, str(decision.carrier_id)))
        elif word is not ScriptedOutcome.SILENT:
            self._flush(now)
            self._part(word)

    def _part(self, word: ScriptedOutcome) -> None:
        """End the conversation as the fate wants it."""
        self._over = True
        if word is ScriptedOutcome.HANG_UP:
            self._sequence += 1
            self._write(pdu.unbind(self._sequence))
            self._expire(GOODBYE)
        else:
            self._deaf = True
            self._transport.pause_reading()
            if word is ScriptedOutcome.HALF_OPEN:
                self._expire(HALF_OPEN)
            else:
                connection = self._transport.get_extra_info("socket")
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
                # what was said before is still on its way out
                self._expire(RESET)

    def _acknowledge(self, sequence: int, status: int, now: float) -> None:
        letter, _ = self._brought.pop(sequence, (None, 0.0))
        if letter:
            self._here.mailbox.acknowledge(letter, status, now)
            self._acknowledged = True

    def _other(self, frame: Frame, now: float) -> None:
        """Answer what is neither a submit_sm nor an answer to a deliver_sm."""
        command, status, sequence, body = frame
        if command in BINDS:
            self._replies.append(self._bind(command, sequence, body))
        elif command == CommandId.UNBIND:
            self._replies.append(pdu.unbind_resp(sequence))
            self._flush(now)
            self._transport.close()
        elif command == CommandId.UNBIND_RESP and self._over:
            self._transport.close()
        elif command == CommandId.ENQUIRE_LINK:
            self._replies.append(pdu.enquire_link_resp(sequence))
        elif command == CommandId.GENERIC_NACK:
            self._acknowledge(sequence, status or CommandStatus.RSYSERR, now)
        elif command == CommandId.QUERY_SM and self._bound_as is not None:
            self._replies.append(self._query(sequence, body, now))
        elif not command & RESPONSE:
            known = command in KNOWN
            why = CommandStatus.RINVCMDID if self._bound_as is not None or not known else CommandStatus.RINVBNDSTS
            self._replies.append(pdu.pdu(command | RESPONSE if known else RESPONSE, sequence, status=why))

    def _bind(self, command: int, sequence: int, body: bytes) -> bytes:
        try:
            who = pdu.read_bind(body)
        except ValueError:
            return pdu.bind_resp(command, sequence, "", CommandStatus.RINVCMDLEN)
        simulated = self._counter.desks.get(who.system_id)
        if self._bound_as is not None:
            status = CommandStatus.RALYBND
        elif simulated is None:
            status = CommandStatus.RINVSYSID
        elif simulated.oracle.script.smpp.password not in ("", who.password):
            status = CommandStatus.RINVPASWD
        elif simulated.oracle.script.down:
            status = CommandStatus.RBINDFAIL
        else:
            self._timer.cancel()
            self._simulated, self._bound_as, status = simulated, command, CommandStatus.ROK
            if command != CommandId.BIND_TRANSMITTER:
                simulated.mailbox.readers.append(self)
                self._acknowledged = True
        return pdu.bind_resp(command, sequence, SYSTEM_ID, status)

    def _query(self, sequence: int, body: bytes, now: float) -> bytes:
        try:
            message_id, _ = pdu.read_query(body)
        except ValueError:
            message_id = ""
        found = self._here.submit_sm_handler.ask(message_id, now)
        if found is None:
            return pdu.pdu(CommandId.QUERY_SM_RESP, sequence, status=CommandStatus.RINVMSGID)
        state, error, final_date = found
        return pdu.query_sm_resp(sequence, pdu.Queried(message_id, final_date, state, error))

    # What is said to it

    def _answer(self, octets: bytes, wait: float = 0.0) -> None:
        """Answer a submit_sm after the carrier's latency and so many seconds more."""
        wait += self._here.oracle.script.latency
        if wait:
            self._later.setdefault(wait, []).append(octets)
        else:
            self._replies.append(octets)
            self._unanswered -= 1
            self._here.in_flight -= 1

    def _flush(self, now: float) -> None:
        """Put on record what was decided, and only then answer."""
        if self._simulated:
            self._simulated.oracle.write_down()
        replies, self._replies = self._replies, []
        if replies:
            self._write(b"".join(replies))
        for wait, answers in self._later.items():
            asyncio.get_running_loop().call_later(wait, self._answer_now, answers)
        self._later.clear()
        if self._acknowledged:
            self._acknowledged = False
            self._here.mailbox.pump(now)

    def _answer_now(self, answers: list[bytes]) -> None:
        if self._over or self._transport.is_closing():
            return
        self._unanswered -= len(answers)
        self._here.in_flight -= len(answers)
        self._write(b"".join(answers))

    def _write(self, octets: bytes) -> None:
        if self._drip:
            self._drip.add(octets)
        elif not self._transport.is_closing():
            self._transport.write(octets)

    def _expire(self, seconds: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, self.hang_up)


def _status(code: str) -> int | None:
    """Return the status that a refusal's code spells, in hex or by its name; None: it is none."""
    try:
        return int(code, 16) if code[:2] == "0x" else CommandStatus[code.upper().removeprefix("ESME_")]
    except (ValueError, KeyError):
        return None
