from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from pipeline.carriers.contract import ReceiptForged
from pipeline.carriers.http1 import HttpResponse
from pipeline.carriers.vendors.africas_talking import ACCEPTED, CODES, FAILURES, STATUSES, WORDS, judge, make, read
from pipeline.errors import ConfigurationError
from pipeline.rules.routing.retryable import OUTCOMES, may_another_help
from schema.carriage import Posted
from schema.refusals import RefusalReason
from schema.vocabulary import Outcome, ReceiptVerdict
from tests.carriers.conformance import Conformance, parcel
from tests.carriers.vendors.exchanges import answer, judged, posted
from tests.carriers.vendors.scripted_vendor import Call, Reply, Said, VendorRig, rigged

SETTINGS: dict[str, object] = {"username": "shop", "api_key": "s3cret", "receipt_token": "sesame"}


def said(code: int | str, given: object = "ATXid_1") -> dict[str, Any]:
    recipient = {
        "statusCode": code,
        "number": "+254711000111",
        "status": "Success",
        "cost": "KES 0.8000",
        "messageId": given if int(code) in ACCEPTED else "None",
    }
    return {"SMSMessageData": {"Message": "Sent to 1/1 Total Cost: KES 0.8000", "Recipients": [recipient]}}


def nobody(word: str) -> dict[str, Any]:
    return {"SMSMessageData": {"Message": word, "Recipients": []}}


class Tongue:
    echoes = False

    def receive(self, call: Call) -> Said | Reply:
        assert call.headers["apikey"] == "s3cret"
        if call.method == "GET":
            assert call.url == "/version1/user?username=shop"
            return Reply(200, {"UserData": {"balance": "KES 1785.5000"}})
        assert call.url == "/version1/messaging"
        sent = call.form()
        assert sent["username"] == "shop"
        return Said(sent["to"], sent["to"], sent["message"])

    def accept(self, events: Said, given: str) -> Reply:
        return Reply(201, said(101, f"{given}"))

    def refuse(self, code: str) -> Reply:
        return Reply(201, said(403 if code == "rejected" else int(code)))

    def later(self, code: str) -> Reply:
        return Reply(201, said(int(code) if code.isdecimal() else 405))

    def throttle(self, seconds: str) -> Reply:
        return Reply(429, b"Too many requests", {"retry-after": seconds})


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[VendorRig]:
    with rigged(make, SETTINGS, Tongue(), tmp_path) as rig:
        yield rig


class TestAfricasTalking(Conformance):
    REFUSED = ("refuse:406", "406")
    REFUSED_FOR_NOW = ("refuse_transient:407", "407")


@pytest.mark.parametrize(("code", "reason"), CODES.items())
@pytest.mark.parametrize("spelling", [int, str])
def test_each_status_code_of_a_recipient_has_its_outcome(code: int, reason: RefusalReason, spelling: type) -> None:
    assert judged(judge, answer(201, said(spelling(code)))) == (OUTCOMES[reason], str(code), None)


@pytest.mark.parametrize("code", [*ACCEPTED, "101"])
def test_a_recipient_with_a_status_code_of_success_is_accepted(code: Any) -> None:
    assert judged(judge, answer(201, said(code, "ATXid_1"))) == (Outcome.ACCEPTED, None, "ATXid_1")


@pytest.mark.parametrize(("word", "reason"), WORDS.items())
def test_each_message_of_a_response_without_recipients_has_its_outcome(word: str, reason: RefusalReason) -> None:
    assert judged(judge, answer(201, nobody(word))) == (OUTCOMES[reason], word, None)


ANSWERS: dict[str, tuple[HttpResponse, tuple[str, str | None, str | None]]] = {
    "taken, with 200": (answer(200, said(101)), ("accepted", None, "ATXid_1")),
    "taken, without an id": (answer(201, said(101, "None")), ("unknown", "unreadable", None)),
    "a code nobody knows": (answer(201, said(777)), ("unknown", "777", None)),
    "no recipient, in words nobody knows": (answer(201, nobody("Hm")), ("unknown", "unreadable", None)),
    "no data": (answer(201, {}), ("unknown", "unreadable", None)),
    "401": (answer(401, b"The supplied authentication is invalid"), ("refused_transient", "http_401", None)),
    "400": (answer(400, b"Bad Request"), ("refused_transient", "http_400", None)),
    "a number": (answer(400, b"Request is missing required form field 'to'"), ("refused_permanent", "http_400", None)),
    "a name": (
        answer(400, b"Request is missing required form field 'username'"),
        ("refused_transient", "http_400", None),
    ),
    "a sender": (answer(400, b"The field 'from' is invalid: to"), ("refused_transient", "http_400", None)),
    "404": (answer(404), ("unknown", "http_404", None)),
    "429": (answer(429), ("refused_transient", "throttled", None)),
    "500": (answer(500), ("unknown", "http_500", None)),
}


@pytest.mark.parametrize(("given", "expected"), ANSWERS.values(), ids=ANSWERS.keys())
def test_each_vendor_response_has_its_outcome(
    given: HttpResponse, expected: tuple[str, str | None, str | None]
) -> None:
    assert judged(judge, given) == expected


def test_a_send_request_has_the_fields_that_africas_talking_documents(rig: VendorRig) -> None:
    rig.carrier().send([parcel("habari & karibu")])
    rig.at(rig.url, shared_sender=True).send([parcel()])

    call, shared = rig.other.calls
    assert call.headers["accept"] == "application/json"
    assert call.form() == {
        "username": "shop",
        "to": "+491701234567",
        "from": "ACME",
        "message": "habari & karibu",
        "bulkSMSMode": "1",
    }
    assert "from" not in shared.form()


def test_the_balance_is_read_with_its_currency(rig: VendorRig) -> None:
    assert rig.carrier().balance() == (Decimal("1785.5"), "KES")


# What Africa's Talking posts ------------------------------------------------------------------------------------

URL = "https://sms.example/receipts/alpha?token=sesame"
REPORT = {"id": "ATXid_1", "status": "Success", "phoneNumber": "+254711000111", "networkCode": "63902"}
MESSAGE = {
    "date": "2026-11-21 10:00:00",
    "from": "+254711000111",
    "id": "m-1",
    "linkId": "",
    "text": "STOP",
    "to": "28901",
    "networkCode": "63902",
}


def form(given: dict[str, str], url: str = URL) -> Posted:
    return posted(urlencode(given).encode(), url)


@pytest.mark.parametrize(("status", "verdict"), STATUSES.items())
def test_each_receipt_status_has_its_verdict(status: str, verdict: ReceiptVerdict) -> None:
    [receipt] = read("alpha", SETTINGS, form({**REPORT, "status": status})).receipts

    assert (receipt.verdict, receipt.key, receipt.carrier_ref) == (verdict, f"ATXid_1/{status}", "ATXid_1")
    assert receipt.code == (status if verdict is ReceiptVerdict.FAILED else None)
    assert "254711000111" not in receipt.raw


@pytest.mark.parametrize(
    ("word", "reason"),
    [*FAILURES.items(), ("Elsewhere", None)],
)
def test_each_failure_reason_of_a_receipt_is_retryable_or_not(word: str, reason: RefusalReason | None) -> None:
    [receipt] = read("alpha", SETTINGS, form({**REPORT, "status": "Failed", "failureReason": word})).receipts

    assert (receipt.code, receipt.retryable) == (word, may_another_help(reason))


def test_an_mo_message_is_read() -> None:
    [inbound] = read("alpha", SETTINGS, form(MESSAGE)).inbound

    assert (inbound.key, inbound.phone, inbound.sender, inbound.body) == ("m-1", "+254711000111", "28901", "STOP")
    assert inbound.at == datetime(2026, 11, 21, 10, tzinfo=UTC)


def test_an_opt_out_post_is_read_as_a_stop_with_a_new_key_each_time() -> None:
    given = {"senderId": "ACME", "phoneNumber": "+254711000111"}

    [first], [second] = (read("alpha", SETTINGS, form(given)).inbound for _ in range(2))

    assert (first.phone, first.sender, first.body) == ("+254711000111", "ACME", "STOP")
    assert first.key != second.key
    assert first.is_doubtful
    assert first.key.partition("/")[0] == second.key.partition("/")[0]


@pytest.mark.parametrize("url", [URL.replace("sesame", "open"), URL.partition("?")[0]])
def test_a_post_without_the_receipt_token_is_refused_as_forged(url: str) -> None:
    with pytest.raises(ReceiptForged):
        read("alpha", SETTINGS, form(REPORT, url))


def test_every_post_is_refused_when_no_receipt_token_is_set() -> None:
    with pytest.raises(ReceiptForged, match="set receipt_token"):
        read("alpha", {}, form(REPORT))


@pytest.mark.parametrize(
    "given",
    [{**REPORT, "status": ""}, {**REPORT, "id": ""}, {**MESSAGE, "from": ""}, {"id": "x"}, {}],
)
def test_an_unreadable_post_becomes_a_dead_letter(given: dict[str, str]) -> None:
    events = read("alpha", SETTINGS, form(given))

    assert (events.receipts, events.inbound) == ([], [])
    assert [each.reason for each in events.dead] == ["unreadable_post"]


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({}, "username is required"),
        ({"username": "shop"}, "api_key is required"),
        ({"username": "shop", "api_key": "k", "shared_sender": 1}, "shared_sender must be true or false"),
        ({"username": "shop", "api_key": "k", "wings": 1}, "wings is no setting"),
    ],
)
def test_an_invalid_setting_is_refused_by_its_name(settings: dict[str, object], named: str) -> None:
    with pytest.raises(ConfigurationError, match=f"carrier alpha: {named}"):
        make("alpha", settings)
