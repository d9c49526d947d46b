import hashlib
import hmac
import json
import socket
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from pipeline.carriers.contract import ReceiptForged
from pipeline.carriers.http1 import HttpResponse
from pipeline.carriers.vendors.vonage import ERR_CODES, ERRORS, METHODS, STATUSES, judge, make, read, signature
from pipeline.errors import ConfigurationError
from pipeline.rules.routing.retryable import OUTCOMES, may_another_help
from schema.carriage import Posted
from schema.refusals import RefusalReason
from schema.vocabulary import Encoding, Outcome, ReceiptVerdict
from tests.carriers.conformance import Conformance, parcel
from tests.carriers.raw import listening, plain, read_request
from tests.carriers.vendors.exchanges import REF, answer, judged, posted
from tests.carriers.vendors.scripted_vendor import Call, Reply, Said, VendorRig, rigged

SETTINGS: dict[str, object] = {
    "api_key": "abcd1234",
    "api_secret": "s3cret",
    "receipt_url": "https://sms.example/receipts/alpha",
    "receipt_token": "sesame",
}


def said(*statuses: str, text: str = "no: 491701234567") -> dict[str, Any]:
    """Return an answer with a part for each status."""
    parts = [
        {"to": "491701234567", "message-id": f"0A{n}", "status": "0", "remaining-balance": "3.1", "network": "26201"}
        if status == "0"
        else {"status": status, "error-text": text}
        for n, status in enumerate(statuses)
    ]
    return {"message-count": str(len(parts)), "messages": parts}


class Tongue:
    def receive(self, call: Call) -> Said | Reply:
        if call.method == "GET":
            assert call.url == "/account/get-balance?api_key=abcd1234&api_secret=s3cret"
            return Reply(200, {"value": 10.28, "autoReload": False})
        assert call.url == "/sms/json"
        sent = call.form()
        assert (sent["api_key"], sent["api_secret"]) == ("abcd1234", "s3cret")
        return Said(sent["client-ref"], sent["to"], sent["text"])

    def accept(self, events: Said, given: str) -> Reply:
        body = said("0")
        body["messages"][0] |= {"message-id": given, "client-ref": events.ref}
        return Reply(200, body)

    def refuse(self, code: str) -> Reply:
        return Reply(200, said("6" if code == "rejected" else code))

    def later(self, code: str) -> Reply:
        return Reply(200, said(code if code.isdecimal() else "10"))

    def throttle(self, seconds: str) -> Reply:
        text = f"Throughput Rate Exceeded - please wait [ {seconds}000 ] and retry"
        return Reply(200, said("1", text=text))


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[VendorRig]:
    with rigged(make, SETTINGS, Tongue(), tmp_path) as rig:
        yield rig


class TestVonage(Conformance):
    REFUSED = ("refuse:33", "33")
    REFUSED_FOR_NOW = ("refuse_transient:9", "9")


@pytest.mark.parametrize(("status", "reason"), ERRORS.items())
def test_each_error_status_has_its_outcome(status: str, reason: RefusalReason) -> None:
    assert judged(judge, answer(200, said(status))) == (OUTCOMES[reason], status, None)


ANSWERS: dict[str, tuple[HttpResponse, tuple[str, str | None, str | None]]] = {
    "taken": (answer(200, said("0")), ("accepted", None, "0A0")),
    "taken in parts": (answer(200, said("0", "0", "0")), ("accepted", None, "0A0")),
    "some parts taken": (answer(200, said("0", "1")), ("unknown", "partial", None)),
    "no part taken": (answer(200, said("6", "6")), ("refused_permanent", "6", None)),
    "taken, without an id": (answer(200, {"messages": [{"status": "0"}]}), ("unknown", "unreadable", None)),
    "no parts at all": (answer(200, {"messages": []}), ("unknown", "unreadable", None)),
    "a status nobody knows": (answer(200, said("77")), ("refused_transient", "77", None)),
    "a status that is a number": (answer(200, {"messages": [{"status": 7}]}), ("refused_permanent", "7", None)),
    "throttled": (answer(200, said("1")), ("refused_transient", "throttled", None)),
    "429": (answer(429), ("refused_transient", "throttled", None)),
    "401 with a status": (answer(401, said("4")), ("refused_transient", "4", None)),
    "401 in words": (answer(401, b"Unauthorized"), ("refused_transient", "http_401", None)),
    "400 in words": (answer(400, b"<h1>"), ("unknown", "http_400", None)),
    "500 with a status": (answer(500, said("5")), ("unknown", "http_500", None)),
}


@pytest.mark.parametrize(("given", "expected"), ANSWERS.values(), ids=ANSWERS.keys())
def test_each_vendor_response_has_its_outcome(
    given: HttpResponse, expected: tuple[str, str | None, str | None]
) -> None:
    assert judged(judge, given) == expected


NAMED: dict[str, str] = {
    "Missing to param": "refused_permanent",
    "Missing text param": "refused_permanent",
    "Invalid value for parameter: to": "refused_permanent",
    "Invalid parameter 'text'": "refused_permanent",
    "Missing from param": "refused_transient",
    "Invalid value for parameter: from": "refused_transient",
    "Invalid from param, it is not allowed to be sent to": "refused_transient",
    "Missing username": "refused_transient",
    "Missing params": "refused_transient",
    "": "refused_transient",
}


@pytest.mark.parametrize("status", ["2", "3", 2])
@pytest.mark.parametrize(("words", "outcome"), NAMED.items())
def test_a_parameter_error_has_the_outcome_of_a_parameter_only_if_its_text_names_it(
    status: Any, words: str, outcome: str
) -> None:
    body = {"messages": [{"status": status, "error-text": words}]}

    assert judged(judge, answer(200, body)) == (outcome, str(status), None)


def test_numbers_instead_of_strings_are_read() -> None:
    body = {"messages": {"status": 0, "message-id": 77}}

    assert judged(judge, answer(200, body)) == ("accepted", None, "77")
    [receipt] = read("alpha", SETTINGS, posted({**REPORT, "messageId": 77, "err-code": 0}, URL)).receipts
    assert (receipt.carrier_ref, receipt.code) == ("77", None)


def test_the_message_ids_of_all_parts_are_kept() -> None:
    assert judge(REF, answer(200, said("0", "0"))).parts == ("0A0", "0A1")
    assert judge(REF, answer(200, said("0"))).parts == ()


def test_retry_after_of_a_throttled_response_is_read_from_its_text() -> None:
    text = "Throughput Rate Exceeded - please wait [ 250 ] and retry"

    assert judge(REF, answer(200, said("1", text=text))).retry_after == 0.25
    assert judge(REF, answer(200, said("1"))).retry_after == 1


def test_a_malformed_response_is_unknown_and_does_not_affect_other_messages() -> None:
    odd = plain("200 OK", json.dumps({"messages": [{"status": []}]}).encode())
    good = plain("200 OK", json.dumps(said("0")).encode())
    answers = iter((good, odd, good))

    def behaviour(guest: socket.socket) -> None:
        while read_request(guest):
            guest.sendall(next(answers))

    with (
        listening(behaviour) as url,
        closing(make("alpha", {**SETTINGS, "base_url": url, "window": 1})) as carrier,
    ):
        attempts = carrier.send([parcel(), parcel(), parcel()])

    taken = (Outcome.ACCEPTED, None)
    assert [(each.outcome, each.code) for each in attempts] == [taken, (Outcome.UNKNOWN, "unreadable"), taken]


def test_a_send_request_has_the_fields_that_vonage_documents(rig: VendorRig) -> None:
    until = datetime.now(UTC) + timedelta(seconds=600)
    given = parcel("a&b é", sender="+4479460000", encoding=Encoding.GSM7, valid_until=until)

    rig.carrier().send([given, parcel(encoding=Encoding.UCS2)])

    sent = rig.other.calls[0].form()
    assert 590_000 <= int(sent.pop("ttl")) <= 600_000
    assert sent == {
        "api_key": "abcd1234",
        "api_secret": "s3cret",
        "callback": "https://sms.example/receipts/alpha?token=sesame",
        "from": "4479460000",
        "to": "491701234567",
        "text": "a&b é",
        "type": "text",
        "client-ref": str(given.ref),
        "status-report-req": "1",
    }
    assert rig.other.calls[1].form()["type"] == "unicode"


def test_the_balance_is_read_with_its_currency(rig: VendorRig) -> None:
    assert rig.carrier().balance() == (Decimal("10.28"), "EUR")


# What Vonage posts ----------------------------------------------------------------------------------------------

URL = "https://sms.example/receipts/alpha?token=sesame"
REPORT = {
    "msisdn": "491701234567",
    "to": "ACME",
    "network-code": "26201",
    "messageId": "0A0",
    "price": "0.03330000",
    "status": "delivered",
    "scts": "2001011426",
    "err-code": "0",
    "api-key": "abcd1234",
    "client-ref": str(REF),
    "message-timestamp": "2020-01-01 14:26:05",
}
MESSAGE = {
    "api-key": "abcd1234",
    "msisdn": "491701234567",
    "to": "12345",
    "messageId": "0B1",
    "text": "Stop, Grüße & Küsse=",
    "type": "unicode",
    "keyword": "STOP",
    "message-timestamp": "2020-01-01 12:00:00",
}


@pytest.mark.parametrize(("status", "verdict"), STATUSES.items())
def test_each_receipt_status_has_its_verdict(status: str, verdict: ReceiptVerdict) -> None:
    [receipt] = read("alpha", SETTINGS, posted({**REPORT, "status": status}, URL)).receipts

    assert (receipt.verdict, receipt.key, receipt.carrier_ref, receipt.ref) == (verdict, f"0A0/{status}", "0A0", REF)
    assert (receipt.code, receipt.at) == (None, datetime(2020, 1, 1, 14, 26, tzinfo=UTC))
    assert "491701234567" not in receipt.raw


@pytest.mark.parametrize(("code", "reason"), [*ERR_CODES.items(), ("77", None)])
def test_each_error_code_of_a_failed_receipt_is_retryable_or_not(code: str, reason: RefusalReason | None) -> None:
    [receipt] = read("alpha", SETTINGS, posted({**REPORT, "status": "failed", "err-code": code}, URL)).receipts

    assert (receipt.code, receipt.retryable) == (code, may_another_help(reason))


@pytest.mark.parametrize(
    "post",
    [
        posted(REPORT, URL),
        posted(urlencode(REPORT).encode(), URL),
        posted(url=f"{URL}&{urlencode(REPORT)}"),
    ],
    ids=["JSON", "form", "GET"],
)
def test_a_receipt_is_read_from_json_a_form_and_a_query(post: Posted) -> None:
    [receipt] = read("alpha", SETTINGS, post).receipts

    assert (receipt.verdict, receipt.carrier_ref, receipt.ref) == (ReceiptVerdict.DELIVERED, "0A0", REF)


def test_an_mo_message_is_read() -> None:
    [inbound] = read("alpha", SETTINGS, posted(url=f"{URL}&{urlencode(MESSAGE)}")).inbound

    assert (inbound.key, inbound.phone, inbound.sender) == ("0B1", "+491701234567", "12345")
    assert (inbound.body, inbound.at) == ("Stop, Grüße & Küsse=", datetime(2020, 1, 1, 12, tzinfo=UTC))
    assert (inbound.part_ref, inbound.part, inbound.of) == (None, None, None)


def test_an_mo_message_part_has_its_reference_number_and_count() -> None:
    parts = [
        read("alpha", SETTINGS, posted({**MESSAGE, "messageId": f"0B{n}", **concat(n)}, URL)).inbound[0] for n in (2, 1)
    ]

    assert [(each.part, each.of) for each in parts] == [(2, 3), (1, 3)]
    assert parts[0].part_ref is not None
    assert parts[0].part_ref == parts[1].part_ref
    assert 0 <= parts[0].part_ref < 2**31


@pytest.mark.parametrize(
    "wrong", [{"concat-part": "two"}, {"concat-part": "4"}, {"concat-total": ""}, {"concat-ref": ""}]
)
def test_an_mo_message_part_with_invalid_concatenation_fields_is_a_message_of_its_own(wrong: dict[str, str]) -> None:
    [reported] = read("alpha", SETTINGS, posted({**MESSAGE, **concat(2), **wrong}, URL)).inbound

    assert (reported.body, reported.part_ref, reported.part) == ("Stop, Grüße & Küsse=", None, None)


def test_a_surrogate_pair_split_between_message_parts_is_kept() -> None:
    first, second = (
        read("alpha", SETTINGS, posted({**MESSAGE, **concat(n), "text": half}, URL)).inbound[0]
        for n, half in ((1, "hi \ud83d"), (2, "\udc4d"))
    )

    assert ((first.octets or b"") + (second.octets or b"")).decode(first.coding or "") == "hi 👍"


def concat(n: int) -> dict[str, str]:
    return {"concat": "true", "concat-ref": "A4", "concat-total": "3", "concat-part": str(n)}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("way", ["JSON", "form", "GET"])
def test_a_signature_is_verified_by_the_account_s_signature_method(method: str, way: str) -> None:
    given = {**MESSAGE, "timestamp": "1578787200", "nonce": "aa"}
    text = "".join(f"&{k}={given[k].replace('&', '_').replace('=', '_')}" for k in sorted(given))
    digest = (
        hashlib.md5(f"{text}key".encode()).hexdigest()  # noqa: S324 - the vendor's own
        if method == "md5hash"
        else hmac.new(b"key", text.encode(), method).hexdigest()
    )
    settings = {**SETTINGS, "signature_secret": "key", "signature_method": method}

    def post(fields: dict[str, str]) -> Posted:
        url = "https://sms.example/receipts/alpha"
        if way == "GET":
            return posted(url=f"{url}?{urlencode(fields)}")
        return posted(fields if way == "JSON" else urlencode(fields).encode(), url)

    assert len(read("alpha", settings, post({**given, "sig": digest.upper()})).inbound) == 1
    for forged in ({**given, "sig": "0" * 32}, given, {**given, "text": "START", "sig": digest}):
        with pytest.raises(ReceiptForged):
            read("alpha", settings, post(forged))


def test_the_signature_equals_that_of_the_vendor_s_libraries() -> None:
    """The vector of vonage-python-sdk's tests (test_signature.py: `check_signature`)."""
    given = {"a": "1", "b": "2", "timestamp": "1461605396", "sig": "6af838ef94998832dbfc29020b564830"}

    assert signature(given, "secret", "md5hash") == given["sig"]


@pytest.mark.parametrize("url", [URL.replace("sesame", "open"), URL.partition("?")[0]])
def test_a_post_without_the_receipt_token_is_refused_as_forged(url: str) -> None:
    with pytest.raises(ReceiptForged):
        read("alpha", SETTINGS, posted(REPORT, url))


def test_every_post_is_refused_when_neither_token_nor_signature_secret_is_set() -> None:
    with pytest.raises(ReceiptForged, match="set receipt_token"):
        read("alpha", {}, posted(REPORT, URL))


@pytest.mark.parametrize(
    "given",
    [
        {**REPORT, "status": ""},
        {**REPORT, "messageId": ""},
        {**MESSAGE, "msisdn": ""},
        {key: value for key, value in MESSAGE.items() if key != "text"},
    ],
)
def test_an_unreadable_post_becomes_a_dead_letter(given: dict[str, str]) -> None:
    events = read("alpha", SETTINGS, posted(given, URL))

    assert (events.receipts, events.inbound) == ([], [])
    assert [each.reason for each in events.dead] == ["unreadable_post"]


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({}, "api_key is required"),
        ({"api_key": "a"}, "api_secret is required"),
        ({"api_key": "a", "api_secret": "b", "signature_method": "sha3"}, "signature_method must be one of md5hash"),
        ({"api_key": "a", "api_secret": "b", "receipt_url": "https://x#y"}, "receipt_url must not have a fragment"),
        ({"api_key": "a", "api_secret": "b", "wings": 1}, "wings is no setting"),
    ],
)
def test_an_invalid_setting_is_refused_by_its_name(settings: dict[str, object], named: str) -> None:
    with pytest.raises(ConfigurationError, match=f"carrier alpha: {named}"):
        make("alpha", settings)
