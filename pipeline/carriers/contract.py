"""The interfaces of carriers: submit, query, balance, listen, receipts."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Protocol, runtime_checkable

from pipeline.errors import PostroadError
from schema.carriage import Attempt, BindReport, CarrierEvents, Parcel, Posted
from schema.refusals import RefusalReason
from schema.vocabulary import Placement, UnknownAbility


class Carrier(Protocol):
    """One carrier, as deliver workers use it. Created after fork, one per process, and closed with it."""

    name: str
    #: the longest that `send` takes, in seconds
    call_deadline: float
    #: how an attempt with an unknown outcome can be resolved; the setting `doubt` may lower it
    unknown_ability: UnknownAbility
    #: DEDUPES: seconds within which the carrier deduplicates our reference
    dedupe_seconds: float

    def send(self, parcels: Sequence[Parcel]) -> list[Attempt]:
        """Submit the parcels; return one attempt for each, in their order.

        Never raises for a network error or an invalid parcel: that is the attempt's outcome. Returns within
        `call_deadline` for the whole call, so that a lease of three deadlines always suffices.
        """
        ...

    def close(self) -> None:
        """Close connections; idempotent."""
        ...


#: asked with a message's index before it is submitted: whether it may be
MaySubmit = Callable[[int], bool]
#: code of messages that were not submitted as they may not be any more
STOPPED = "campaign_stopped"


class SubmitNotes(Protocol):
    """Receives the progress of each message of a call, by its index; the journal stores it beyond the process."""

    @property
    def may_submit(self) -> MaySubmit | None:
        """Return what to ask before each message is submitted; None: all may be.

        One that may not is NOT_WRITTEN with the code `STOPPED`. Of a long message only the first part is asked for.
        """
        ...

    def ready(self) -> None:
        """Note that all requests are encoded: from now on, what is not noted as submitting was not sent."""
        ...

    def submitting(self, place: int) -> None:
        """Note that the message is being submitted; called before its first byte is written to the connection."""
        ...

    def unsubmitted(self, place: int) -> None:
        """Note that the whole message was throttled, and is kept for another submit."""
        ...

    def answered(self, place: int, attempt: Attempt) -> None:
        """Note the message's attempt."""
        ...


class NoNotes:
    """Notes that are discarded."""

    may_submit: MaySubmit | None = None

    def ready(self) -> None:
        """Do nothing."""

    def submitting(self, place: int) -> None:
        """Do nothing."""

    def unsubmitted(self, place: int) -> None:
        """Do nothing."""

    def answered(self, place: int, attempt: Attempt) -> None:
        """Do nothing."""


NO_NOTES = NoNotes()


class GuardedNotes:
    """Notes of a call whose messages may each be submitted only if that is permitted when its turn comes."""

    __slots__ = ("answered", "may_submit", "ready", "submitting", "unsubmitted")

    def __init__(self, notes: SubmitNotes, may_submit: MaySubmit) -> None:
        # bound methods: a message costs no further call
        self.ready, self.submitting = notes.ready, notes.submitting
        self.unsubmitted, self.answered = notes.unsubmitted, notes.answered
        self.may_submit: MaySubmit | None = may_submit


@runtime_checkable
class NotingCarrier(Protocol):
    """A carrier that notes what it submits; for any other the whole call counts as submitted at once."""

    def send_noting(self, parcels: Sequence[Parcel], notes: SubmitNotes) -> list[Attempt]:
        """Submit as `send` does; a message that is not noted as submitting was not sent."""
        ...


@runtime_checkable
class QueryableCarrier(Protocol):
    """A carrier that can be queried by our reference (`UnknownAbility.QUERYABLE`)."""

    def query(self, parcels: Sequence[Parcel], carrier_refs: Sequence[str | None]) -> list[Attempt]:
        """Query the outcome of parcels submitted before; return one attempt for each, in their order.

        ACCEPTED: the carrier has it. NOT_WRITTEN: it never got it. UNKNOWN: it does not say. Returns within
        `call_deadline` and never raises, like `send`.
        """
        ...


@runtime_checkable
class CarrierWithBalance(Protocol):
    """A carrier whose balance can be polled."""

    def balance(self) -> tuple[Decimal, str] | None:
        """Return the balance and its currency (ISO 4217, or "" for credits); None when it is not available now."""
        ...


class Listener(Protocol):
    """Stores what a carrier sends unasked; returns once it is committed, raises DatabaseFault if it is not."""

    def __call__(self, events: CarrierEvents, /) -> None:
        """Store the events."""
        ...


@runtime_checkable
class ConnectedCarrier(Protocol):
    """A carrier that stays connected and receives events; `postroad carriers` runs a process for each."""

    def listen(self, listener: Listener) -> None:
        """Connect, stay connected, and pass events to the listener; returns at once."""
        ...

    def binds(self) -> Mapping[str, int]:
        """Return connection counts: `bound`, `wanted`, and `open` requests in the windows."""
        ...

    def report(self) -> BindReport:
        """Return the state of the connections: counts, the last failure, diagnostics of the SMSC."""
        ...


@runtime_checkable
class CarrierWithWarnings(Protocol):
    """A carrier that accepts settings which may not work, and reports them."""

    #: texts for the operator; never a value
    warnings: Sequence[str]


class ReceiptForged(PostroadError):
    """A receipt fails authentication; respond 401 and store nothing."""


class ReceiptReader(Protocol):
    """Parses what one kind of carrier posts over HTTP: receipts and inbound messages."""

    def __call__(self, carrier: str, settings: Mapping[str, object], posted: Posted) -> CarrierEvents:
        """Return the events in one request to the carrier of this name, with the settings of its row.

        ValueError says what is unreadable; ReceiptForged is raised where authentication fails.
        """
        ...


class ReceiptAuthenticator(Protocol):
    """Authenticates a post by its headers and URL alone, so that a forger's body is never read."""

    def __call__(self, carrier: str, settings: Mapping[str, object], posted: Posted) -> bool:
        """Return True if they authenticate it, False if that takes the body; raise ReceiptForged if they are wrong."""
        ...


#: response to a carrier's post once its events are stored: status, content type and body
PostResponse = tuple[int, str, str]
#: the response of kinds that define no other
DEFAULT_RESPONSE: PostResponse = (200, "application/json", '{"kept": true}')


def _default_response(_carrier: str, _settings: Mapping[str, object]) -> PostResponse:
    return DEFAULT_RESPONSE


def _sends_no_dlt(_settings: Mapping[str, object]) -> bool:
    return False


def needs_no_dlt(_settings: Mapping[str, object]) -> bool:
    """Return True, the `sends_dlt` of a kind that reaches no mobile operator."""
    return True


@dataclass(frozen=True, slots=True)
class HttpReceipts:
    """How one kind of carrier posts receipts over HTTP."""

    read: ReceiptReader
    #: authenticates a post before its body is read
    authenticate: ReceiptAuthenticator
    #: settings of which one authenticates it; none: the rules in the setting `receipts` do
    secrets: tuple[str, ...] = ()
    #: whether every post is accepted while none of these is set; otherwise none is
    is_trusting: bool = False
    #: whether its carriers may use GET too
    by_get: bool = False
    #: returns the response to a carrier of (name, settings) once its events are stored
    response: Callable[[str, Mapping[str, object]], PostResponse] = _default_response


@dataclass(frozen=True, slots=True)
class CarrierKind:
    """One kind of carrier: all that the rest of the code knows of it."""

    #: its name in the database and the CLI: `twilio`
    name: str
    #: creates a carrier of (name, settings); ConfigurationError names the invalid setting
    make: Callable[[str, Mapping[str, object]], Carrier]
    #: which process submits its carriers' messages
    placement: Placement = Placement.OWN
    #: None: its receipts do not come over HTTP
    receipts: HttpReceipts | None = None
    #: reason by the code's source and the code; empty: an operator defines its codes
    codes: Mapping[str, Mapping[Any, RefusalReason]] = field(default_factory=dict)
    #: tells whether a carrier with these settings sends DLT ids, or needs none
    sends_dlt: Callable[[Mapping[str, object]], bool] = _sends_no_dlt
    #: settings of the ids' formats, for kinds whose receipts may format ids differently from submit responses
    id_settings: tuple[str, ...] = ()
    #: settings (at any depth) that are parts of requests, whose literal values may be passwords: shown masked
    request_parts: tuple[str, ...] = ()
