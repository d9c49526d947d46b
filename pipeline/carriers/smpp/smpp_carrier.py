"""SMPP carrier: submits over persistent binds to one SMSC. Its settings: `smpp_options.py`.

A carrier without a listener binds as transmitter: the SMSC keeps receipts and MO messages meanwhile.
"""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from threading import Lock, Thread
from typing import Final
from uuid import UUID

from pipeline.carriers.contract import NO_NOTES, Listener, SubmitNotes
from pipeline.carriers.http1 import new_event_loop
from pipeline.carriers.smpp import deliver_sm_parser, message_ids, pdu, smpp_options
from pipeline.carriers.smpp.bind_pool import BindPool
from pipeline.carriers.smpp.codes import CommandId, word
from pipeline.carriers.smpp.deliver_sm_handler import FINISH
from pipeline.carriers.smpp.diagnostics import Diagnostic
from pipeline.carriers.smpp.multipart_receipts import ReceiptParts
from pipeline.carriers.smpp.session import UNBIND_TIMEOUT
from pipeline.carriers.smpp.submit_exchange import CLOSED, Result, SubmitExchange, SubmitFault, SubmittedMessage, judge
from schema.carriage import Attempt, BindReport, CarrierEvents, Parcel
from schema.message_class import MessageClass
from schema.vocabulary import Outcome

log = logging.getLogger(__name__)

_TAKEN: Final = Outcome.ACCEPTED
#: late responses kept for later queries
LATE: Final = 10_000
#: seconds after its deadline when the waiting thread settles a call itself
SLACK: Final = 0.4


class SmppCarrier:
    """One SMSC, with an event loop in a thread of its own from the first `send` or `listen` on."""

    def __init__(self, name: str, settings: Mapping[str, object]) -> None:
        self._smpp_options = smpp_options.read(name, settings)
        self._submit_ids = self._smpp_options.deliver_sm_options.message_ids.submitted
        self.name = name
        self.call_deadline = self._smpp_options.call_deadline
        #: settings accepted though SMPP 3.4 does not allow them
        self.warnings = self._smpp_options.warnings
        self.unknown_ability, self.dedupe_seconds = self._smpp_options.unknown_ability, 0.0
        self._lock = Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: Thread | None = None
        self._binds: BindPool | None = None
        self._listener: Listener | None = None
        self._closed = False
        self._late: OrderedDict[UUID, str | int] = OrderedDict()
        self._receipt_parts = ReceiptParts(partial(deliver_sm_parser.is_whole, self._smpp_options.deliver_sm_options))

    def send(self, parcels: Sequence[Parcel]) -> list[Attempt]:
        """Submit the parcels; return one attempt for each, in their order, within `call_deadline` seconds."""
        return self.send_noting(parcels, NO_NOTES)

    def send_noting(self, parcels: Sequence[Parcel], notes: SubmitNotes) -> list[Attempt]:
        """Submit as `send` does, and note each message that is submitted and each result."""
        began, now = time.monotonic(), datetime.now(UTC)
        for parcel in parcels if self._late else ():  # a late response belongs to an earlier attempt
            self._late.pop(parcel.ref, None)
        is_urgent = all(parcel.message_class is MessageClass.OTP for parcel in parcels)
        call = SubmitExchange(is_urgent=is_urgent, judge=self._judge, notes=notes)
        found: list[Attempt | SubmittedMessage] = []
        for place, parcel in enumerate(parcels):
            try:
                found.append(call.add(parcel.ref, self._smpp_options.writer.write(parcel, now), place=place))
            except ValueError as error:
                # the text names a field, never its value
                found.append(Attempt(parcel.ref, Outcome.REFUSED_PERMANENT, code="unfit", detail=str(error)))
        notes.ready()
        results = self._ask(call, began)
        return [each if isinstance(each, Attempt) else self._concluded(each, results) for each in found]

    def query(self, parcels: Sequence[Parcel], carrier_refs: Sequence[str | None]) -> list[Attempt]:
        """Query the outcome of parcels; return one attempt for each, in their order.

        Where no message id is known, only a late response can tell.
        """
        began = time.monotonic()
        call = SubmitExchange()
        places: dict[int, int] = {}
        for place, (parcel, carrier_ref) in enumerate(zip(parcels, carrier_refs, strict=True)):
            if carrier_ref and parcel.ref not in self._late:
                with suppress(ValueError):
                    body = pdu.foreign("message_id", carrier_ref) + self._smpp_options.writer.source(parcel.sender)
                    places[place] = len(call.requests)
                    call.add(parcel.ref, [body], CommandId.QUERY_SM)
        results = self._ask(call, began)
        return [
            _judge_queried(parcel.ref, carrier_refs[place], results[places[place]])
            if place in places
            else self._answer_late(parcel.ref)
            for place, parcel in enumerate(parcels)
        ]

    def listen(self, listener: Listener) -> None:
        """Bind, stay bound, and pass events to the listener; returns at once."""
        with self._lock:
            if self._closed:
                return
            self._listener = listener
            loop, binds = self._start()
            loop.call_soon_threadsafe(binds.listen, listener)
            loop.call_soon_threadsafe(lambda: binds.keep(*self._smpp_options.commands(self._listener is not None)))

    def binds(self) -> Mapping[str, int]:
        """Return counts: `bound`, `wanted`, `open` requests in flight."""
        sessions = [keeper.session for keeper in list(self._binds.keepers)] if self._binds else []
        bound = [session for session in sessions if session]
        return {
            "bound": len(bound),
            "wanted": len(self._smpp_options.commands(self._listener is not None)),
            "open": sum(session.open for session in bound),
        }

    def report(self) -> BindReport:
        """Return the state of the binds: counts, the last failure, diagnostics of the SMSC."""
        state, binds = self.binds(), self._binds
        bound, wanted = state["bound"], state["wanted"]
        fault = binds.fault.code if binds and bound < wanted else None
        return BindReport(
            bound, wanted, fault, {str(each): count for each, count in binds.remarks.items()} if binds else {}
        )

    def close(self) -> None:
        """Wait for outstanding responses, unbind everywhere; idempotent."""
        with self._lock:
            self._closed = True
            loop, self._loop = self._loop, None
        if loop is None or self._binds is None or self._thread is None:
            return
        closing = asyncio.run_coroutine_threadsafe(self._binds.close(), loop)
        with suppress(TimeoutError):
            closing.result(self._smpp_options.session_options.deadline + FINISH + 2 * UNBIND_TIMEOUT)
        loop.call_soon_threadsafe(loop.stop)
        self._thread.join()
        loop.close()

    def _start(self) -> tuple[asyncio.AbstractEventLoop, BindPool]:
        """Return the loop and its bind pool, starting them on the first call."""
        if self._loop is None or self._binds is None:
            self._loop = new_event_loop()
            self._thread = Thread(target=self._loop.run_forever, name=f"smpp-{self.name}", daemon=True)
            self._thread.start()
            self._binds = asyncio.run_coroutine_threadsafe(self._begin(), self._loop).result()
        return self._loop, self._binds

    async def _begin(self) -> BindPool:
        binds = BindPool(
            self.name, self._smpp_options.target, self._smpp_options.session_options, self._read, self._note_late
        )
        if self.warnings:
            binds.remark(Diagnostic.LONG_CREDENTIALS)
        if self._listener:  # before there is a bind: an SMSC may send at once
            binds.listen(self._listener)
        binds.keep(*self._smpp_options.commands(self._listener is not None))
        return binds

    def _ask(self, call: SubmitExchange, began: float) -> list[Result | None]:
        """Have the bind pool settle a call; return the results of its requests."""
        if not call.requests:
            return []
        with self._lock:
            if self._closed:
                return [CLOSED] * len(call.requests)
            loop, binds = self._start()
            begin_within = began + self.call_deadline - self._smpp_options.session_options.deadline - time.monotonic()
            loop.call_soon_threadsafe(binds.add, call, begin_within)
        call.done.wait(began + self.call_deadline + SLACK - time.monotonic())
        return list(call.results)

    def _concluded(self, message: SubmittedMessage, results: Sequence[Result | None]) -> Attempt:
        """Return a message's attempt; also where not all of its requests are settled."""
        return message.attempt or self._judge(message.ref, results[message.first : message.first + message.parts])

    def _judge(self, ref: UUID, results: Sequence[Result | None]) -> Attempt:
        if len(results) == 1 and isinstance(only := results[0], str):  # fast path
            return Attempt(ref, _TAKEN, message_ids.normal(self._submit_ids, only))
        return judge(ref, [self._normal(result) for result in results], self._smpp_options.outcomes)

    def _normal(self, result: Result | None) -> Result | None:
        """Return a message id as it is stored, "" where it is missing; any other result unchanged."""
        return message_ids.normal(self._submit_ids, result) or "" if isinstance(result, str) else result

    def _read(self, message: pdu.MessagePdu) -> CarrierEvents:
        whole = self._receipt_parts.join(message) if deliver_sm_parser.is_receipt(message) else message
        return deliver_sm_parser.handle(self._smpp_options.deliver_sm_options, self.name, whole, self._remark)

    def _remark(self, remark: Diagnostic) -> None:
        if self._loop and self._binds:
            with suppress(RuntimeError):  # the loop is closed meanwhile
                self._loop.call_soon_threadsafe(self._binds.remark, remark)

    def _note_late(self, ref: UUID, result: str | int) -> None:
        log.info("carrier %(carrier)s: a response came after its deadline", {"carrier": self.name})
        self._late[ref] = result
        if self._binds:
            self._binds.note(self._judge(ref, [result]))
        if len(self._late) > LATE:
            self._late.popitem(last=False)

    def _answer_late(self, ref: UUID) -> Attempt:
        """Return the attempt by a late response, if there was one."""
        late = self._late.get(ref)
        if late is None:
            return Attempt(ref, Outcome.UNKNOWN, code="no_id")
        return Attempt(ref, Outcome.NOT_WRITTEN, code=word(late)) if isinstance(late, int) else self._judge(ref, [late])


def _judge_queried(ref: UUID, carrier_ref: str | None, result: Result | None) -> Attempt:
    """Return the attempt by a query_sm_resp: whatever its state, the SMSC has the message."""
    if isinstance(result, bytes):
        with suppress(ValueError):
            state = pdu.read_query_resp(result).state
            return Attempt(ref, Outcome.ACCEPTED, carrier_ref, detail=f"message_state {state}")
        return Attempt(ref, Outcome.UNKNOWN, code="unreadable")
    if isinstance(result, SubmitFault):
        return Attempt(ref, Outcome.UNKNOWN, code=result.code)
    return Attempt(ref, Outcome.UNKNOWN, code=word(result) if isinstance(result, int) else "timeout")
