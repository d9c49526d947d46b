"""Generic HTTP vendor, defined by settings alone: request templates, response rules, receipt rules; no evaluation.

    {"url": "https://sms.example/send", "method": "POST", "headers": {"authorization": "Bearer …"},
     "body": {"to": "${to}", "text": "${text}", "id": "${ref}", "parts": "${segments}"},
     "answers": {
        "accepted": {"statuses": [200], "where": {"status": ["ok", 0]}, "ref": "messages.0.id"},
        "code": "error.code",
        "codes": {"21": "permanent", "40": "transient", "50": "throttled"},
        "statuses": {"400": "permanent", "401": "transient"}},
     "receipts": {
        "each": "results", "carrier_ref": "id", "ref": "reference", "status": "status", "code": "error", "at": "at",
        "statuses": {"DELIVRD": "delivered", "UNDELIV": "failed", "ENROUTE": "pending"}, "retryable": ["8"],
        "inbound": {"id": "id", "from": "from", "to": "to", "text": "text", "at": "at"},
        "proof": {"hmac": "sha256", "header": "x-signature", "secret": "…"}},
     "ask": {"url": "https://sms.example/messages/${ref}",
             "answers": {"accepted": {"statuses": [200], "ref": "id"}, "absent": {"statuses": [404]}}},
     "balance": {"url": "https://sms.example/balance", "amount": "balance", "currency": "USD"}}

`values` defines further placeholders by value maps: `{"coding": {"encoding": {"GSM7": "0", "UCS2": "8"}}}` is
`${coding}`. `form` instead of `body` sends a form; a GET has `${…}` in its URL. All placeholders: placeholders.py. A
path is names and indexes joined by dots; `ref_pattern` and `code_pattern` (a regular expression with one group) match
text that is not JSON. Without a matching code or status the outcome is unknown; 429 is throttled unless `statuses`
says otherwise. Without `ref` in `accepted`, our own is used. `where` holds when each path has one of its values.
`ask` and `balance` use the host of `url`.

The other settings: those of every vendor but `base_url`; `doubt` is `queryable` where there is `ask`, `dedupes` where
there is `dedupe_seconds`; `receipt_url`.
"""

from collections.abc import Mapping
from urllib.parse import urlsplit

from pipeline.carriers.contract import DEFAULT_RESPONSE, CarrierKind, HttpReceipts
from pipeline.carriers.setting_reader import SettingReader
from pipeline.carriers.vendors.dlt_registrations import Registrations, has_ids
from pipeline.carriers.vendors.generic.placeholders import Maps
from pipeline.carriers.vendors.generic.receipt_rules import ReceiptRules, authenticate, read, response
from pipeline.carriers.vendors.generic.request_templates import (
    RequestTemplates,
    balance_query,
    headers_of,
    status_query,
)
from pipeline.carriers.vendors.generic.response_rules import ResponseRules
from pipeline.carriers.vendors.vendor_client import VendorCarrier, VendorConnection
from schema.vocabulary import UnknownAbility

__all__ = ["authenticate", "make", "read", "response"]

#: settings of every vendor that apply here too
_OF_A_LINE = ("window", "connect_timeout", "deadline", "call_deadline", "ca_file", "doubt")


def make(name: str, settings: Mapping[str, object]) -> VendorCarrier:
    """Create the carrier; ConfigurationError names the invalid setting."""
    options = SettingReader(name, settings)
    line = _line(options, settings)
    dedupe_seconds = options.number("dedupe_seconds", 0, 0, 30 * 86_400)
    asking, spending = options.mapping("ask"), options.mapping("balance")
    maps = Maps.read(options)
    headers = headers_of(options, maps)
    called, registered = options.text("receipt_url", ""), Registrations.read(options)
    templates = RequestTemplates.read(options, "", line.address, headers, maps, called, registered)
    if registered.by_sender and "${dlt_entity_id" not in f"{templates.url} {templates.body} {maps.by_name}":
        raise options.unfit("dlt", "has no effect unless a template has ${dlt_entity_id}")
    answers = ResponseRules(options, "answers", options.mapping("answers"))
    ReceiptRules.read(name, options.mapping("receipts"))
    options.finish()
    return VendorCarrier(
        line,
        templates.write,
        answers.judge,
        question=status_query(name, asking, line.address, headers, maps) if asking else None,
        balance_query=balance_query(name, spending, line.address, headers) if spending else None,
        dedupe_seconds=dedupe_seconds,
    )


def _line(options: SettingReader, settings: Mapping[str, object]) -> VendorConnection:
    able = (
        UnknownAbility.QUERYABLE
        if "ask" in settings
        else UnknownAbility.DEDUPES
        if "dedupe_seconds" in settings
        else UnknownAbility.BLIND
    )
    url = settings.get("url")
    if not isinstance(url, str) or "${" in urlsplit(url).netloc:
        raise options.unfit("url", "must be an http:// or https:// URL")
    shared = {key: value for key in _OF_A_LINE if (value := options.take(key)) is not None}
    origin = "{0.scheme}://{0.netloc}".format(urlsplit(url))
    return VendorConnection(SettingReader(options.carrier, {**shared, "url": origin}), able=able, key="url")


def _response(carrier: str, settings: Mapping[str, object]) -> tuple[int, str, str]:
    return response(carrier, settings) or DEFAULT_RESPONSE


KIND = CarrierKind(
    "generic",
    make,
    receipts=HttpReceipts(read, authenticate, by_get=True, response=_response),
    sends_dlt=has_ids,
    request_parts=("form", "body", "values"),
)
