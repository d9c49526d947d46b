import hashlib
import hmac
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from pipeline.carriers.contract import ReceiptForged
from pipeline.carriers.http1 import HttpResponse
from pipeline.carriers.vendors.termii import FAILURES, FIELDS, REFUSALS, STATUSES, WORDS, judge, make, read
from pipeline.errors import ConfigurationError
from pipeline.rules.routing.retryable import OUTCOMES, may_another_help
from schema.carriage import Posted
from schema.message_class import MessageClass
from schema.refusals import RefusalReason
from schema.vocabulary import ReceiptVerdict
from tests.carriers.conformance import Conformance, parcel
from tests.carriers.vendors.exchanges import answer, judged, posted
from tests.carriers.vendors.scripted_vendor import Call, Reply, Said, VendorRig, rigged

SETTINGS: dict[str, object] = {"base_url": "URL", "api_key": "s3cret", "secret_key": "sesame"}
TAKEN = {
    "code": "ok",
    "message_id": "5964465985113503103",
    "message": "Successfully Sent",
    "balance": 9,
    "user": "Peter",
}


class Tongue:
    echoes = False

    def receive(self, call: Call) -> Said | Reply:
        if call.method == "GET":
            assert call.url == "/api/get-balance?api_key=s3cret"
            return Reply(200, {"user": "Peter", "balance": 120.5, "currency": "NGN"})
        assert call.url == "/api/sms/send"
        sent = call.json()
        assert sent["api_key"] == "s3cret"
        return Said(f"+{sent['to']}", sent["to"], sent["sms"])

    def accept(self, said: Said, given: str) -> Reply:
        return Reply(200, {**TAKEN, "message_id": given})

    def refuse(self, code: str) -> Reply:
        return Reply(422, {"message": "The to field is invalid: 491701234567"})

    def later(self, code: str) -> Reply:
        return Reply(400, {"message": "Insufficient balance" if code == "money" else "Invalid Sender Id"})

    def throttle(self, seconds: str) -> Reply:
        return Reply(429, {"message": "Too Many Attempts."}, {"retry-after": seconds})


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[VendorRig]:
    with rigged(make, SETTINGS, Tongue(), tmp_path) as rig:
        yield rig


class TestTermii(Conformance):
    REFUSED = ("refuse", "http_422")
    REFUSED_FOR_NOW = ("refuse_transient:money", "insufficient_balance")


@pytest.mark.parametrize(("words", "meaning"), WORDS.items())
def test_each_error_message_has_its_outcome(words: str, meaning: tuple[str, RefusalReason]) -> None:
    code, reason = meaning

    assert judged(judge, answer(400, {"message": f"{words.title()}."})) == (OUTCOMES[reason], code, None)


@pytest.mark.parametrize(("field", "reason"), [*FIELDS.items(), ("channel", RefusalReason.CONFIGURATION)])
def test_a_validation_error_has_the_outcome_of_the_field_that_it_names(field: str, reason: RefusalReason) -> None:
    body = {"message": "The given data was invalid.", "errors": {field: [f"The {field} to which sms is sent"]}}

    assert judged(judge, answer(422, body)) == (OUTCOMES[reason], "http_422", None)


@pytest.mark.parametrize(("status", "reason"), REFUSALS.items())
def test_each_http_status_with_an_unknown_error_message_has_its_outcome(status: int, reason: RefusalReason) -> None:
    assert judged(judge, answer(status, {"message": "Hm"})) == (OUTCOMES[reason], f"http_{status}", None)


ANSWERS: dict[str, tuple[HttpResponse, tuple[str, str | None, str | None]]] = {
    "taken": (answer(200, TAKEN), ("accepted", None, "5964465985113503103")),
    "taken, the id a number": (
        answer(200, {"message_id": 5964465985113503103}),
        ("accepted", None, "5964465985113503103"),
    ),
    "taken, the id as text beside it": (
        answer(200, {"message_id": 5.964e18, "message_id_str": "5964465985113503103"}),
        ("accepted", None, "5964465985113503103"),
    ),
    "taken, without an id": (answer(200, {"code": "ok"}), ("unknown", "unreadable", None)),
    "400 that is not theirs": (answer(400, b"<h1>"), ("unknown", "http_400", None)),
    "429": (answer(429), ("refused_transient", "throttled", None)),
    "500": (answer(500, {"message": "Server Error"}), ("unknown", "http_500", None)),
}


@pytest.mark.parametrize(("given", "expected"), ANSWERS.values(), ids=ANSWERS.keys())
def test_each_vendor_response_has_its_outcome(
    given: HttpResponse, expected: tuple[str, str | None, str | None]
) -> None:
    assert judged(judge, given) == expected


def test_a_send_request_has_the_fields_that_termii_documents(rig: VendorRig) -> None:
    rig.carrier().send([parcel("hi", sender="+2348030000"), parcel(message_class=MessageClass.BULK)])

    first, bulk = (call.json() for call in rig.other.calls)
    assert first == {
        "api_key": "s3cret",
        "to": "491701234567",
        "from": "2348030000",
        "sms": "hi",
        "type": "plain",
        "channel": "dnd",
    }
    assert bulk["channel"] == "generic"


def test_the_balance_is_read_with_its_currency(rig: VendorRig) -> None:
    assert rig.carrier().balance() == (Decimal("120.5"), "NGN")


# What Termii posts ----------------------------------------------------------------------------------------------

REPORT = {
    "type": "outbound",
    "id": "1",
    "message_id": "5964465985113503103",
    "receiver": "2343459509389",
    "sender": "N-Alert",
    "message": "Your Termii confirmation code is 234u53.",
    "sent_at": "2020-12-16 11:34:36",
    "cost": "3.9",
    "status": "DELIVERED | Message delivered to handset",
    "channel": "dnd",
}
MESSAGE = {
    "type": "inbound",
    "id": "8248611476370959318",
    "message_id": "3905204342778053556",
    "receiver": "12022214836",
    "sender": "2347069549231",
    "message": "Great ",
    "received_at": "2020-12-16T10:51:03.000000Z",
    "cost": None,
    "status": "Received",
}


def signed(given: object, by: str = "sesame") -> Posted:
    body = json.dumps(given).encode()
    return posted(body, x_termii_signature=hmac.new(by.encode(), body, hashlib.sha512).hexdigest())


@pytest.mark.parametrize(("status", "verdict"), STATUSES.items())
def test_each_receipt_status_has_its_verdict(status: str, verdict: ReceiptVerdict) -> None:
    [receipt] = read("alpha", SETTINGS, signed({**REPORT, "status": status.title()})).receipts

    assert (receipt.verdict, receipt.carrier_ref) == (verdict, "5964465985113503103")
    assert receipt.key == f"5964465985113503103/{status}"
    assert receipt.retryable is may_another_help(FAILURES.get(status))
    assert (receipt.code is None) == (verdict is not ReceiptVerdict.FAILED)
    assert "234u53" not in receipt.raw
    assert "2343459509389" not in receipt.raw


def test_a_receipt_status_is_read_up_to_its_vertical_bar() -> None:
    [receipt] = read("alpha", SETTINGS, signed(REPORT)).receipts

    assert (receipt.verdict, receipt.at) == (ReceiptVerdict.DELIVERED, datetime(2020, 12, 16, 11, 34, 36, tzinfo=UTC))


def test_an_mo_message_is_read() -> None:
    [inbound] = read("alpha", SETTINGS, signed(MESSAGE)).inbound

    assert (inbound.key, inbound.phone, inbound.sender, inbound.body) == (
        "3905204342778053556",
        "+2347069549231",
        "+12022214836",
        "Great ",
    )
    assert inbound.at == datetime(2020, 12, 16, 10, 51, 3, tzinfo=UTC)


def test_a_device_status_post_is_neither_a_receipt_nor_an_mo_message() -> None:
    events = read("alpha", SETTINGS, signed({"type": "device_status", "status": "Disconnected"}))

    assert (events.receipts, events.inbound) == ([], [])


@pytest.mark.parametrize(
    "post",
    [posted(REPORT), signed(REPORT, by="other"), signed(REPORT, by=""), posted(REPORT, x_termii_signature="sesame")],
)
def test_a_post_without_a_valid_signature_is_refused_as_forged(post: Posted) -> None:
    with pytest.raises(ReceiptForged):
        read("alpha", SETTINGS, post)


def test_every_post_is_refused_when_no_secret_key_is_set() -> None:
    with pytest.raises(ReceiptForged, match="set secret_key"):
        read("alpha", {}, signed(REPORT, by=""))


@pytest.mark.parametrize(
    "given",
    [{**REPORT, "status": ""}, {**REPORT, "message_id": None}, {**MESSAGE, "message": None}, ["x"], "x"],
)
def test_an_unreadable_post_becomes_a_dead_letter(given: object) -> None:
    events = read("alpha", SETTINGS, signed(given))

    assert (events.receipts, events.inbound) == ([], [])
    assert [each.reason for each in events.dead] == ["unreadable_post"]


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({}, "base_url is required"),
        ({"base_url": "https://x"}, "api_key is required"),
        ({"base_url": "https://x", "api_key": "k", "channel": "whatsapp"}, "channel must be one of dnd, generic"),
        ({"base_url": "https://x", "api_key": "k", "wings": 1}, "wings is no setting"),
    ],
)
def test_an_invalid_setting_is_refused_by_its_name(settings: dict[str, object], named: str) -> None:
    with pytest.raises(ConfigurationError, match=f"carrier alpha: {named}"):
        make("alpha", settings)
