"""Which kinds of carrier there are: each is one object, which its own file exports."""

from collections.abc import Mapping

from pipeline.carriers import balance_polling, home_country, http, receipt_authentication, simulated
from pipeline.carriers.contract import Carrier, CarrierKind, CarrierWithBalance, HttpReceipts, ReceiptReader
from pipeline.carriers.smpp import smpp_kind as smpp
from pipeline.carriers.vendors import africas_talking, generic, infobip, termii, twilio, vonage
from pipeline.errors import CarrierUnknown, ConfigurationError
from schema.vocabulary import Placement

KINDS: dict[str, CarrierKind] = {
    each.KIND.name: each.KIND
    for each in (africas_talking, generic, http, infobip, simulated, smpp, termii, twilio, vonage)
}
#: how often a carrier's call must fit into a lease: once for the call, once to write its answers, once to spare
CALLS_A_LEASE = 3


def make(name: str, kind: str, settings: Mapping[str, object], lease: float) -> Carrier:
    """Make the carrier for claims of so many seconds; nothing is connected yet.

    CarrierUnknown or ConfigurationError says what does not fit: also a call so long that another worker could take
    its batch for lost.
    """
    found = KINDS.get(kind)
    if found is None:
        raise CarrierUnknown(f"carrier {name}: kind {kind} is none of {', '.join(sorted(KINDS))}")
    watched, own = balance_polling.read(name, receipt_authentication.own(found.receipts, settings))
    if found.placement is not Placement.BOUND:  # what comes over HTTP is read without a carrier
        own = home_country.own(name, own)
    carrier = found.make(name, own)
    if watched and not isinstance(carrier, CarrierWithBalance):
        carrier.close()
        raise ConfigurationError(
            f"carrier {name}: {balance_polling.LOW} and {balance_polling.EVERY}: kind {kind} never says what is left"
            " to spend"
        )
    needed = round(carrier.call_deadline * CALLS_A_LEASE, 3)
    if needed > lease:
        carrier.close()
        raise ConfigurationError(
            f"carrier {name}: call_deadline is {carrier.call_deadline:g} s, and a lease of {lease:g} s must hold three"
            f" of them: set call_deadline to {lease / CALLS_A_LEASE:g} or less,"
            f" or POSTROAD_LEASE_SECONDS to {needed:g} or more"
        )
    return carrier


def http_receipts(kind: str) -> HttpReceipts | None:
    """Return how this kind's receipts come over HTTP; None: they do not, or there is no such kind."""
    found = KINDS.get(kind)
    return found.receipts if found else None


def receipt_reader(kind: str) -> ReceiptReader:
    """Return what reads this kind's receipts; CarrierUnknown if they do not come over HTTP."""
    found = http_receipts(kind)
    if found is None:
        others = ", ".join(sorted(name for name, each in KINDS.items() if each.receipts))
        raise CarrierUnknown(f"kind {kind} sends no receipts over HTTP; {others} would")
    return found.read


def placement(kind: str) -> Placement:
    """Return which process gives carriers of this kind their messages; of a kind that is not there, one of its own."""
    found = KINDS.get(kind)
    return found.placement if found else Placement.OWN


def id_settings(kind: str) -> tuple[str, ...]:
    """Return the settings of this kind that say how ids are written, where receipts may write them otherwise."""
    found = KINDS.get(kind)
    return found.id_settings if found else ()
