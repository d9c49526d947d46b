"""Parses TeleSign's requests: the form of POST /v1/verify/sms, a code to check, a reference id."""

import re
from collections.abc import Callable, Iterator, Mapping
from ipaddress import ip_address
from urllib.parse import urlsplit
from uuid import UUID

from pipeline.dialects.contract import fields
from pipeline.dialects.telesign.errors import TelesignFault
from pipeline.dialects.telesign.templates import fill, predefined
from pipeline.rules.numbers import phones
from schema.api import ApiRequest
from schema.value_class import value_class
from schema.vocabulary import Code

_FORM = "application/x-www-form-urlencoded"
#: use case codes of a message
UCIDS = (
    *("ATCK", "BACF", "BACS", "CHBK", "CLDR", "LEAD", "OTHR"),
    *("PWRT", "RESV", "RXPF", "SHIP", "THEF", "TRVF", "UNKN"),
)
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")
#: most characters of a value that an error quotes
_QUOTED = 100


@value_class
class VerificationRequest:
    """A request to send a verification code."""

    #: E.164, with the plus
    phone: str
    #: the customer's own code; None: one is generated
    code: str | None
    template: str
    amount: str
    payee: str
    sender_id: str | None
    callback_url: str | None


def read_sms(call: ApiRequest) -> VerificationRequest | list[TelesignFault]:
    """Return the parsed form, or all its errors; unknown fields are ignored."""
    kind = call.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind and kind != _FORM:
        return [TelesignFault(Code.MEDIA_UNKNOWN, "Bad request")]
    try:
        form = {name: value for name, value in fields(call.body.decode()).items() if value.strip()}
    except ValueError:
        return [TelesignFault(Code.BAD_JSON, "Bad request")]
    number = phones.normalise(["+" + re.sub(r"[ +]", "", form.get("phone_number", ""))])[0]
    faults = list(_faults(form, number))
    if faults or number is None:
        return faults
    return VerificationRequest(
        phone=number.e164,
        code=form.get("verify_code"),
        template=form.get("template") or predefined(form.get("language", "")),
        amount=form.get("transaction_amount", ""),
        payee=form.get("transaction_payee", ""),
        sender_id=form.get("sender_id"),
        callback_url=form.get("callback_url"),
    )


def text(ask: VerificationRequest, code: str, longest: int) -> str | TelesignFault:
    """Return the text with its code filled in, or what is wrong with it."""
    filled = fill(ask.template, code, ask.amount, ask.payee)
    if len(filled) > longest or "\0" in filled:
        return TelesignFault(Code.INVALID_FIELD, "Invalid Request: Template Parameter")
    return filled


def host_refused(url: str) -> TelesignFault:
    """Return the error of a callback URL that must not be called."""
    try:
        host = urlsplit(url).hostname
    except ValueError:
        host = None
    if not host:
        return _invalid("callback_url", url)
    address = host if _is_address(host) else "-"
    return TelesignFault(Code.INVALID_FIELD, f"Not Allowed Host: IP/Hostname Parameter: {address}/{host[:_QUOTED]}")


def read_guess(call: ApiRequest) -> str | TelesignFault | None:
    """Return the code to check, None without one, or the error of the query; any text may be checked."""
    try:
        return fields(call.query).get("verify_code") or None
    except ValueError:
        return TelesignFault(Code.BAD_JSON, "Bad request")


def read_reference(word: str) -> UUID | TelesignFault:
    """Return a transaction's id, or the error."""
    if re.fullmatch("[0-9A-Fa-f]{32}", word, re.ASCII):
        return UUID(hex=word)
    return _invalid("reference_ID", word)


def _faults(form: Mapping[str, str], number: phones.Phone | None) -> Iterator[TelesignFault]:
    if "phone_number" not in form:
        yield _missing("phone_number")
    elif number is None or not re.fullmatch(r"[ +]*[0-9][0-9 ]*", form["phone_number"], re.ASCII):
        # the number is not quoted: responses that are logged must not contain it
        yield TelesignFault(Code.PHONE_INVALID, "Invalid Request: PhoneNumber Parameter")
    for name, fits in _RULES.items():
        if name in form and not fits(form[name]):
            yield _invalid(name, form[name])
    for one, other in (("transaction_amount", "transaction_payee"), ("transaction_payee", "transaction_amount")):
        if one in form and other not in form:
            yield _missing(other)


def _missing(name: str) -> TelesignFault:
    return TelesignFault(Code.MISSING_FIELD, f"Invalid Request: Missing Parameter: {name}")


def _invalid(name: str, value: str) -> TelesignFault:
    spelt = "".join(part[:1].upper() + part[1:] for part in name.split("_"))
    return TelesignFault(Code.INVALID_FIELD, f"Invalid Request: {spelt} Parameter: {value[:_QUOTED]}")


def _is_address(word: str) -> bool:
    try:
        ip_address(word)
    except ValueError:
        return False
    return True


def _is_boolean(word: str) -> bool:
    return word.lower() in ("true", "false")


def _at_most(longest: int) -> Callable[[str], bool]:
    return lambda word: len(word) <= longest and not _CONTROLS.search(word)


#: the validation of each parameter that is present
_RULES: Mapping[str, Callable[[str], bool]] = {
    "ucid": UCIDS.__contains__,
    "originating_ip": _is_address,
    "language": _at_most(40),
    "verify_code": lambda word: bool(re.fullmatch("[0-9]{3,7}", word, re.ASCII)),
    "sender_id": _at_most(20),
    "is_primary": _is_boolean,
    "dlt_template_id": _at_most(40),
    "dlt_entity_id": _at_most(40),
    "transaction_amount": _at_most(40),
    "transaction_payee": _at_most(40),
    "sim_swap_check": _is_boolean,
    "callback_url": _at_most(2048),
}
