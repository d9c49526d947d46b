"""What one call asks of an SMSC, request by request, and what became of each of them."""

from asyncio import TimerHandle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Event
from typing import Final
from uuid import UUID

from pipeline.carriers.smpp.codes import Command, Status, word
from schema.carriage import Attempt
from schema.vocabulary import Outcome

#: refused for now because we send too fast: the request waits, and is submitted again
WAITS: Final = frozenset({Status.RTHROTTLED, Status.RMSGQFUL})

#: what a refusal says of the message. Permanent is only what is the message's own; what may be our settings' or our
#: account's fault is another route's chance
OUTCOMES: Final[Mapping[int, Outcome]] = {
    Status.RINVMSGLEN: Outcome.REFUSED_PERMANENT,
    Status.RINVCMDLEN: Outcome.REFUSED_PERMANENT,
    Status.RINVCMDID: Outcome.REFUSED_TRANSIENT,
    Status.RINVBNDSTS: Outcome.REFUSED_TRANSIENT,
    Status.RALYBND: Outcome.REFUSED_TRANSIENT,
    Status.RINVPRTFLG: Outcome.REFUSED_TRANSIENT,
    Status.RINVREGDLVFLG: Outcome.REFUSED_TRANSIENT,
    Status.RSYSERR: Outcome.REFUSED_TRANSIENT,
    Status.RINVSRCADR: Outcome.REFUSED_PERMANENT,
    Status.RINVDSTADR: Outcome.REFUSED_PERMANENT,
    Status.RINVMSGID: Outcome.REFUSED_TRANSIENT,
    Status.RBINDFAIL: Outcome.REFUSED_TRANSIENT,
    Status.RINVPASWD: Outcome.REFUSED_TRANSIENT,
    Status.RINVSYSID: Outcome.REFUSED_TRANSIENT,
    Status.RCANCELFAIL: Outcome.REFUSED_TRANSIENT,
    Status.RREPLACEFAIL: Outcome.REFUSED_TRANSIENT,
    Status.RMSGQFUL: Outcome.REFUSED_TRANSIENT,
    Status.RINVSERTYP: Outcome.REFUSED_TRANSIENT,
    Status.RINVNUMDESTS: Outcome.REFUSED_PERMANENT,
    Status.RINVDLNAME: Outcome.REFUSED_PERMANENT,
    Status.RINVDESTFLAG: Outcome.REFUSED_TRANSIENT,
    Status.RINVSUBREP: Outcome.REFUSED_TRANSIENT,
    Status.RINVESMCLASS: Outcome.REFUSED_TRANSIENT,
    Status.RCNTSUBDL: Outcome.REFUSED_PERMANENT,
    Status.RSUBMITFAIL: Outcome.REFUSED_TRANSIENT,
    Status.RINVSRCTON: Outcome.REFUSED_TRANSIENT,
    Status.RINVSRCNPI: Outcome.REFUSED_TRANSIENT,
    Status.RINVDSTTON: Outcome.REFUSED_TRANSIENT,
    Status.RINVDSTNPI: Outcome.REFUSED_TRANSIENT,
    Status.RINVSYSTYP: Outcome.REFUSED_TRANSIENT,
    Status.RINVREPFLAG: Outcome.REFUSED_TRANSIENT,
    Status.RINVNUMMSGS: Outcome.REFUSED_TRANSIENT,
    Status.RTHROTTLED: Outcome.REFUSED_TRANSIENT,
    Status.RINVSCHED: Outcome.REFUSED_TRANSIENT,
    Status.RINVEXPIRY: Outcome.REFUSED_TRANSIENT,
    Status.RINVDFTMSGID: Outcome.REFUSED_TRANSIENT,
    Status.RX_T_APPN: Outcome.REFUSED_TRANSIENT,
    Status.RX_P_APPN: Outcome.REFUSED_PERMANENT,
    Status.RX_R_APPN: Outcome.REFUSED_PERMANENT,
    Status.RQUERYFAIL: Outcome.REFUSED_TRANSIENT,
    Status.RINVOPTPARSTREAM: Outcome.REFUSED_TRANSIENT,
    Status.ROPTPARNOTALLWD: Outcome.REFUSED_TRANSIENT,
    Status.RINVPARLEN: Outcome.REFUSED_TRANSIENT,
    Status.RMISSINGOPTPARAM: Outcome.REFUSED_TRANSIENT,
    Status.RINVOPTPARAMVAL: Outcome.REFUSED_TRANSIENT,
    Status.RDELIVERYFAILURE: Outcome.REFUSED_TRANSIENT,
    Status.RUNKNOWNERR: Outcome.REFUSED_TRANSIENT,
    Status.RSERTYPUNAUTH: Outcome.REFUSED_TRANSIENT,
    Status.RPROHIBITED: Outcome.REFUSED_TRANSIENT,
    Status.RSERTYPUNAVAIL: Outcome.REFUSED_TRANSIENT,
    Status.RSERTYPDENIED: Outcome.REFUSED_TRANSIENT,
    Status.RINVDCS: Outcome.REFUSED_TRANSIENT,
    Status.RINVSRCADDRSUBUNIT: Outcome.REFUSED_TRANSIENT,
    Status.RINVDSTADDRSUBUNIT: Outcome.REFUSED_TRANSIENT,
}


@dataclass(frozen=True, slots=True)
class Fault:
    """Why there is no answer to a request."""

    code: str
    #: whether a byte of it may have left us
    written: bool
    #: it was refused, or kept back, because we send too fast: seconds after which the SMSC may have it
    retry_after: float | None = None
    #: the SMSC's word for it
    detail: str | None = None


#: its turn never came: by then too little of the call's time was left
NO_TIME: Final = Fault("no_time", written=False)
#: an earlier part of its message was not taken
ABANDONED: Final = Fault("abandoned", written=False)
#: we closed the carrier ourselves: the process ends, or its settings are others now
CLOSED: Final = Fault("put_away", written=False)

#: of a submit_sm its message id; of another request the body of its response; the status that refused; or a fault
Result = str | bytes | int | Fault


class Request:
    """One submit_sm or query_sm on its way."""

    __slots__ = ("again", "body", "call", "command", "due_at", "parts", "place", "throttled", "until")

    def __init__(self, call: "Call", place: int, body: bytes, parts: int = 1, command: int = Command.SUBMIT_SM) -> None:
        self.call = call
        #: where in the call
        self.place = place
        self.body = body
        #: how many parts its message has; 0: it is not the first of them
        self.parts = parts
        self.command = int(command)
        #: when its answer is awaited no longer
        self.until = 0.0
        #: the status that told us to wait, and to try it again
        self.again = 0
        #: how often it was told so, and when it is submitted again
        self.throttled = 0
        self.due_at = 0.0


class Call:
    """The requests of one `send` or `ask`: made and awaited by a worker's thread, settled by the loop's."""

    def __init__(self, *, is_urgent: bool = False) -> None:
        #: somebody waits for its messages: they are codes
        self.is_urgent = is_urgent
        #: by the loop's clock: no request is written after it
        self.begin_by = 0.0
        self.requests: list[Request] = []
        self.results: list[Result | None] = []
        #: our reference of each request
        self.refs: list[UUID] = []
        self.done = Event()
        #: strikes at `begin_by`
        self.timer: TimerHandle | None = None
        self._open = 0

    def add(self, ref: UUID, bodies: Sequence[bytes], command: Command = Command.SUBMIT_SM) -> None:
        """Add a message's requests, one for each of its parts."""
        for number, body in enumerate(bodies):
            self.requests.append(Request(self, len(self.refs), body, 0 if number else len(bodies), command))
            self.refs.append(ref)
            self.results.append(None)
        self._open += len(bodies)

    def settle(self, place: int, result: Result) -> None:
        """Keep what became of a request; the first word counts."""
        if self.results[place] is None:
            self.results[place] = result
            self._open -= 1
            if not self._open:
                if self.timer:
                    self.timer.cancel()
                self.done.set()


def judge(ref: UUID, results: Sequence[Result | None], outcomes: Mapping[int, Outcome] = OUTCOMES) -> Attempt:
    """Return what became of a message, by what became of its parts."""
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


#: of parts none of which was taken, the one that speaks for the message
_GRAVEST = (Outcome.UNKNOWN, Outcome.REFUSED_PERMANENT, Outcome.REFUSED_TRANSIENT, Outcome.NOT_WRITTEN)


def _part(ref: UUID, result: Result | None, outcomes: Mapping[int, Outcome]) -> Attempt:
    if isinstance(result, int):
        return Attempt(ref, outcomes.get(result, Outcome.REFUSED_TRANSIENT), code=word(result))
    if not isinstance(result, Fault):
        return Attempt(ref, Outcome.UNKNOWN, code="timeout")
    if result.retry_after is not None:
        outcome, wait = Outcome.REFUSED_TRANSIENT, result.retry_after
        return Attempt(ref, outcome, code=result.code, detail=result.detail, retry_after=wait)
    return Attempt(ref, Outcome.UNKNOWN if result.written else Outcome.NOT_WRITTEN, code=result.code)
