import base64
import hashlib
import hmac
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import pytest

from pipeline.carriers.contract import ReceiptForged
from pipeline.carriers.http1 import HttpResponse
from pipeline.carriers.vendors.twilio import CODES, STATUSES, judge, make, read
from pipeline.errors import ConfigurationError
from pipeline.rules.routing.retryable import OUTCOMES
from schema.carriage import Posted
from schema.refusals import RefusalReason
from schema.vocabulary import Outcome, ReceiptVerdict, UnknownAbility
from tests.carriers.conformance import Conformance, parcel
from tests.carriers.vendors.exchanges import REF, answer, judged, posted
from tests.carriers.vendors.scripted_vendor import Call, Reply, Said, VendorRig, rigged

SETTINGS: dict[str, object] = {
    "account_sid": "AC1",
    "auth_token": "t0ken",
    "receipt_url": "https://sms.example/receipts/alpha",
}
TAKEN = {"sid": "SM5", "status": "queued", "error_code": None, "error_message": None, "to": "+491701234567"}


def fault(code: int, status: int) -> dict[str, object]:
    return {"code": code, "message": "no: +491701234567", "more_info": f"https://t/{code}", "status": status}


class Tongue:
    def receive(self, call: Call) -> Said | Reply:
        if call.method == "GET" and call.url.endswith("/Balance.json"):
            return Reply(200, {"account_sid": "AC1", "balance": "10.25", "currency": "USD"})
        if call.method == "GET":
            sid = call.url.rpartition("/")[2].removesuffix(".json")
            return Reply(200, {**TAKEN, "sid": sid}) if sid == "SM5" else Reply(404, fault(20404, 404))
        assert call.url == "/2010-04-01/Accounts/AC1/Messages.json"
        assert call.headers["authorization"] == "Basic " + base64.b64encode(b"AC1:t0ken").decode()
        sent = call.form()
        [ref] = parse_qs(urlsplit(sent["StatusCallback"]).query)["ref"]
        return Said(ref, sent["To"], sent["Body"])

    def accept(self, said: Said, given: str) -> Reply:
        return Reply(201, {**TAKEN, "sid": given})

    def refuse(self, code: str) -> Reply:
        return Reply(400, fault(21211 if code == "rejected" else int(code), 400))

    def later(self, code: str) -> Reply:
        return Reply(400, fault(int(code) if code.isdecimal() else 21611, 400))

    def throttle(self, seconds: str) -> Reply:
        return Reply(429, fault(20429, 429), {"retry-after": seconds})


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[VendorRig]:
    with rigged(make, SETTINGS, Tongue(), tmp_path) as rig:
        yield rig


class TestTwilio(Conformance):
    REFUSED = ("refuse:21610", "21610")
    REFUSED_FOR_NOW = ("refuse_transient:21611", "21611")


@pytest.mark.parametrize(("code", "reason"), CODES.items())
def test_each_error_code_means_the_same_in_a_response_and_in_a_receipt(code: str, reason: RefusalReason) -> None:
    outcome = OUTCOMES[reason]

    assert judged(judge, answer(400, fault(int(code), 400))) == (outcome, code, None)
    for status in ("failed", "undelivered"):
        [receipt] = read("alpha", SETTINGS, signed({**REPORT, "MessageStatus": status, "ErrorCode": code})).receipts
        assert (receipt.code, receipt.retryable) == (code, outcome is Outcome.REFUSED_TRANSIENT)


ANSWERS: dict[str, tuple[HttpResponse, tuple[str, str | None, str | None]]] = {
    "taken": (answer(201, TAKEN), ("accepted", None, "SM5")),
    "taken, without a sid": (answer(201, {}), ("unknown", "unreadable", None)),
    "taken, unreadable": (answer(201, b"<html>"), ("unknown", "unreadable", None)),
    "a success that is none of theirs": (answer(200, TAKEN), ("unknown", "unreadable", None)),
    "a redirect": (answer(307), ("unknown", "http_307", None)),
    "a code nobody knows": (answer(400, fault(29999, 400)), ("refused_transient", "29999", None)),
    "a number for a code": (answer(400, fault(491701234567, 400)), ("refused_transient", "http_400", None)),
    "a code that is text": (answer(400, {"code": "21612"}), ("refused_transient", "21612", None)),
    "a premium number": (answer(400, fault(21268, 400)), ("refused_permanent", "21268", None)),
    "unauthorized": (answer(401, fault(20003, 401)), ("refused_transient", "20003", None)),
    "400 that is not theirs": (answer(400, b"<h1>no</h1>"), ("unknown", "http_400", None)),
    "429": (answer(429, fault(20429, 429)), ("refused_transient", "throttled", None)),
    "429 without a body": (answer(429), ("refused_transient", "throttled", None)),
    "the day's limit": (answer(429, fault(63038, 429)), ("refused_transient", "63038", None)),
    "500": (answer(500, fault(20500, 500)), ("unknown", "http_500", None)),
    "503": (answer(503, fault(20503, 503)), ("unknown", "http_503", None)),
}


@pytest.mark.parametrize(("given", "expected"), ANSWERS.values(), ids=ANSWERS.keys())
def test_each_vendor_response_has_its_outcome(
    given: HttpResponse, expected: tuple[str, str | None, str | None]
) -> None:
    assert judged(judge, given) == expected


def test_a_send_request_has_the_fields_that_twilio_documents(rig: VendorRig) -> None:
    given = parcel("grüß dich & +", valid_until=datetime.now(UTC) + timedelta(seconds=600))

    rig.carrier().send([given])

    [call] = rig.other.calls
    sent = call.form()
    assert call.headers["content-type"] == "application/x-www-form-urlencoded"
    assert 590 <= int(sent.pop("ValidityPeriod")) <= 600
    assert sent == {
        "To": "+491701234567",
        "From": "ACME",
        "Body": "grüß dich & +",
        "StatusCallback": f"https://sms.example/receipts/alpha?ref={given.ref}",
    }


@pytest.mark.parametrize(
    ("receipt_url", "called"),
    [
        ("https://sms.example/tw#rc=5&rp=5xx,ct,rt", "https://sms.example/tw?ref={ref}#rc=5&rp=5xx,ct,rt"),
        ("https://sms.example/tw?a=1#rc=5", "https://sms.example/tw?a=1&ref={ref}#rc=5"),
        ("https://sms.example/tw?ref=x&a=1", "https://sms.example/tw?a=1&ref={ref}"),
        ("https://sms.example", "https://sms.example?ref={ref}"),
        ("https://u:p@sms.example:8443/tw/", "https://u:p@sms.example:8443/tw/?ref={ref}"),
    ],
)
def test_the_status_callback_has_our_reference_in_its_query_before_a_fragment(
    rig: VendorRig, receipt_url: str, called: str
) -> None:
    given = parcel()

    # the other end finds our reference in the query, or the message would not be taken
    [attempt] = rig.at(rig.url, receipt_url=receipt_url).send([given])

    assert attempt.outcome is Outcome.ACCEPTED
    assert rig.other.calls[0].form()["StatusCallback"] == called.format(ref=given.ref)


@pytest.mark.parametrize(
    ("sender", "spelt"),
    [("15005550006", "+15005550006"), ("+15005550006", "+15005550006"), ("12345", "12345"), ("ACME", "ACME")],
)
def test_a_sender_that_is_a_phone_number_gets_its_plus(rig: VendorRig, sender: str, spelt: str) -> None:
    rig.carrier().send([parcel(sender=sender)])

    assert rig.other.calls[0].form()["From"] == spelt


def test_messaging_service_sid_replaces_the_sender(rig: VendorRig) -> None:
    rig.at(rig.url, messaging_service_sid="MG1").send([parcel()])

    sent = rig.other.calls[0].form()
    assert (sent.get("MessagingServiceSid"), sent.get("From")) == ("MG1", None)


@pytest.mark.parametrize(("left", "reported"), [(-5, "1"), (0.5, "1"), (86_400, "36000")])
def test_the_validity_period_stays_within_twilio_s_limits(rig: VendorRig, left: float, reported: str) -> None:
    rig.carrier().send([parcel(valid_until=datetime.now(UTC) + timedelta(seconds=left))])

    assert rig.other.calls[0].form()["ValidityPeriod"] == reported


def test_a_message_can_be_queried_only_by_its_sid(rig: VendorRig) -> None:
    carrier = rig.carrier()

    found = carrier.query([parcel(), parcel(), parcel()], ["SM5", "SM6", None])

    assert [(each.outcome.value, each.carrier_ref) for each in found] == [
        ("accepted", "SM5"),
        ("unknown", None),
        ("unknown", None),
    ]
    assert carrier.unknown_ability is UnknownAbility.BLIND


def test_a_query_to_an_unreachable_vendor_is_unknown(rig: VendorRig) -> None:
    [found] = rig.away().query([parcel()], ["SM5"])

    assert (found.outcome, found.code) == (Outcome.UNKNOWN, "refused")


def test_the_balance_is_read_with_its_currency(rig: VendorRig) -> None:
    assert rig.carrier().balance() == (Decimal("10.25"), "USD")
    assert rig.away().balance() is None


# What Twilio posts ----------------------------------------------------------------------------------------------

URL = f"https://sms.example/receipts/alpha?ref={REF}"
REPORT = {
    "MessageSid": "SM5",
    "MessageStatus": "delivered",
    "SmsSid": "SM5",
    "SmsStatus": "delivered",
    "AccountSid": "AC1",
    "From": "+15005550006",
    "To": "+491701234567",
    "ApiVersion": "2010-04-01",
}
MESSAGE = {
    "MessageSid": "SM9",
    "SmsStatus": "received",
    "From": "+491701234567",
    "To": "12345",
    "Body": "STOP it, Grüße",
    "NumMedia": "0",
}


def signed(given: dict[str, str], url: str = URL, by: str = "t0ken") -> Posted:
    """Sign as twilio-python's RequestValidator does."""
    body = urlencode(given).encode()
    text = url + "".join(name + value for name, value in sorted(parse_qsl(body.decode(), keep_blank_values=True)))
    mac = base64.b64encode(hmac.new(by.encode(), text.encode(), hashlib.sha1).digest()).decode()
    return posted(body, url, x_twilio_signature=mac)


def test_the_signature_example_of_twilio_s_documentation_is_accepted() -> None:
    """The example of www.twilio.com/docs/usage/webhooks/webhooks-security."""
    given = {
        "CallSid": "CA1234567890ABCDE",
        "Caller": "+14158675309",
        "Digits": "1234",
        "From": "+14158675309",
        "To": "+18005551212",
    }
    body = urlencode(given).encode()
    post = posted(
        body, "https://mycompany.com/myapp.php?foo=1&bar=2", x_twilio_signature="RSOYDt4T1cUTdK1PDd93/VVr8B8="
    )

    events = read("alpha", {"auth_token": "12345"}, post)

    # believed, and then found to be none of ours
    assert [each.reason for each in events.dead] == ["unreadable_post"]


@pytest.mark.parametrize(("status", "verdict"), STATUSES.items())
def test_each_receipt_status_has_its_verdict(status: str, verdict: ReceiptVerdict | None) -> None:
    events = read("alpha", SETTINGS, signed({**REPORT, "MessageStatus": status}))

    [receipt] = events.receipts
    assert (receipt.verdict, receipt.key, receipt.carrier_ref, receipt.ref) == (verdict, f"SM5/{status}", "SM5", REF)
    assert "491701234567" not in receipt.raw
    assert events.inbound == []


@pytest.mark.parametrize(("status", "retryable"), [("failed", True), ("undelivered", False)])
def test_an_unknown_error_code_is_retryable_if_the_status_is_failed_and_not_if_undelivered(
    status: str, retryable: bool
) -> None:
    code = "39999"
    post = signed({**REPORT, "MessageStatus": status, "ErrorCode": code})

    [receipt] = read("alpha", SETTINGS, post).receipts

    assert (receipt.code, receipt.retryable) == (code, retryable)


def test_an_mo_message_is_read() -> None:
    events = read("alpha", SETTINGS, signed(MESSAGE, "https://sms.example/receipts/alpha"))

    [inbound] = events.inbound
    assert events.receipts == []
    assert (inbound.key, inbound.phone, inbound.sender, inbound.body) == (
        "SM9",
        "+491701234567",
        "12345",
        "STOP it, Grüße",
    )


@pytest.mark.parametrize(
    ("body", "kind", "read_as"), [("Adiós", "STOP", "STOP Adiós"), ("stop", "STOP", "stop"), ("hi", "HELP", "hi")]
)
def test_an_mo_message_that_twilio_marks_as_stop_is_read_as_a_stop(body: str, kind: str, read_as: str) -> None:
    given = {**MESSAGE, "Body": body, "OptOutType": kind}

    [inbound] = read("alpha", SETTINGS, signed(given, "https://sms.example/receipts/alpha")).inbound

    assert inbound.body == read_as


FORGED: dict[str, Posted] = {
    "unsigned": posted(urlencode(REPORT).encode(), URL),
    "another's token": signed(REPORT, by="other"),
    "an empty token": signed(REPORT, by=""),
    "another URL": posted(signed(REPORT).body, URL + "x", **dict(signed(REPORT).headers)),
    "another body": posted(
        urlencode({**REPORT, "MessageStatus": "failed"}).encode(), URL, **dict(signed(REPORT).headers)
    ),
    "not ASCII": posted(urlencode(REPORT).encode(), URL, x_twilio_signature="é"),
}


@pytest.mark.parametrize("post", FORGED.values(), ids=FORGED.keys())
def test_a_post_without_a_valid_signature_is_refused_as_forged(post: Posted) -> None:
    with pytest.raises(ReceiptForged):
        read("alpha", SETTINGS, post)


def test_every_post_is_refused_when_no_auth_token_is_set() -> None:
    with pytest.raises(ReceiptForged, match="set auth_token"):
        read("alpha", {}, signed(REPORT, by=""))


@pytest.mark.parametrize(
    "given",
    [
        {**REPORT, "MessageSid": "", "SmsSid": ""},
        {"MessageSid": "SM1", "From": "+1", "To": "+2"},
    ],
)
def test_an_unreadable_post_becomes_a_dead_letter(given: dict[str, str]) -> None:
    events = read("alpha", SETTINGS, signed(given))

    assert (events.receipts, events.inbound) == ([], [])
    assert [each.reason for each in events.dead] == ["unreadable_post"]


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({}, "account_sid is required"),
        ({"account_sid": "AC1"}, "auth_token is required"),
        ({"account_sid": "AC1", "auth_token": ""}, "auth_token is required"),
        ({"account_sid": "AC1", "auth_token": "é"}, "auth_token must be ASCII"),
        ({"account_sid": "AC1", "auth_token": "t", "api_key": "SK1"}, "api_secret is required with the other"),
        ({"account_sid": "AC1", "auth_token": "t", "doubt": "dedupes"}, "doubt must be blind"),
        ({"account_sid": "AC1", "auth_token": "t", "window": 0}, "window must be a number from 1"),
        ({"account_sid": "AC1", "auth_token": "t", "base_url": "https://x?a"}, "base_url must end with its path"),
        ({"account_sid": "AC1", "auth_token": "t", "wings": 2}, "wings is no setting"),
    ],
)
def test_an_invalid_setting_is_refused_by_its_name(settings: dict[str, object], named: str) -> None:
    with pytest.raises(ConfigurationError, match=f"carrier alpha: {named}"):
        make("alpha", settings)
