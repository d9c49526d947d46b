"""Handles deliver_sm and data_sm: batches them, passes them to the listener, and responds once they are stored.

Unreadable PDUs are stored too, as dead letters, and acknowledged like the rest: a repetition would be as unreadable.
"""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from pipeline.carriers.contract import Listener
from pipeline.carriers.smpp import pdu
from pipeline.carriers.smpp.codes import CommandId, CommandStatus
from pipeline.carriers.smpp.diagnostics import UnreadablePdu
from pipeline.carriers.smpp.framer import Frame
from pipeline.carriers.smpp.mo_duplicates import MoDuplicates
from pipeline.carriers.smpp.session import Session
from pipeline.errors import DatabaseFault
from schema.carriage import Attempt, CarrierEvents
from schema.dead_letter import DeadLetter
from schema.vocabulary import DeadLetterSource

log = logging.getLogger(__name__)

#: batch size, and the seconds within which a batch is collected
MOST: Final = 500
SECONDS: Final = 0.005
#: maximum waiting PDUs; beyond it the SMSC is told to retry
WAITING: Final = 20_000

#: seconds the listener has to finish on close
FINISH: Final = 5.0

#: parses a PDU; UnreadablePdu if it cannot
Reader = Callable[[pdu.MessagePdu], CarrierEvents]
#: session, frame, and time of arrival by this process's clock
_Received = tuple[Session, Frame, float]


class DeliverSmHandler:
    """Queue in front of the listener. Its methods belong to the loop's thread; the listener has a thread of its own."""

    def __init__(self, carrier: str, read: Reader) -> None:
        self._carrier = carrier
        self._read = read
        self._loop = asyncio.get_running_loop()
        self._thread = ThreadPoolExecutor(1, f"smpp-{carrier}-ear")
        #: session, frame, time of arrival
        self._waiting: list[_Received] = []
        self._repetitions = MoDuplicates()
        #: of the batch being stored: sessions and keys of its MO messages
        self._named: list[tuple[Session, str]] = []
        self._late: list[Attempt] = []
        self._timer: asyncio.TimerHandle | None = None
        #: the listener's running call
        self._kept: asyncio.Future[list[bool]] | None = None
        #: stores the events; None: there is none
        self.listener: Listener | None = None

    def take(self, session: Session, frames: Sequence[Frame]) -> None:
        """Queue the frames a session received."""
        room = WAITING - len(self._waiting) if self.listener else 0
        if len(frames) > room:
            session.reply(b"".join(answer(frame, CommandStatus.RX_T_APPN) for frame in frames[room:]))
            frames = frames[:room]
        now = time.monotonic()
        self._waiting += [(session, frame, now) for frame in frames]
        if len(self._waiting) >= MOST:
            self._hand_over()
        elif self._waiting and self._timer is None:
            self._timer = self._loop.call_later(SECONDS, self._hand_over)

    def note(self, late: Attempt) -> None:
        """Queue a submit result that came after its deadline: the SMSC does not repeat it."""
        if self.listener and len(self._late) < WAITING:
            self._late.append(late)
            if self._timer is None:
                self._timer = self._loop.call_later(SECONDS, self._hand_over)

    async def close(self) -> None:
        """Let the listener finish, and respond to what it stored; the SMSC repeats what still waits."""
        self.listener = None
        if self._timer:
            self._timer.cancel()
        self._waiting.clear()
        if self._kept:
            await asyncio.wait([self._kept], timeout=FINISH)
        self._thread.shutdown(wait=False)

    def _hand_over(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if self._kept or not (self._waiting or self._late) or self.listener is None:
            return
        batch, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
        late, self._late = self._late, []
        self._named = []
        self._kept = self._loop.run_in_executor(self._thread, self._keep, self.listener, batch, late)
        self._kept.add_done_callback(lambda done: self._answer(batch, late, done))

    def _keep(self, listener: Listener, batch: Sequence[_Received], late: list[Attempt]) -> list[bool]:
        """Parse and store; what is unreadable, or cannot be stored as an event, becomes a dead letter.

        Return for each frame whether it was readable. Runs in the listener's thread.
        """
        events, is_read = self._read_all(batch, late)
        try:
            if events.receipts or events.inbound or events.dead or late:
                listener(events)
        except DatabaseFault as fault:
            if not (fault.is_final and batch):
                raise
        else:
            return is_read
        if len(batch) > 1:  # one frame may be the cause: store them one by one
            half = len(batch) // 2
            return self._keep(listener, batch[:half], late) + self._keep(listener, batch[half:], [])
        listener(CarrierEvents([], [], late, [self._dead(frame, "not_storable") for _, frame, _ in batch]))
        return [False]

    def _read_all(self, batch: Sequence[_Received], late: list[Attempt]) -> tuple[CarrierEvents, list[bool]]:
        """Return the events, and for each frame whether it was readable."""
        events = CarrierEvents([], [], late, [])
        is_read = [True] * len(batch)
        for place, (session, frame, at) in enumerate(batch):
            try:
                piece = self._read(_message(frame))
            except UnreadablePdu as unreadable:
                events.dead.append(self._dead(frame, unreadable.reason))
                is_read[place] = False
            except Exception as error:  # noqa: BLE001 - one frame must not prevent the others from being stored
                words = "carrier %(carrier)s: parsing a deliver_sm failed with %(fault)s"
                log.error(words, {"carrier": self._carrier, "fault": type(error).__name__})
                events.dead.append(self._dead(frame, "adapter_fault"))
                is_read[place] = False
            else:
                events.receipts.extend(piece.receipts)
                _, _, sequence, _ = frame
                named = [self._repetitions.name(each, session, sequence, at) for each in piece.inbound]
                self._named += [(session, each.key) for each in named]
                events.inbound.extend(named)
                events.suspects.extend(piece.suspects)
        if events.dead:
            said = {"carrier": self._carrier, "count": len(events.dead)}
            log.warning("carrier %(carrier)s: %(count)d unreadable PDUs became dead letters", said)
        return events, is_read

    def _dead(self, frame: Frame, reason: str) -> DeadLetter:
        command, status, sequence, body = frame
        octets = pdu.pdu(command, sequence, body, status)
        return DeadLetter(DeadLetterSource.SMPP, self._carrier, reason, octets)

    def _answer(self, batch: Sequence[_Received], late: list[Attempt], done: "asyncio.Future[list[bool]]") -> None:
        self._kept = None
        if done.cancelled():
            return
        if error := done.exception():
            # the error's text may contain message content
            words = "carrier %(carrier)s: a deliver_sm could not be stored (%(fault)s); the SMSC will repeat it"
            log.warning(words, {"carrier": self._carrier, "fault": type(error).__name__})
            self._late = late + self._late
        else:
            for (session, _, _), is_read in zip(batch, done.result(), strict=True):
                session.useful = session.useful or is_read
        status = CommandStatus.RX_T_APPN if error else CommandStatus.ROK
        replies: defaultdict[Session, list[bytes]] = defaultdict(list)
        for session, frame, _ in batch:
            replies[session].append(answer(frame, status))
        for session, octets in replies.items():
            session.reply(b"".join(octets))
        for session, key in () if error else self._named:
            if not session.over.done():
                self._repetitions.answered(key)
        if self._timer is None and self._waiting:
            self._hand_over()
        elif self._timer is None and self._late:  # they could not be stored this time
            self._timer = self._loop.call_later(1.0, self._hand_over)


def _message(frame: Frame) -> pdu.MessagePdu:
    command, _, _, body = frame
    try:
        return pdu.read_message(body, strict=False) if command == CommandId.DELIVER_SM else pdu.read_data_sm(body)
    except ValueError:
        raise UnreadablePdu("pdu_cut_short") from None


def answer(frame: Frame, status: CommandStatus) -> bytes:
    """Return the response to a deliver_sm or data_sm."""
    command, _, sequence, _ = frame
    write = pdu.deliver_sm_resp if command == CommandId.DELIVER_SM else pdu.data_sm_resp
    return write(sequence, status=status)
