"""What every carrier does, whatever it speaks."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from pipeline.errors import PostroadError
from schema.carriage import Attempt, Parcel, Receipt


class Carrier(Protocol):
    """One carrier as a deliver worker sees it. Made after fork, one a process, closed with it."""

    name: str
    #: the longest that `send` may take, in seconds
    call_deadline: float

    def send(self, parcels: Sequence[Parcel]) -> list[Attempt]:
        """Send the parcels; return one attempt for each, in their order.

        Never raises for a fault of the network or of one parcel: that is the attempt's outcome. Returns within
        `call_deadline` for the whole call, so that a lease of three deadlines always suffices.
        """
        ...

    def close(self) -> None:
        """Close connections; idempotent."""
        ...


class ReceiptForged(PostroadError):
    """A delivery report does not prove that its carrier sent it; answer 401 and keep nothing."""


class ReceiptReader(Protocol):
    """Understands one kind of carrier's delivery reports as they come over HTTP."""

    def __call__(
        self, carrier: str, settings: Mapping[str, object], headers: Mapping[str, str], body: bytes
    ) -> list[Receipt]:
        """Return the receipts in one request to the carrier of that name, with these settings of its row.

        Header names are in lower case. ValueError says what cannot be read, ReceiptForged whose token is wrong.
        """
        ...
