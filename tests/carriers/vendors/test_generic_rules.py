"""A generic vendor's rules: success conditions, value maps, renderings, receipts."""

import codecs
import json
from typing import Any
from urllib.parse import parse_qs

import pytest

from pipeline.carriers.vendors.generic import make, read
from pipeline.errors import ConfigurationError
from schema.message_class import MessageClass
from schema.vocabulary import Encoding, Outcome
from tests.carriers.conformance import parcel
from tests.carriers.raw import listening, plain, read_request, saying
from tests.carriers.vendors.exchanges import posted

PAGE = b"<html><body>Maintenance</body></html>"
ACCEPTED, UNKNOWN = Outcome.ACCEPTED, Outcome.UNKNOWN
PERMANENT, TRANSIENT = Outcome.REFUSED_PERMANENT, Outcome.REFUSED_TRANSIENT

TEXTS = [
    {"equals": "error_limit", "means": "throttled"},
    {"begins": ["ERR 21", "ERR 22"], "means": "permanent"},
    {"pattern": "^ERR [3-9]", "means": "transient"},
]
#: what is demanded, and what comes of each answer
DEMANDS: dict[str, tuple[dict[str, Any], dict[bytes, Outcome]]] = {
    "a text that is equal": (
        {"accepted": {"statuses": [200], "text": {"equals": ["OK", "QUEUED"]}}},
        {b"OK": ACCEPTED, b" OK\r\n": ACCEPTED, b"QUEUED": ACCEPTED, b"OK!": UNKNOWN, PAGE: UNKNOWN, b"": UNKNOWN},
    ),
    "a text that begins": (
        {"accepted": {"statuses": [200], "text": {"begins": "1701|"}, "ref_pattern": r"\|(\w+)$"}, "texts": TEXTS},
        {
            b"1701|abc": ACCEPTED,
            codecs.BOM_UTF8 + b"1701|abc": ACCEPTED,
            b"1701|": UNKNOWN,
            b"1025": UNKNOWN,
            b"error_limit": TRANSIENT,
            b"ERR 21: no number": PERMANENT,
            b"ERR 3": TRANSIENT,
            PAGE: UNKNOWN,
            b"": UNKNOWN,
        },
    ),
    "a text of a pattern": (
        {"accepted": {"statuses": [200], "text": {"pattern": r"^id=\d+$"}}, "texts": TEXTS},
        {b"id=7": ACCEPTED, b"id=": UNKNOWN, PAGE: UNKNOWN, b"error_limit": TRANSIENT},
    ),
    "nothing but a status": (
        {"accepted": {"statuses": [200]}},
        {
            b"accepted": ACCEPTED,
            b'{"id": 7}': ACCEPTED,
            b'{"error": null, "errorCode": 0}': ACCEPTED,
            b"<response>ok</response>": ACCEPTED,
            PAGE: UNKNOWN,
            b"<!DOCTYPE html><p>soon</p>": UNKNOWN,
            b"": UNKNOWN,
            b" \n": UNKNOWN,
            b'{"error": "no route"}': UNKNOWN,
            b'{"errors": [{"code": 7}]}': UNKNOWN,
            b'{"error": {"code": 7}}': UNKNOWN,
            b'{"error": {"code": 0, "text": ""}}': ACCEPTED,
            b'{"Error": "no route"}': UNKNOWN,
            b'{"ErrorCode": "000", "ErrorMessage": "Done", "JobId": "20047"}': ACCEPTED,
            b'{"ErrorCode": "0", "ErrorMessage": "No error"}': ACCEPTED,
            b'{"error_code": "SUCCESS", "error_message": "Message accepted"}': ACCEPTED,
            b'{"ErrorCode": "0", "ErrorMessage": "Not accepted"}': UNKNOWN,
            b'{"ErrorCode": "13", "ErrorMessage": "Done"}': UNKNOWN,
            b'{"success": false, "message": "no route"}': UNKNOWN,
            b'{"success": "0"}': UNKNOWN,
            b'{"status": "failed"}': UNKNOWN,
            b'{"status": "OK"}': ACCEPTED,
            b'{"status": 200}': ACCEPTED,
            b'{"status": "400"}': UNKNOWN,
            b'{"code": 401, "message": "Unauthorized"}': UNKNOWN,
            b'{"response": {"status": "error"}}': UNKNOWN,
            b'[{"error": "no route"}]': UNKNOWN,
            b"{}": UNKNOWN,
            b"[]": UNKNOWN,
            b"null": UNKNOWN,
            b"error_limit": UNKNOWN,
            b"ERR 105": UNKNOWN,
            b"Invalid username": UNKNOWN,
            b"-1": UNKNOWN,
            b"1701|abc": ACCEPTED,
            b"Errand 7 is on its way": ACCEPTED,
            b"<p>Maintenance</p>": UNKNOWN,
            b"<!-- proxy 3 -->\n<HTML>": UNKNOWN,
            b'<?xml version="1.0"?><!DOCTYPE html><html/>': UNKNOWN,
            b'<?xml version="1.0"?><response>ok</response>': ACCEPTED,
            b'<?xml version="1.0"?><error>no route</error>': UNKNOWN,
        },
    ),
    "a reference that an error would have too": (
        {"accepted": {"statuses": [200], "ref": "id"}},
        {b'{"id": 7}': ACCEPTED, b'{"id": 7, "error": "no route"}': UNKNOWN, b'{"id": 7, "status": "error"}': UNKNOWN},
    ),
    "that nothing is wrong": (
        {"accepted": {"statuses": [200], "where": {"error": [None]}}},
        {b'{"id": 7}': ACCEPTED, b'{"error": 7}': UNKNOWN, PAGE: UNKNOWN, b"": UNKNOWN, b"ERR 105": UNKNOWN},
    ),
    "a truth": (
        {"accepted": {"statuses": [200], "where": {"ok": [True]}}},
        {b'{"ok": true}': ACCEPTED, b'{"ok": "True"}': ACCEPTED, b'{"ok": " TRUE "}': ACCEPTED, b'{"ok": 0}': UNKNOWN},
    ),
    "a reference that a page would have too": (
        {"accepted": {"statuses": [200], "ref_pattern": r"(\S+)"}},
        {b"abc": ACCEPTED, PAGE: UNKNOWN, b"": UNKNOWN},
    ),
    "an empty answer": (
        {"accepted": {"statuses": [200], "text": {"equals": ""}}},
        {b"": ACCEPTED, b"\n": ACCEPTED, PAGE: UNKNOWN},
    ),
    "a value, of whatever type it comes": (
        {"accepted": {"statuses": [200], "where": {"status": ["0", True]}, "ref": "id"}},
        {
            b'{"status": 0, "id": 7}': ACCEPTED,
            b'{"status": "0", "id": "7"}': ACCEPTED,
            b'{"status": "true", "id": 7.0}': ACCEPTED,
            codecs.BOM_UTF8 + b'{"status": 0, "id": 7}': ACCEPTED,
            b'{"status": 1, "id": 7}': UNKNOWN,
            PAGE: UNKNOWN,
        },
    ),
}
CASES = [(rules, body, outcome) for rules, answers in DEMANDS.values() for body, outcome in answers.items()]
NAMES = [f"{name}: {body[:24]!r}" for name, (_, answers) in DEMANDS.items() for body in answers]


@pytest.mark.parametrize(("rules", "body", "outcome"), CASES, ids=NAMES)
def test_a_response_is_a_success_only_if_it_meets_the_success_conditions(
    rules: dict[str, Any], body: bytes, outcome: Outcome
) -> None:
    with listening(saying(plain("200 OK", body))) as url:
        carrier = make("alpha", {"url": f"{url}/send", "body": {"to": "${to}"}, "answers": rules, "deadline": 5})
        [attempt] = carrier.send([parcel()])
        carrier.close()

    assert attempt.outcome is outcome


def test_an_html_page_with_status_404_does_not_mean_that_a_message_is_absent() -> None:
    asking = {
        "method": "POST",
        "body": {"ref": "${ref}"},
        "answers": {"accepted": {"statuses": [200]}, "absent": {"statuses": [404]}},
    }
    found = []
    for body in (PAGE, b'{"error": "no such message"}'):
        with listening(saying(plain("404 Not Found", body))) as url:
            ask = {**asking, "url": f"{url}/ask"}
            carrier = make("alpha", {"url": url, "answers": {"accepted": {"statuses": [200]}}, "ask": ask})
            found += carrier.query([parcel()], [None])
            carrier.close()

    assert [each.outcome for each in found] == [UNKNOWN, Outcome.NOT_WRITTEN]


def sent(given: Any, **settings: Any) -> bytes:
    """Return the body that a vendor gets of a parcel."""
    got: list[bytes] = []

    def behaviour(guest: Any) -> None:
        while body := read_request(guest):
            got.append(body)
            guest.sendall(plain("200 OK", b"OK"))

    with listening(behaviour) as url:
        answers = {"accepted": {"statuses": [200]}}
        carrier = make("alpha", {"url": f"{url}/send", "answers": answers, "deadline": 5, **settings})
        [attempt] = carrier.send([given])
        carrier.close()
    assert attempt.outcome is ACCEPTED
    return got[0]


VALUES = {
    "coding": {"encoding": {"GSM7": "0", "UCS2": 8}},
    "flash": {"class": {"otp": True, "*": False}},
    "payload": {"encoding": {"GSM7": "${text}", "UCS2": "${text:utf16-hex}"}},
    "route": {"country": {"DE": "R1", "*": "R2"}},
}


@pytest.mark.parametrize(
    ("given", "body"),
    [
        (
            parcel("Ж1", encoding=Encoding.UCS2, message_class=MessageClass.OTP, country="DE"),
            {"dc": 8, "flash": True, "text": "04160031", "hex": "d09631", "route": "R1", "both": "8-R1"},
        ),
        (
            parcel("a€", encoding=Encoding.GSM7),
            {"dc": "0", "flash": False, "text": "a€", "hex": "61e282ac", "route": "R2", "both": "0-R2"},
        ),
    ],
)
def test_a_json_template_maps_values_and_renders_texts(given: Any, body: dict[str, Any]) -> None:
    template = {
        "dc": "${coding}",
        "flash": "${flash}",
        "text": "${payload}",
        "hex": "${text:hex}",
        "route": "${route}",
        "both": "${coding}-${route}",
    }

    assert json.loads(sent(given, body=template, values=VALUES)) == body


def test_form_and_header_templates_map_values_and_render_texts() -> None:
    settings = {
        "form": {"dcs": "${coding}", "text": "${text:upper-utf16-hex}"},
        "headers": {"x-coding": "${coding}"},
        "values": {"coding": {"encoding": {"GSM7": "1", "UCS2": "2"}}},
    }

    assert parse_qs(sent(parcel("é"), **settings).decode()) == {"dcs": ["2"], "text": ["00E9"]}


BASE: dict[str, Any] = {"url": "https://x/send", "answers": {"accepted": {"statuses": [200]}}}
MOMENT = "2023-11-14T22:13:00+00:00"
PROOF = {"header": "x", "secret": "s"}


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"values": {"coding": {"encoding": {"GSM7": "0"}}}}, r"values.coding.encoding must have UCS2, or \*"),
        ({"values": {"route": {"country": {"DE": "1"}}}}, r"values.route.country must have \*"),
        ({"values": {"text": {"encoding": {"*": "0"}}}}, "values.text must be a new name"),
        ({"values": {"x": {"wings": {"*": "0"}}}}, "values.x must depend on one of carrier_ref"),
        ({"values": {"x": {"encoding": {"*": []}}}}, r"values.x.encoding.\* must be text, a number or a boolean"),
        ({"values": {"x": {"encoding": {"*": "${y}"}}}}, r"values.x.encoding.\* names \$\{y\}"),
        ({"values": {"x": "0"}}, "values.x must be an object of one name"),
        ({"body": {"a": "${text:morse}"}}, "body.a renders text as morse, which is none of hex, utf16-hex"),
        ({"values": {"x": {"encoding": {"*": "${text}"}}}, "headers": {"x": "${x}"}}, r"headers.x names \$\{x\}"),
        (
            {"answers": {"accepted": {"statuses": [200], "text": {"like": "OK"}}}},
            "answers.accepted.text must have equals",
        ),
        (
            {"answers": {"accepted": {"statuses": [200], "text": {"pattern": "("}}}},
            "answers.accepted.text.pattern is not a regular expression",
        ),
        (
            {"answers": {**BASE["answers"], "texts": [{"equals": "x", "means": "good"}]}},
            "answers.texts.0.means must",
        ),
        ({"answers": {**BASE["answers"], "texts": ["x"]}}, "answers.texts must be a list of objects"),
        ({"receipts": {"proof": PROOF, "answer": {"status": 404}}}, "status must be a number from 200 to 299"),
        ({"receipts": {"proof": PROOF, "answer": {"body": 7}}}, "receipts.answer.body must be text"),
        ({"receipts": {"proof": PROOF, "answer": {"type": "text"}}}, "receipts.answer.type must be a content type"),
        ({"receipts": {"proof": PROOF, "at_format": "dd.mm"}}, "receipts.at_format must be epoch"),
    ],
)
def test_an_invalid_rule_is_refused_by_its_name(settings: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigurationError, match=f"carrier alpha: {named}"):
        make("alpha", {**BASE, **settings})


@pytest.mark.parametrize(
    ("report", "verdict", "moment"),
    [
        (b'{"id": 7, "status": 0, "at": 1699999980}', "delivered", MOMENT),
        (
            codecs.BOM_UTF8 + b'{"id": "7", "status": "0", "at": "14/11/2023 22:13"}',
            "delivered",
            MOMENT,
        ),
        (b"id=7&status=delivrd&at=2023.11.14-22.13", "delivered", MOMENT),
        (b"id=7&status=DELIVRD&text=Gr%FC%DFe", "delivered", None),
        (b'[{"id": 7, "status": true}]', "failed", None),
    ],
)
def test_receipts_are_read_in_deviating_types_encodings_and_date_formats(
    report: bytes, verdict: str, moment: str | None
) -> None:
    rules = {
        "carrier_ref": "id",
        "status": "status",
        "at": "at",
        "at_format": "%Y.%m.%d-%H.%M",
        "statuses": {"0": "delivered", "DELIVRD": "delivered", "true": "failed"},
        "proof": {"header": "x-token", "secret": "s"},
    }

    [receipt] = read("alpha", {"receipts": rules}, posted(report, x_token="s")).receipts

    assert (receipt.carrier_ref, receipt.verdict) == ("7", verdict)
    assert (receipt.at.isoformat() if receipt.at else None) == moment
