"""Which kinds of carrier there are, and who makes them."""

from collections.abc import Callable, Mapping

from pipeline.carriers import http
from pipeline.carriers.contract import Carrier, ReceiptReader
from pipeline.carriers.http import Http
from pipeline.carriers.simulated import Simulated
from pipeline.errors import CarrierUnknown

#: makes a carrier of (name, settings); ConfigurationError names the setting that does not fit
Maker = Callable[[str, Mapping[str, object]], Carrier]

KINDS: dict[str, Maker] = {
    "http": Http,
    "simulated": Simulated,
}
#: the kinds whose receipts come over HTTP
RECEIPT_READERS: dict[str, ReceiptReader] = {
    "http": http.read,
}


def make(name: str, kind: str, settings: Mapping[str, object]) -> Carrier:
    """Make the carrier; CarrierUnknown or ConfigurationError says what does not fit. Nothing is connected yet."""
    maker = KINDS.get(kind)
    if maker is None:
        raise CarrierUnknown(f"carrier {name}: kind {kind} is none of {', '.join(sorted(KINDS))}")
    return maker(name, settings)


def receipt_reader(kind: str) -> ReceiptReader:
    """Return who reads this kind's receipts; CarrierUnknown if they do not come over HTTP."""
    reader = RECEIPT_READERS.get(kind)
    if reader is None:
        raise CarrierUnknown(f"kind {kind} sends no receipts over HTTP; {', '.join(sorted(RECEIPT_READERS))} would")
    return reader
