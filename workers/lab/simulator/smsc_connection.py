"""One SMPP 3.4 connection to the simulator as an SMSC; responses follow the carrier's script.

A carrier's name is its system_id. Supported are the three binds, submit_sm, query_sm, enquire_link and unbind, and
deliver_sm to every receiving bind. The responses to PDUs that arrived in one read leave in one write.
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

#: seconds within which a connection must bind (session_init_timer)
SESSION_INIT = 30.0
#: seconds until a connection is closed after unbind
UNBIND_TIMEOUT = 2.0
#: seconds until a connection is reset
RESET = 0.002
#: the SMSC's own system_id
SYSTEM_ID = "postroad"
#: the command_status of each refusal
REFUSALS = {
    ScriptedOutcome.REFUSE: CommandStatus.RX_R_APPN,
    ScriptedOutcome.REFUSE_TRANSIENT: CommandStatus.RSYSERR,
    ScriptedOutcome.THROTTLE: CommandStatus.RTHROTTLED,
    ScriptedOutcome.QUEUE_FULL: CommandStatus.RMSGQFUL,
}
#: refusals whose code may name a status
CODED = frozenset({ScriptedOutcome.REFUSE, ScriptedOutcome.REFUSE_TRANSIENT})
#: the status of each generic_nack
NACKS = {
    ScriptedOutcome.NACK: CommandStatus.RINVCMDID,
    ScriptedOutcome.BAD_GATEWAY: CommandStatus.ROK,
    ScriptedOutcome.GATEWAY_TIMEOUT: CommandStatus.ROK,
}
#: not a PDU: its first four octets are a length far above the maximum
GARBAGE = b"HTTP/1.1 502 Bad Gateway\r\n\r\n"
BINDS = frozenset({CommandId.BIND_TRANSMITTER, CommandId.BIND_RECEIVER, CommandId.BIND_TRANSCEIVER})
#: commands whose response can carry an error status
KNOWN = frozenset(command for command in CommandId if command | RESPONSE in CommandId.__members__.values())

_NO_LINGER = struct.pack("ii", 1, 0)
_HEADER = struct.Struct(">IIII")
_SUBMIT, _SUBMIT_RESP = 0x00000004, 0x80000004
_DELIVER_RESP = 0x80000005


class SmscConnection(asyncio.Protocol):
    """One connection of an ESME."""

    def __init__(self, carriers: SimulatedCarriers, connections: "set[SmscConnection]") -> None:
        self._carriers = carriers
        #: all open connections
        self._connections = connections
        self._framer = Framer()
        #: the carrier, once bound
        self._simulated: SimulatedCarrier | None = None
        self._bound_as: int | None = None
        #: whether submit_sm are ignored
        self._is_closing = False
        #: whether all input is ignored
        self._is_deaf = False
        #: responses to send when this read is processed; and those to send later, by seconds
        self._replies: list[bytes] = []
        self._later: dict[float, list[bytes]] = {}
        #: submit_sm without a response
        self._unanswered = 0
        self._slow_writer: SlowWriter | None = None
        self._sequence = 0
        self._unacknowledged: dict[int, tuple[PendingPdu, float]] = {}
        self._acknowledged = False
        self._timer = asyncio.get_running_loop().call_later(SESSION_INIT, self.hang_up)

    def hang_up(self) -> None:
        """Close it at once."""
        self._transport.abort()

    # What PendingDeliverSm calls

    def room(self) -> int:
        """Return how many deliver_sm its window allows now."""
        return self._here.oracle.script.smpp.window - len(self._unacknowledged) if not self._is_closing else 0

    def send(self, pdus: Sequence[PendingPdu], now: float) -> None:
        """Send these."""
        whole = []
        for pending in pdus:
            self._sequence += 1
            self._unacknowledged[self._sequence] = pending, now
            whole.append(pdu.deliver_sm(self._sequence, pending.body))
        self._write(b"".join(whole))

    def overdue(self, before: float) -> list[PendingPdu]:
        """Remove and return those sent before that time and not acknowledged."""
        late = [sequence for sequence, (_, sent) in self._unacknowledged.items() if sent < before]
        return [self._unacknowledged.pop(sequence)[0] for sequence in late]

    # Callbacks of the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:  # noqa: D102
        self._transport = cast(asyncio.Transport, transport)
        self._connections.add(self)

    def data_received(self, data: bytes) -> None:  # noqa: D102
        try:
            frames, broken = self._framer.feed(data), False
        except ProtocolFault as fault:
            frames, broken = fault.frames, True
        now = time.time()
        for frame in frames:
            if self._is_deaf:
                return
            command, status, sequence, body = frame
            if command == _SUBMIT and self._bound_as is not None:
                if not self._is_closing:
                    self._submit(sequence, body, now)
            elif command == _DELIVER_RESP:
                self._acknowledge(sequence, status, now)
            else:
                self._other(frame, now)
        self._flush(now)
        if broken:
            self._write(pdu.generic_nack(0, CommandStatus.RINVCMDLEN))
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: D102
        self._connections.discard(self)
        self._timer.cancel()
        self._is_closing = True
        if self._simulated:
            self._simulated.in_flight -= self._unanswered
            if self in self._simulated.pending.receivers:
                self._simulated.pending.receivers.remove(self)
            self._simulated.pending.put_back([pending for pending, _ in self._unacknowledged.values()])

    # PDUs from the ESME

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
            self._act(sequence, decision, now)

    def _act(self, sequence: int, decision: OracleDecision, now: float) -> None:
        """Carry out the scripted outcome."""
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
            self._slow_writer = self._slow_writer or SlowWriter(self._transport, float(argument))
            self._slow_writer.add(pdu.submit_sm_resp(sequence, str(decision.carrier_id)))
        elif word is not ScriptedOutcome.SILENT:
            self._flush(now)
            self._end(word)

    def _end(self, word: ScriptedOutcome) -> None:
        """End the session as the outcome says."""
        self._is_closing = True
        if word is ScriptedOutcome.HANG_UP:
            self._sequence += 1
            self._write(pdu.unbind(self._sequence))
            self._expire(UNBIND_TIMEOUT)
        else:
            self._is_deaf = True
            self._transport.pause_reading()
            if word is ScriptedOutcome.HALF_OPEN:
                self._expire(HALF_OPEN)
            else:
                connection = self._transport.get_extra_info("socket")
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
                # gives the octets written before time to leave
                self._expire(RESET)

    def _acknowledge(self, sequence: int, status: int, now: float) -> None:
        pending, _ = self._unacknowledged.pop(sequence, (None, 0.0))
        if pending:
            self._here.pending.acknowledge(pending, status, now)
            self._acknowledged = True

    def _other(self, frame: Frame, now: float) -> None:
        """Answer any PDU other than submit_sm and deliver_sm_resp."""
        command, status, sequence, body = frame
        if command in BINDS:
            self._replies.append(self._bind(command, sequence, body))
        elif command == CommandId.UNBIND:
            self._replies.append(pdu.unbind_resp(sequence))
            self._flush(now)
            self._transport.close()
        elif command == CommandId.UNBIND_RESP and self._is_closing:
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
            bind = pdu.read_bind(body)
        except ValueError:
            return pdu.bind_resp(command, sequence, "", CommandStatus.RINVCMDLEN)
        simulated = self._carriers.by_name.get(bind.system_id)
        if self._bound_as is not None:
            status = CommandStatus.RALYBND
        elif simulated is None:
            status = CommandStatus.RINVSYSID
        elif simulated.oracle.script.smpp.password not in ("", bind.password):
            status = CommandStatus.RINVPASWD
        elif simulated.oracle.script.down:
            status = CommandStatus.RBINDFAIL
        else:
            self._timer.cancel()
            self._simulated, self._bound_as, status = simulated, command, CommandStatus.ROK
            if command != CommandId.BIND_TRANSMITTER:
                simulated.pending.receivers.append(self)
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

    # PDUs to the ESME

    def _answer(self, octets: bytes, wait: float = 0.0) -> None:
        """Answer a submit_sm after the carrier's latency plus `wait` seconds."""
        wait += self._here.oracle.script.latency
        if wait:
            self._later.setdefault(wait, []).append(octets)
        else:
            self._replies.append(octets)
            self._unanswered -= 1
            self._here.in_flight -= 1

    def _flush(self, now: float) -> None:
        """Log the decisions, and only then send the responses."""
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
            self._here.pending.pump(now)

    def _answer_now(self, answers: list[bytes]) -> None:
        if self._is_closing or self._transport.is_closing():
            return
        self._unanswered -= len(answers)
        self._here.in_flight -= len(answers)
        self._write(b"".join(answers))

    def _write(self, octets: bytes) -> None:
        if self._slow_writer:
            self._slow_writer.add(octets)
        elif not self._transport.is_closing():
            self._transport.write(octets)

    def _expire(self, seconds: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, self.hang_up)


def _status(code: str) -> int | None:
    """Return the command_status that a refusal's code gives in hex or by name; None if it does not."""
    try:
        return int(code, 16) if code[:2] == "0x" else CommandStatus[code.upper().removeprefix("ESME_")]
    except (ValueError, KeyError):
        return None
