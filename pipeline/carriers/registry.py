"""The registry of carrier kinds: each kind's module exports one object, `KIND`, which is named here."""

from collections.abc import Mapping

from pipeline.carriers import balance_poll_settings, home_country, http, receipt_authentication, simulated
from pipeline.carriers.contract import Carrier, CarrierKind, CarrierWithBalance, HttpReceipts, ReceiptReader
from pipeline.carriers.smpp import smpp_kind as smpp
from pipeline.carriers.vendors import africas_talking, generic, infobip, termii, twilio, vonage
from pipeline.errors import CarrierUnknown, ConfigurationError
from schema.vocabulary import Placement

KINDS: dict[str, CarrierKind] = {
    each.KIND.name: each.KIND
    for each in (africas_talking, generic, http, infobip, simulated, smpp, termii, twilio, vonage)
}
#: a lease must be at least this many times `call_deadline`: for the call, for recording its results, and a reserve
CALLS_A_LEASE = 3


def make(name: str, kind: str, settings: Mapping[str, object], lease: float) -> Carrier:
    """Create a carrier for claims with a lease of `lease` seconds; it does not connect yet.

    CarrierUnknown: there is no such kind. ConfigurationError: a setting is invalid, or a call could outlast the lease,
    so that another worker would treat its batch as lost.
    """
    found = KINDS.get(kind)
    if found is None:
        raise CarrierUnknown(f"carrier {name}: kind {kind} is none of {', '.join(sorted(KINDS))}")
    watched, own = balance_poll_settings.read(name, receipt_authentication.own(found.receipts, settings))
    if found.placement is not Placement.BOUND:  # HTTP posts are parsed without the carrier
        own = home_country.own(name, own)
    carrier = found.make(name, own)
    if watched and not isinstance(carrier, CarrierWithBalance):
        carrier.close()
        raise ConfigurationError(
            f"carrier {name}: {balance_poll_settings.LOW} and {balance_poll_settings.EVERY}: "
            f"kind {kind} has no balance to query"
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
    """Return how carriers of this kind post receipts over HTTP; None: they do not, or the kind is unknown."""
    found = KINDS.get(kind)
    return found.receipts if found else None


def receipt_reader(kind: str) -> ReceiptReader:
    """Return the parser of this kind's receipts; CarrierUnknown: the kind is unknown, or posts none over HTTP."""
    found = http_receipts(kind)
    if found is None:
        others = ", ".join(sorted(name for name, each in KINDS.items() if each.receipts))
        raise CarrierUnknown(f"kind {kind} sends no receipts over HTTP; {others} would")
    return found.read


def placement(kind: str) -> Placement:
    """Return which process submits the messages of carriers of this kind; OWN for an unknown kind."""
    found = KINDS.get(kind)
    return found.placement if found else Placement.OWN


def id_settings(kind: str) -> tuple[str, ...]:
    """Return the names of the settings for the formats of message ids; none where receipts use the submitted form."""
    found = KINDS.get(kind)
    return found.id_settings if found else ()
