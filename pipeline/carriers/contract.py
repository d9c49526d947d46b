"""What every carrier does, whatever it speaks."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Protocol, runtime_checkable

from pipeline.errors import PostroadError
from schema.carriage import Attempt, BindReport, CarrierEvents, Parcel, Posted
from schema.refusals import RefusalReason
from schema.vocabulary import Placement, UnknownAbility


class Carrier(Protocol):
    """One carrier as a deliver worker sees it. Made after fork, one a process, closed with it."""

    name: str
    #: the longest that `send` may take, in seconds
    call_deadline: float
    #: what can be done about an attempt that is left unknown; a setting `doubt` may lower what the kind is able to
    doubt: UnknownAbility
    #: DEDUPES: seconds within which the same reference is taken once
    dedupe_seconds: float

    def send(self, parcels: Sequence[Parcel]) -> list[Attempt]:
        """Send the parcels; return one attempt for each, in their order.

        Never raises for a fault of the network or of one parcel: that is the attempt's outcome. Returns within
        `call_deadline` for the whole call, so that a lease of three deadlines always suffices.
        """
        ...

    def close(self) -> None:
        """Close connections; idempotent."""
        ...


class SubmitNotes(Protocol):
    """Where a carrier writes down how far each message of a call is, by its place: it outlives the process."""

    def ready(self) -> None:
        """Note that all requests are written down: what is not handed over from now on waits for its turn."""
        ...

    def submitting(self, place: int) -> None:
        """Note that the message is handed over now; called before its first byte goes to the connection."""
        ...

    def unsubmitted(self, place: int) -> None:
        """Note that all of the message was refused for now, and is kept back to be handed over once more."""
        ...

    def answered(self, place: int, attempt: Attempt) -> None:
        """Note what became of the message."""
        ...


class NoNotes:
    """Notes that nobody keeps."""

    def ready(self) -> None:
        """Do nothing."""

    def submitting(self, place: int) -> None:
        """Do nothing."""

    def unsubmitted(self, place: int) -> None:
        """Do nothing."""

    def answered(self, place: int, attempt: Attempt) -> None:
        """Do nothing."""


NO_NOTES = NoNotes()


@runtime_checkable
class NotingCarrier(Protocol):
    """A carrier that notes what it hands over; of any other the whole call counts as handed over at once."""

    def send_noting(self, parcels: Sequence[Parcel], notes: SubmitNotes) -> list[Attempt]:
        """Send as `send` does; a message that is not noted as handed over has not left us."""
        ...


@runtime_checkable
class QueryableCarrier(Protocol):
    """A carrier that can be asked what became of a reference of ours (`Doubt.QUERYABLE`)."""

    def ask(self, parcels: Sequence[Parcel], carrier_refs: Sequence[str | None]) -> list[Attempt]:
        """Ask what became of parcels sent before; return one answer for each, in their order.

        ACCEPTED: the carrier has it. NOT_WRITTEN: it never heard of it. UNKNOWN: it does not say. Bound by
        `call_deadline` like `send`, and as little given to raising.
        """
        ...


@runtime_checkable
class CarrierWithBalance(Protocol):
    """A carrier that says what is left to spend with it."""

    def balance(self) -> tuple[Decimal, str] | None:
        """Return the balance and its currency (ISO 4217, or "" for credits); None when it does not say now."""
        ...


class Listener(Protocol):
    """Takes what a carrier says unasked, and returns once it is kept; raises DatabaseFault when it is not."""

    def __call__(self, events: CarrierEvents) -> None:
        """Keep it."""
        ...


@runtime_checkable
class ConnectedCarrier(Protocol):
    """A carrier that stays connected and receives events; `postroad carriers` runs a process for each."""

    def listen(self, listener: Listener) -> None:
        """Connect, stay connected, and hand over what comes; returns at once."""
        ...

    def binds(self) -> Mapping[str, int]:
        """Return how the connections stand: `bound`, `wanted`, `open` submits in the window."""
        ...

    def report(self) -> BindReport:
        """Return how the connections stand, why one of them does not, and what is odd about the other end."""
        ...


@runtime_checkable
class CarrierWithWarnings(Protocol):
    """A carrier that takes settings which may not work, and says which."""

    #: words to read; never a value
    warnings: Sequence[str]


class ReceiptForged(PostroadError):
    """A delivery report does not prove that its carrier sent it; answer 401 and keep nothing."""


class ReceiptReader(Protocol):
    """Understands what one kind of carrier posts over HTTP: delivery reports, and messages from handsets."""

    def __call__(self, carrier: str, settings: Mapping[str, object], posted: Posted) -> CarrierEvents:
        """Return what is in one request to the carrier of that name, with these settings of its row.

        ValueError says what cannot be read, ReceiptForged whose token is wrong.
        """
        ...


class ReceiptProof(Protocol):
    """Judges by its headers and URL alone whose a post is, so that nothing is read of a forger."""

    def __call__(self, carrier: str, settings: Mapping[str, object], posted: Posted) -> bool:
        """Tell whether they prove it; False: only the body can. ReceiptForged if they disprove it."""
        ...


#: what a carrier is answered when its receipts are kept: status, content type and body
Thanks = tuple[int, str, str]
#: what a carrier hears unless its kind says otherwise
USUAL_THANKS: Thanks = (200, "application/json", '{"kept": true}')


def _usual_thanks(_carrier: str, _settings: Mapping[str, object]) -> Thanks:
    return USUAL_THANKS


def _sends_no_dlt(_settings: Mapping[str, object]) -> bool:
    return False


def reaches_no_operator(_settings: Mapping[str, object]) -> None:
    """Return what is said of ids for India (DLT) by a kind that reaches no operator."""
    return


@dataclass(frozen=True, slots=True)
class HttpReceipts:
    """How the receipts of one kind of carrier come over HTTP."""

    read: ReceiptReader
    #: what is told of them before their body is read
    prove: ReceiptProof
    #: the settings of which one proves them; none: the rules in the setting `receipts` hold a proof
    secrets: tuple[str, ...] = ()
    #: whether every post is believed while none of these is set; otherwise none is
    is_trusting: bool = False
    #: whether its carriers may call with GET too
    by_get: bool = False
    #: returns what a carrier of (name, settings) is answered when its receipts are kept
    thanks: Callable[[str, Mapping[str, object]], Thanks] = _usual_thanks


@dataclass(frozen=True, slots=True)
class CarrierKind:
    """One kind of carrier: all that the rest of the code knows of it."""

    #: what an operator calls it: `twilio`
    name: str
    #: makes a carrier of (name, settings); ConfigurationError names the setting that does not fit
    make: Callable[[str, Mapping[str, object]], Carrier]
    #: which process gives its carriers their messages
    placement: Placement = Placement.OWN
    #: None: its receipts do not come over HTTP
    receipts: HttpReceipts | None = None
    #: why a message was refused, by where the code comes and by the code; empty: its codes are an operator's to set
    codes: Mapping[str, Mapping[Any, RefusalReason]] = field(default_factory=dict)
    #: tells whether its settings have ids for India (DLT) that its carriers send; None: it reaches no operator
    sends_dlt: Callable[[Mapping[str, object]], bool | None] = _sends_no_dlt
    #: the settings that say how ids are written, where a carrier may write them otherwise in receipts
    id_settings: tuple[str, ...] = ()
