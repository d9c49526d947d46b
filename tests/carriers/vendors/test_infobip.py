import base64
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from pipeline.carriers.contract import ReceiptForged
from pipeline.carriers.http1 import HttpResponse
from pipeline.carriers.vendors.infobip import GROUPS, REJECTIONS, judge, judge_status, make, read
from pipeline.errors import ConfigurationError
from pipeline.rules.routing.retryable import OUTCOMES
from schema.carriage import Posted
from schema.refusals import RefusalReason
from schema.vocabulary import Outcome, ReceiptVerdict, UnknownAbility
from tests.carriers.conformance import Conformance, parcel
from tests.carriers.vendors.exchanges import REF, answer, judged, posted
from tests.carriers.vendors.scripted_vendor import Call, Reply, Said, VendorRig, rigged

SETTINGS: dict[str, object] = {
    "base_url": "URL",
    "api_key": "s3cret",
    "receipt_url": "https://sms.example/receipts/alpha",
    "receipt_token": "sesame",
}


def status(group: int, id_: int, name: str = "SOME_NAME") -> dict[str, object]:
    return {"groupId": group, "groupName": "SOME", "id": id_, "name": name, "description": "no: 41793026727"}


def said(group: int, id_: int, given: object = str(REF)) -> dict[str, Any]:
    message = {"messageId": given, "status": status(group, id_), "destination": "41793026727"}
    return {"bulkId": "2034072219640523072", "messages": [message]}


def fault(word: str, **more: object) -> dict[str, object]:
    return {"requestError": {"serviceException": {"messageId": word, "text": "Bad request", **more}}}


class Tongue:
    def receive(self, call: Call) -> Said | Reply:
        assert call.headers["authorization"] == "App s3cret"
        if call.url == "/account/1/balance":
            return Reply(200, {"balance": 47.79134, "currency": "EUR"})
        if call.method == "GET":
            assert call.url.startswith("/sms/3/logs?messageId=")
            ref = call.query()["messageId"]
            logs = [{"messageId": ref, "status": status(3, 5)}] if ref == str(REF) else []
            return Reply(200, {"results": logs})
        assert call.url == "/sms/3/messages"
        [message] = call.json()["messages"]
        [destination] = message["destinations"]
        return Said(destination["messageId"], destination["to"], message["content"]["text"])

    def accept(self, events: Said, given: str) -> Reply:
        return Reply(200, said(1, 26, given))

    def refuse(self, code: str) -> Reply:
        return Reply(200, said(5, 52 if code == "rejected" else int(code)))

    def later(self, code: str) -> Reply:
        return Reply(200, said(5, int(code) if code.isdecimal() else 12))

    def throttle(self, seconds: str) -> Reply:
        return Reply(429, fault("TOO_MANY_REQUESTS"), {"retry-after": seconds})


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[VendorRig]:
    with rigged(make, SETTINGS, Tongue(), tmp_path) as rig:
        yield rig


class TestInfobip(Conformance):
    REFUSED = ("refuse:10", "10")
    REFUSED_FOR_NOW = ("refuse_transient:19", "19")


@pytest.mark.parametrize(("id_", "reason"), REJECTIONS.items())
def test_each_rejection_status_has_its_outcome(id_: int, reason: RefusalReason) -> None:
    assert judged(judge, answer(200, said(5, id_))) == (OUTCOMES[reason], str(id_), None)


INVALID = {"validationErrors": {"messages[0].destinations[0].to": ["invalid number"]}}
VIOLATED = {"errorCode": "E400", "violations": [{"property": "messages[0].content.text", "violation": "must not be"}]}
ANSWERS: dict[str, tuple[HttpResponse, tuple[str, str | None, str | None]]] = {
    "pending": (answer(200, said(1, 26)), ("accepted", None, str(REF))),
    "delivered at once": (answer(200, said(3, 5)), ("accepted", None, str(REF))),
    "taken, without an id": (answer(200, said(1, 26, None)), ("unknown", "unreadable", None)),
    "undeliverable": (answer(200, said(2, 31)), ("refused_transient", "31", None)),
    "expired": (answer(200, said(4, 15)), ("unknown", "15", None)),
    "a status nobody knows": (answer(200, said(5, 777)), ("unknown", "777", None)),
    "no status": (answer(200, {"messages": [{}]}), ("unknown", "unreadable", None)),
    "a bad number": (answer(400, fault("BAD_REQUEST", **INVALID)), ("refused_permanent", "BAD_REQUEST", None)),
    "a bad text": (answer(400, VIOLATED), ("refused_permanent", "E400", None)),
    "a bad setting of ours": (
        answer(400, fault("BAD_REQUEST", validationErrors={"messages[0].webhooks.delivery.url": ["?"]})),
        ("refused_transient", "BAD_REQUEST", None),
    ),
    "a content type of ours": (
        answer(400, {"errorCode": "E400", "violations": [{"property": "messages[0].webhooks.contentType"}]}),
        ("refused_transient", "E400", None),
    ),
    "an id of ours": (
        answer(400, {"errorCode": "E400", "violations": [{"property": "messages[0].destinations[0].messageId"}]}),
        ("refused_transient", "E400", None),
    ),
    "a sender": (
        answer(400, fault("BAD_REQUEST", validationErrors={"messages[0].sender": ["content of destinations"]})),
        ("refused_transient", "BAD_REQUEST", None),
    ),
    "a sender and a number": (
        answer(
            400,
            {
                "errorCode": "E400",
                "violations": [{"property": "messages[0].sender"}, {"property": "messages[0].destinations[0].to"}],
            },
        ),
        ("refused_permanent", "E400", None),
    ),
    "a transliteration of ours": (
        answer(400, {"errorCode": "E400", "violations": [{"property": "messages[0].content.transliteration"}]}),
        ("refused_transient", "E400", None),
    ),
    "violations that are none": (
        answer(400, {"errorCode": "E400", "violations": "content", "validationErrors": None}),
        ("refused_transient", "E400", None),
    ),
    "words where numbers are expected": (
        answer(200, {"messages": [{"messageId": "m", "status": {"groupId": "1", "id": "26"}}]}),
        ("accepted", None, "m"),
    ),
    "a rejection in words": (
        answer(200, {"messages": [{"messageId": "m", "status": {"groupId": "5", "id": "13"}}]}),
        ("refused_transient", "13", None),
    ),
    "unauthorized": (answer(401, fault("UNAUTHORIZED")), ("refused_transient", "UNAUTHORIZED", None)),
    "forbidden": (answer(403, {"errorCode": "E403"}), ("refused_transient", "E403", None)),
    "400 that is not theirs": (answer(400, b"<h1>"), ("unknown", "http_400", None)),
    "429": (answer(429), ("refused_transient", "throttled", None)),
    "500": (answer(500, fault("GENERAL_ERROR")), ("unknown", "http_500", None)),
}


@pytest.mark.parametrize(("given", "expected"), ANSWERS.values(), ids=ANSWERS.keys())
def test_each_vendor_response_has_its_outcome(
    given: HttpResponse, expected: tuple[str, str | None, str | None]
) -> None:
    assert judged(judge, given) == expected


def test_a_send_request_has_the_fields_that_infobip_documents(rig: VendorRig) -> None:
    given = parcel("Grüße", sender="+4479460000", valid_until=datetime.now(UTC) + timedelta(seconds=600))

    rig.carrier().send([given])

    [message] = rig.other.calls[0].json()["messages"]
    validity = message.pop("options")["validityPeriod"]
    assert (590 <= validity["amount"] <= 600, validity["timeUnit"]) == (True, "SECONDS")
    assert message == {
        "sender": "4479460000",
        "destinations": [{"to": "491701234567", "messageId": str(given.ref)}],
        "content": {"text": "Grüße"},
        "webhooks": {
            "contentType": "application/json",
            "callbackData": str(given.ref),
            "delivery": {"url": "https://sms.example/receipts/alpha?token=sesame"},
        },
    }


LOGS: dict[str, tuple[Any, bool, tuple[Outcome, str | None]]] = {
    "on its way": (
        answer(200, {"results": [{"messageId": "m", "status": status(1, 3)}]}),
        False,
        (Outcome.ACCEPTED, "m"),
    ),
    "failed since": (
        answer(200, {"results": [{"messageId": "m", "status": status(2, 9)}]}),
        False,
        (Outcome.ACCEPTED, "m"),
    ),
    "expired since": (
        answer(200, {"results": [{"messageId": "m", "status": status(4, 15)}]}),
        False,
        (Outcome.ACCEPTED, "m"),
    ),
    "rejected": (
        answer(200, {"results": [{"messageId": "m", "status": status(5, 12)}]}),
        False,
        (Outcome.REFUSED_TRANSIENT, None),
    ),
    "an empty log": (answer(200, {"results": []}), False, (Outcome.UNKNOWN, None)),
    "an empty log that is trusted": (answer(200, {"results": []}), True, (Outcome.NOT_WRITTEN, None)),
    "no log": (answer(200, b"<h1>"), True, (Outcome.UNKNOWN, None)),
    "throttled": (answer(429), True, (Outcome.UNKNOWN, None)),
    "500": (answer(500), True, (Outcome.UNKNOWN, None)),
}


@pytest.mark.parametrize(("given", "trusted", "expected"), LOGS.values(), ids=LOGS.keys())
def test_each_message_log_has_its_outcome(given: Any, trusted: bool, expected: Any) -> None:
    found = judge_status(trusted, REF, given)

    assert (found.outcome, found.carrier_ref) == expected


def test_a_message_is_queried_by_our_reference(rig: VendorRig) -> None:
    carrier = rig.carrier()
    parcels = [replace(parcel(), ref=REF), replace(parcel(), ref=UUID(int=7))]

    found = carrier.query(parcels, [None, None])

    assert [each.outcome for each in found] == [Outcome.ACCEPTED, Outcome.UNKNOWN]
    assert carrier.unknown_ability is UnknownAbility.QUERYABLE


def test_the_balance_is_read_with_its_currency(rig: VendorRig) -> None:
    assert rig.carrier().balance() == (Decimal("47.79134"), "EUR")


# What Infobip posts ---------------------------------------------------------------------------------------------

URL = "https://sms.example/receipts/alpha?token=sesame"
REPORT = {
    "bulkId": "BULK-ID-123-xyz",
    "messageId": str(REF),
    "to": "41793026727",
    "sender": "ACME",
    "sentAt": "2026-11-21T10:00:00.000+0000",
    "doneAt": "2026-11-21T11:00:00.000+0100",
    "messageCount": 1,
    "mccMnc": "22801",
    "callbackData": str(REF),
    "price": {"pricePerMessage": 0.01, "currency": "EUR"},
    "status": status(3, 5, "DELIVERED_TO_HANDSET"),
    "error": {"groupId": 0, "groupName": "OK", "id": 0, "name": "NO_ERROR", "permanent": False},
}
MESSAGE = {
    "messageId": "817790313235066447",
    "from": "385916242493",
    "to": "385921004026",
    "text": "STOP Paris",
    "cleanText": "Paris",
    "keyword": "STOP",
    "receivedAt": "2016-10-06T09:28:39.220+0000",
    "smsCount": 1,
}


def results(*given: object) -> dict[str, object]:
    return {"results": list(given)}


@pytest.mark.parametrize(("group", "verdict"), GROUPS.items())
def test_each_status_group_of_a_receipt_has_its_verdict(group: int, verdict: ReceiptVerdict) -> None:
    [receipt] = read("alpha", SETTINGS, posted(results({**REPORT, "status": status(group, 5)}), URL)).receipts

    assert (receipt.verdict, receipt.key, receipt.carrier_ref, receipt.ref) == (verdict, f"{REF}/5", str(REF), REF)
    assert receipt.at == datetime(2026, 11, 21, 10, tzinfo=UTC)
    assert "41793026727" not in receipt.raw


def test_delivered_to_operator_is_a_pending_receipt() -> None:
    [receipt] = read("alpha", SETTINGS, posted(results({**REPORT, "status": status(3, 2)}), URL)).receipts

    assert receipt.verdict is ReceiptVerdict.PENDING


def error(group: int, permanent: bool, id_: int = 27) -> dict[str, object]:
    return {"groupId": group, "id": id_, "name": "EC_SOME", "permanent": permanent}


FAILURES: dict[str, tuple[dict[str, object], dict[str, object], bool, str]] = {
    "the handset's": (status(2, 9), error(1, False), False, "EC_SOME"),
    "the user's": (status(2, 9), error(2, False), False, "EC_SOME"),
    "the operator's, passing": (status(2, 4), error(3, False), True, "EC_SOME"),
    "the operator's, for good": (status(2, 4), error(3, True), False, "EC_SOME"),
    "unknown at its end": (status(4, 29, "EXPIRED_DLR_UNKNOWN"), error(0, False, 0), False, "EXPIRED_DLR_UNKNOWN"),
    "our credits'": (
        status(5, 12, "REJECTED_NOT_ENOUGH_CREDITS"),
        error(0, False, 0),
        True,
        "REJECTED_NOT_ENOUGH_CREDITS",
    ),
    "the number's": (status(5, 10, "REJECTED_DND"), error(0, False, 0), False, "REJECTED_DND"),
}


@pytest.mark.parametrize(("failed", "fault", "retryable", "code"), FAILURES.values(), ids=FAILURES.keys())
def test_each_failed_receipt_is_retryable_or_not_by_its_status_and_error(
    failed: dict[str, object], fault: dict[str, object], retryable: bool, code: str
) -> None:
    post = posted(results({**REPORT, "status": failed, "error": fault}), URL)

    [receipt] = read("alpha", SETTINGS, post).receipts

    assert (receipt.verdict, receipt.retryable, receipt.code) == (ReceiptVerdict.FAILED, retryable, code)


ODD: dict[str, tuple[dict[str, object], tuple[ReceiptVerdict, bool]]] = {
    "words": ({"status": {"groupId": "3", "id": "5"}, "error": None}, (ReceiptVerdict.DELIVERED, False)),
    "words of a failure": (
        {"status": {"groupId": "2", "id": "4"}, "error": {"groupId": "3", "id": "27", "permanent": "false"}},
        (ReceiptVerdict.FAILED, True),
    ),
    "words of a failure for good": (
        {"status": {"groupId": "2", "id": "4"}, "error": {"groupId": "3", "id": "27", "permanent": "true"}},
        (ReceiptVerdict.FAILED, False),
    ),
    "no id": ({"status": {"groupId": 3}}, (ReceiptVerdict.DELIVERED, False)),
    "a moment in milliseconds": ({"doneAt": 1795255200000}, (ReceiptVerdict.DELIVERED, False)),
    "a rejection by the operator, unexplained": (
        {"status": status(2, 4), "error": None},
        (ReceiptVerdict.FAILED, True),
    ),
}


@pytest.mark.parametrize(("odd", "expected"), ODD.values(), ids=ODD.keys())
def test_a_receipt_with_deviating_fields_is_read(odd: dict[str, object], expected: tuple[ReceiptVerdict, bool]) -> None:
    [receipt] = read("alpha", SETTINGS, posted(results({**REPORT, **odd}), URL)).receipts

    assert (receipt.verdict, receipt.retryable) == expected
    assert receipt.at == datetime(2026, 11, 21, 10, tzinfo=UTC)


def test_receipts_and_mo_messages_in_one_post_are_distinguished() -> None:
    events = read("alpha", SETTINGS, posted(results(REPORT, MESSAGE, {**REPORT, "messageId": "other"}), URL))

    assert [each.carrier_ref for each in events.receipts] == [str(REF), "other"]
    [inbound] = events.inbound
    assert (inbound.key, inbound.phone, inbound.sender, inbound.body) == (
        "817790313235066447",
        "+385916242493",
        "+385921004026",
        "STOP Paris",
    )
    assert inbound.at == datetime(2016, 10, 6, 9, 28, 39, 220_000, tzinfo=UTC)


BASIC = {**SETTINGS, "receipt_username": "ib", "receipt_password": "pw"}
RIGHT = {"authorization": "Basic " + base64.b64encode(b"ib:pw").decode()}


def test_a_post_with_the_basic_credentials_of_the_subscription_is_accepted() -> None:
    assert len(read("alpha", BASIC, posted(results(REPORT), **RIGHT)).receipts) == 1


@pytest.mark.parametrize(
    ("settings", "post"),
    [
        (SETTINGS, posted(results(REPORT), URL.replace("sesame", "open"))),
        (SETTINGS, posted(results(REPORT), **RIGHT)),
        (BASIC, posted(results(REPORT), URL)),
        (BASIC, posted(results(REPORT), authorization="Basic " + base64.b64encode(b"ib:").decode())),
        ({}, posted(results(REPORT), URL)),
    ],
)
def test_a_post_without_the_token_or_credentials_is_refused_as_forged(
    settings: dict[str, object], post: Posted
) -> None:
    with pytest.raises(ReceiptForged):
        read("alpha", settings, post)


@pytest.mark.parametrize(
    "given",
    [
        {},
        [],
        b"x",
        results("x"),
        results({**REPORT, "status": "DELIVERED"}),
        results({**REPORT, "messageId": None}),
        results({**MESSAGE, "text": None}),
    ],
)
def test_an_unreadable_post_becomes_a_dead_letter(given: object) -> None:
    events = read("alpha", SETTINGS, posted(given, URL))

    assert (events.receipts, events.inbound) == ([], [])
    assert [each.reason for each in events.dead] == ["unreadable_post"]


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({}, "base_url is required"),
        ({"base_url": "https://x"}, "api_key is required"),
        ({"base_url": "https://x", "api_key": "k", "receipt_username": "u"}, "receipt_password is required with"),
        ({"base_url": "https://x", "api_key": "k", "doubt": "dedupes"}, "doubt must be"),
        ({"base_url": "https://x", "api_key": "k", "wings": 1}, "wings is no setting"),
    ],
)
def test_an_invalid_setting_is_refused_by_its_name(settings: dict[str, object], named: str) -> None:
    with pytest.raises(ConfigurationError, match=f"carrier alpha: {named}"):
        make("alpha", settings)
