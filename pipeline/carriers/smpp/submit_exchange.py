"""The submit_sm and query_sm requests of one call to an SMSC, and their results."""

import logging
from asyncio import TimerHandle
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Event
from typing import Final
from uuid import UUID

from pipeline.carriers import contract
from pipeline.carriers.contract import NO_NOTES, SubmitNotes
from pipeline.carriers.smpp.codes import CommandId, CommandStatus, word
from pipeline.rules.routing import retryable
from schema.carriage import Attempt
from schema.refusals import RefusalReason
from schema.vocabulary import Outcome

log = logging.getLogger(__name__)

#: a plain number: a member of an enum takes ten times as long to look up, for each message
_SUBMIT: Final = int(CommandId.SUBMIT_SM)
#: throttled: the request waits, and is resubmitted
WAITS: Final = frozenset({CommandStatus.RTHROTTLED, CommandStatus.RMSGQFUL})

#: reason of each error status. Faults of the message are the destination, the text, and the message as a whole; an
#: invalid source address, service type or bind is this carrier's, and another may accept the message
REASONS: Final[Mapping[int, RefusalReason]] = {
    CommandStatus.RINVMSGLEN: RefusalReason.INVALID_TEXT,
    CommandStatus.RINVCMDLEN: RefusalReason.CONFIGURATION,
    CommandStatus.RINVCMDID: RefusalReason.CONFIGURATION,
    CommandStatus.RINVBNDSTS: RefusalReason.CONFIGURATION,
    CommandStatus.RALYBND: RefusalReason.CONFIGURATION,
    CommandStatus.RINVPRTFLG: RefusalReason.CONFIGURATION,
    CommandStatus.RINVREGDLVFLG: RefusalReason.CONFIGURATION,
    CommandStatus.RSYSERR: RefusalReason.CARRIER_FAULT,
    CommandStatus.RINVSRCADR: RefusalReason.SENDER_REFUSED,
    CommandStatus.RINVDSTADR: RefusalReason.INVALID_NUMBER,
    CommandStatus.RINVMSGID: RefusalReason.CONFIGURATION,
    CommandStatus.RBINDFAIL: RefusalReason.ACCOUNT,
    CommandStatus.RINVPASWD: RefusalReason.ACCOUNT,
    CommandStatus.RINVSYSID: RefusalReason.ACCOUNT,
    CommandStatus.RCANCELFAIL: RefusalReason.CONFIGURATION,
    CommandStatus.RREPLACEFAIL: RefusalReason.CONFIGURATION,
    CommandStatus.RMSGQFUL: RefusalReason.LIMIT,
    CommandStatus.RINVSERTYP: RefusalReason.CONFIGURATION,
    CommandStatus.RINVNUMDESTS: RefusalReason.CONFIGURATION,
    CommandStatus.RINVDLNAME: RefusalReason.CONFIGURATION,
    CommandStatus.RINVDESTFLAG: RefusalReason.CONFIGURATION,
    CommandStatus.RINVSUBREP: RefusalReason.CONFIGURATION,
    CommandStatus.RINVESMCLASS: RefusalReason.CONFIGURATION,
    CommandStatus.RCNTSUBDL: RefusalReason.CONFIGURATION,
    CommandStatus.RSUBMITFAIL: RefusalReason.UNSPECIFIED,
    CommandStatus.RINVSRCTON: RefusalReason.CONFIGURATION,
    CommandStatus.RINVSRCNPI: RefusalReason.CONFIGURATION,
    CommandStatus.RINVDSTTON: RefusalReason.CONFIGURATION,
    CommandStatus.RINVDSTNPI: RefusalReason.CONFIGURATION,
    CommandStatus.RINVSYSTYP: RefusalReason.CONFIGURATION,
    CommandStatus.RINVREPFLAG: RefusalReason.CONFIGURATION,
    CommandStatus.RINVNUMMSGS: RefusalReason.CONFIGURATION,
    CommandStatus.RTHROTTLED: RefusalReason.LIMIT,
    CommandStatus.RINVSCHED: RefusalReason.CONFIGURATION,
    CommandStatus.RINVEXPIRY: RefusalReason.CONFIGURATION,
    CommandStatus.RINVDFTMSGID: RefusalReason.CONFIGURATION,
    CommandStatus.RX_T_APPN: RefusalReason.CARRIER_FAULT,
    CommandStatus.RX_P_APPN: RefusalReason.UNSPECIFIED,
    CommandStatus.RX_R_APPN: RefusalReason.MESSAGE_REFUSED,
    CommandStatus.RQUERYFAIL: RefusalReason.CONFIGURATION,
    CommandStatus.RINVOPTPARSTREAM: RefusalReason.CONFIGURATION,
    CommandStatus.ROPTPARNOTALLWD: RefusalReason.CONFIGURATION,
    CommandStatus.RINVPARLEN: RefusalReason.CONFIGURATION,
    CommandStatus.RMISSINGOPTPARAM: RefusalReason.CONFIGURATION,
    CommandStatus.RINVOPTPARAMVAL: RefusalReason.CONFIGURATION,
    CommandStatus.RDELIVERYFAILURE: RefusalReason.UNSPECIFIED,
    CommandStatus.RUNKNOWNERR: RefusalReason.UNSPECIFIED,
    CommandStatus.RSERTYPUNAUTH: RefusalReason.ACCOUNT,
    CommandStatus.RPROHIBITED: RefusalReason.ACCOUNT,
    CommandStatus.RSERTYPUNAVAIL: RefusalReason.CONFIGURATION,
    CommandStatus.RSERTYPDENIED: RefusalReason.ACCOUNT,
    CommandStatus.RINVDCS: RefusalReason.CONFIGURATION,
    CommandStatus.RINVSRCADDRSUBUNIT: RefusalReason.SENDER_REFUSED,
    CommandStatus.RINVDSTADDRSUBUNIT: RefusalReason.CONFIGURATION,
}
#: outcome of each error status; one that is missing here: refused transiently
OUTCOMES: Final[Mapping[int, Outcome]] = {status: retryable.OUTCOMES[reason] for status, reason in REASONS.items()}


@dataclass(frozen=True, slots=True)
class SubmitFault:
    """Why a request has no response."""

    code: str
    #: whether any byte of it may have been sent
    written: bool
    #: it was throttled, or delayed for that: seconds after which the SMSC may have it
    retry_after: float | None = None
    #: the SMSC's description
    detail: str | None = None


#: not sent: too little of the call's time was left
NO_TIME: Final = SubmitFault("no_time", written=False)
#: not sent: an earlier part of its message was not accepted
ABANDONED: Final = SubmitFault("abandoned", written=False)
#: not sent: we closed the carrier, as the process ends or its settings changed
CLOSED: Final = SubmitFault("put_away", written=False)
#: not sent: it may not be submitted any more
STOPPED: Final = SubmitFault(contract.STOPPED, written=False)

#: of a submit_sm its message id; of another request its response's body; the error status; or a fault
Result = str | bytes | int | SubmitFault


class Request:
    """One submit_sm or query_sm."""

    __slots__ = ("again", "body", "call", "command", "due_at", "message", "parts", "place", "throttled", "until")

    def __init__(
        self,
        call: "SubmitExchange",
        message: "SubmittedMessage",
        place: int,
        body: bytes,
        parts: int = 1,
        command: int = _SUBMIT,
    ) -> None:
        self.call = call
        self.message = message
        #: index in the call
        self.place = place
        self.body = body
        #: number of parts of its message; 0: it is not the first part
        self.parts = parts
        self.command = int(command)
        #: when it times out; 0: it is not in flight
        self.until = 0.0
        #: the throttling status after which it is resubmitted
        self.again = 0
        #: how often it was throttled, and when it is resubmitted
        self.throttled = 0
        self.due_at = 0.0


class SubmittedMessage:
    """One message of a call: its requests, one for each part, and its attempt."""

    __slots__ = ("attempt", "first", "is_begun", "open", "parts", "place", "ref")

    def __init__(self, ref: UUID, place: int, first: int, parts: int) -> None:
        self.ref = ref
        #: index in the carrier's call
        self.place = place
        #: its requests: index of the first, and number
        self.first, self.parts = first, parts
        #: requests not settled yet
        self.open = parts
        #: set once all are settled
        self.attempt: Attempt | None = None
        #: it was permitted to be submitted, and was not throttled as a whole since; not used where nothing is asked
        self.is_begun = False


#: returns a message's attempt by the results of its requests
Judge = Callable[[UUID, "Sequence[Result | None]"], Attempt]


class SubmitExchange:
    """The requests of one `send` or `ask`: created and awaited by a worker's thread, settled by the loop's."""

    def __init__(self, *, is_urgent: bool = False, judge: Judge | None = None, notes: SubmitNotes = NO_NOTES) -> None:
        #: its messages are one-time codes
        self.is_urgent = is_urgent
        #: by the loop's clock: no request is sent after it
        self.begin_by = 0.0
        self.requests: list[Request] = []
        self.results: list[Result | None] = []
        #: our reference of each request
        self.refs: list[UUID] = []
        self.done = Event()
        #: fires at `begin_by`
        self.timer: TimerHandle | None = None
        self._open = 0
        self._judge, self._notes = judge, notes
        #: asked before a message is submitted; None: all may be
        self.may_submit = notes.may_submit

    def add(self, ref: UUID, bodies: Sequence[bytes], command: int = _SUBMIT, place: int = 0) -> SubmittedMessage:
        """Add a message's requests, one for each of its parts."""
        at, parts = len(self.refs), len(bodies)
        message = SubmittedMessage(ref, place, at, parts)
        self._open += parts
        for body in bodies:
            self.requests.append(Request(self, message, at, body, parts, command))
            self.refs.append(ref)
            self.results.append(None)
            at, parts = at + 1, 0
        return message

    def note_sent(self, request: Request, until: float) -> None:
        """Note that a request is being sent, and when it times out."""
        request.until = until
        self._notes.submitting(request.message.place)

    def note_throttled(self, request: Request) -> None:
        """Note that a request was throttled; its message is not submitted if no other part of it is."""
        request.until = 0.0
        message = request.message
        if not any(self._is_out(each) for each in self.requests[message.first : message.first + message.parts]):
            self._notes.unsubmitted(message.place)
            message.is_begun = False

    def may_not_submit(self, request: Request) -> bool:
        """Ask whether a request's message may be submitted; once it may, all its parts may."""
        message = request.message
        if not message.is_begun:
            message.is_begun = self.may_submit is None or self.may_submit(message.place)
        return not message.is_begun

    def _is_out(self, request: Request) -> bool:
        """Tell whether the SMSC has a request, or may have."""
        result = self.results[request.place]
        if result is None:
            return request.until > 0
        return result.written if isinstance(result, SubmitFault) else not isinstance(result, int)

    def settle(self, place: int, result: Result) -> None:
        """Record the result of a request; the first one counts."""
        if self.results[place] is None:
            self.results[place] = result
            self._open -= 1
            message = self.requests[place].message
            message.open -= 1
            if self._judge and not message.open:
                self._conclude(message, self._judge)
            if not self._open:
                if self.timer:
                    self.timer.cancel()
                self.done.set()

    def _conclude(self, message: SubmittedMessage, judge: Judge) -> None:
        results = self.results[message.first : message.first + message.parts]
        try:
            message.attempt = judge(message.ref, results)
        except Exception as error:  # noqa: BLE001 - one unexpected response must not end the bind
            log.error("a response could not be interpreted: %s", type(error).__name__)
            message.attempt = Attempt(message.ref, Outcome.UNKNOWN, code="adapter_fault")
        self._notes.answered(message.place, message.attempt)


def judge(ref: UUID, results: Sequence[Result | None], outcomes: Mapping[int, Outcome] = OUTCOMES) -> Attempt:
    """Return a message's attempt, by the results of its parts."""
    if len(results) == 1 and isinstance(only := results[0], str):
        return Attempt(ref, Outcome.ACCEPTED, only or None)
    taken = [result for result in results if isinstance(result, str)]
    ids = tuple(filter(None, taken))
    if len(taken) == len(results):
        return Attempt(ref, Outcome.ACCEPTED, taken[0] or None, parts=ids)
    if taken:
        return Attempt(ref, Outcome.UNKNOWN, code="partial", detail=f"{len(taken)} of {len(results)}", parts=ids)
    attempts = [_part(ref, result, outcomes) for result in results]
    return min(attempts, key=lambda attempt: _GRAVEST.index(attempt.outcome))


#: precedence of outcomes if no part was accepted
_GRAVEST = (Outcome.UNKNOWN, Outcome.REFUSED_PERMANENT, Outcome.REFUSED_TRANSIENT, Outcome.NOT_WRITTEN)


def _part(ref: UUID, result: Result | None, outcomes: Mapping[int, Outcome]) -> Attempt:
    if isinstance(result, int):
        outcome = outcomes.get(result, Outcome.REFUSED_TRANSIENT)
        return Attempt(ref, outcome, code=word(result), reason=REASONS.get(result))
    if not isinstance(result, SubmitFault):
        return Attempt(ref, Outcome.UNKNOWN, code="timeout")
    if result.retry_after is not None:
        outcome, wait = Outcome.REFUSED_TRANSIENT, result.retry_after
        return Attempt(ref, outcome, code=result.code, detail=result.detail, retry_after=wait)
    return Attempt(ref, Outcome.UNKNOWN if result.written else Outcome.NOT_WRITTEN, code=result.code)
