"""Which kinds of carrier there are, and who makes them."""

from collections.abc import Callable, Mapping
from typing import Any

from pipeline.carriers import balance_settings, home_country, http, receipt_authentication
from pipeline.carriers.contract import Carrier, CarrierWithBalance, ReceiptProof, ReceiptReader
from pipeline.carriers.simulated import Simulated
from pipeline.carriers.smpp import codes, submit_exchange
from pipeline.carriers.smpp.smpp_carrier import SmppCarrier
from pipeline.carriers.vendors import africas_talking, generic, infobip, termii, twilio, vonage
from pipeline.errors import CarrierUnknown, ConfigurationError
from pipeline.rules.routing import dlt
from schema.refusals import RefusalReason

#: makes a carrier of (name, settings); ConfigurationError names the setting that does not fit
Maker = Callable[[str, Mapping[str, object]], Carrier]

KINDS: dict[str, Maker] = {
    "africas_talking": africas_talking.make,
    "generic": generic.make,
    "http": http.make,
    "infobip": infobip.make,
    "simulated": Simulated,
    "smpp": SmppCarrier,
    "termii": termii.make,
    "twilio": twilio.make,
    "vonage": vonage.make,
}
#: the kinds whose receipts come over HTTP
RECEIPT_READERS: dict[str, ReceiptReader] = {
    "africas_talking": africas_talking.read,
    "generic": generic.read,
    "http": http.read,
    "infobip": infobip.read,
    "termii": termii.read,
    "twilio": twilio.read,
    "vonage": vonage.read,
}
#: what is told of them before their body is read: True, False (only the body tells), or ReceiptForged
RECEIPT_PROOFS: dict[str, ReceiptProof] = {
    "africas_talking": africas_talking.prove,
    "generic": generic.prove,
    "http": http.prove,
    "infobip": infobip.prove,
    "termii": termii.prove,
    "twilio": twilio.prove,
    "vonage": vonage.prove,
}
#: those of them whose carriers may call with GET
RECEIPTS_BY_GET = frozenset({"generic", "vonage"})
#: what a carrier hears when its receipts are kept: status, content type and words; Twilio understands TwiML alone
_THANKS = {"twilio": (200, "text/xml", "<Response/>")}
_USUAL_THANKS = (200, "application/json", '{"kept": true}')
#: by kind, what its codes say of a message, by where they come; generic's and simulated's are an operator's to set
TABLES: dict[str, dict[str, Mapping[Any, RefusalReason]]] = {
    "africas_talking": {
        "statusCode": africas_talking.CODES,
        "Message": africas_talking.WORDS,
        "HTTP status": africas_talking.REFUSALS,
        "field of a refusal": africas_talking.FIELDS,
        "receipt: failureReason": africas_talking.FAILURES,
    },
    "http": {"HTTP status": http.REFUSALS},
    "infobip": {
        "status.id, receipt too": infobip.REJECTIONS,
        "HTTP status": infobip.REFUSALS,
        "field of HTTP status 400": infobip.FIELDS,
        "receipt: error.groupId": infobip.ERROR_GROUPS,
    },
    "smpp": {"command_status": {codes.word(status): reason for status, reason in submit_exchange.REASONS.items()}},
    "termii": {
        "message": dict(termii.WORDS.values()),
        "HTTP status": termii.REFUSALS,
        "field of a refusal": termii.FIELDS,
        "receipt: status": termii.FAILURES,
    },
    "twilio": {"code, receipt too": twilio.CODES},
    "vonage": {
        "status": vonage.ERRORS,
        "field of status 2 and 3": vonage.FIELDS,
        "receipt: err-code": vonage.ERR_CODES,
    },
}
#: the kinds that any worker may speak for: there is no other end that could keep it waiting
IN_PLACE = frozenset({"simulated"})
#: the kinds that stay connected, so that only the carrier's own process speaks for them
BOUND = frozenset({"smpp"})
#: the kinds that send the ids for India (DLT) of their setting `dlt`; SMPP's are parameters, and the others send none
_BY_DLT = frozenset({"generic", "infobip", "vonage"})
#: the parameter that has the entity's id: the operators' own, on all their SMSCs
_ENTITY_TAG = 0x1400
#: how often a carrier's call must fit into a lease: once for the call, once to write its answers, once to spare
CALLS_A_LEASE = 3


def make(name: str, kind: str, settings: Mapping[str, object], lease: float) -> Carrier:
    """Make the carrier for claims of so many seconds; nothing is connected yet.

    CarrierUnknown or ConfigurationError says what does not fit: also a call so long that another worker could take
    its batch for lost.
    """
    maker = KINDS.get(kind)
    if maker is None:
        raise CarrierUnknown(f"carrier {name}: kind {kind} is none of {', '.join(sorted(KINDS))}")
    watched, own = balance_settings.watch(name, receipt_authentication.own(kind, settings))
    if kind not in BOUND:  # what comes over HTTP is read without a carrier
        own = home_country.own(name, own)
    carrier = maker(name, own)
    if watched and not isinstance(carrier, CarrierWithBalance):
        carrier.close()
        raise ConfigurationError(
            f"carrier {name}: {balance_settings.LOW} and {balance_settings.EVERY}: kind {kind} never says what is left"
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


def receipt_reader(kind: str) -> ReceiptReader:
    """Return who reads this kind's receipts; CarrierUnknown if they do not come over HTTP."""
    reader = RECEIPT_READERS.get(kind)
    if reader is None:
        raise CarrierUnknown(f"kind {kind} sends no receipts over HTTP; {', '.join(sorted(RECEIPT_READERS))} would")
    return reader


def thanks(name: str, kind: str, settings: Mapping[str, object]) -> tuple[int, str, str]:
    """Return what the carrier wants to hear when its receipts are kept: status, content type and words."""
    own = generic.thanks(name, settings) if kind == "generic" else None
    return own or _THANKS.get(kind, _USUAL_THANKS)


def sends_dlt(kind: str, settings: Mapping[str, object]) -> bool | None:
    """Tell whether a carrier's settings have ids for India that its file sends; None: its kind reaches no operator."""
    if kind in dlt.OURS:
        return None
    if kind == "smpp":
        return _ENTITY_TAG in _tags(settings.get("tlvs"), *_members(settings.get("tlvs_by_sender")))
    return kind in _BY_DLT and bool(settings.get("dlt"))


def _tags(*parameters: object) -> set[int]:
    return {int(tag, 16) for each in parameters if isinstance(each, Mapping) for tag in each}


def _members(value: object) -> list[object]:
    return list(value.values()) if isinstance(value, Mapping) else []
