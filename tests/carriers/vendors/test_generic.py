import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from pipeline.carriers.contract import ReceiptForged
from pipeline.carriers.http1 import Address, HttpResponse
from pipeline.carriers.setting_reader import SettingReader
from pipeline.carriers.vendors.generic import make, read
from pipeline.carriers.vendors.generic.placeholders import Maps
from pipeline.carriers.vendors.generic.request_templates import RequestTemplates
from pipeline.carriers.vendors.generic.response_rules import ResponseRules
from pipeline.carriers.vendors.vendor_client import VendorCarrier
from pipeline.errors import ConfigurationError
from schema.carriage import Parcel, Posted
from schema.vocabulary import Encoding, Outcome, ReceiptVerdict, UnknownAbility
from tests.carriers.conformance import DEADLINE, WINDOW, Conformance, parcel
from tests.carriers.vendors.exchanges import REF, answer, judged, posted
from tests.carriers.vendors.scripted_vendor import Call, Reply, Said, VendorRig, rigged

ANSWERS: dict[str, Any] = {
    "accepted": {"statuses": [200], "where": {"status": ["ok", 0]}, "ref": "messages.0.id"},
    "code": "error.code",
    "codes": {"21": "permanent", "rejected": "permanent", "40": "transient", "50": "throttled", "99": "unknown"},
    "statuses": {"400": "permanent", "503": "transient"},
}
SETTINGS: dict[str, Any] = {
    "base_url": None,
    "url": "URL/v1/send",
    "headers": {"authorization": "Bearer s3cret", "x-request-id": "${ref}"},
    "body": {
        "messages": [{"to": "${to_digits}", "from": "${from}", "text": "${text}"}],
        "reference": "pr-${ref}",
        "parts": "${segments}",
        "unicode": "${unicode}",
        "ttl": "${valid_seconds}",
        "fixed": [1, True, None],
    },
    "answers": ANSWERS,
    "receipts": {
        "each": "results",
        "carrier_ref": "id",
        "ref": "reference",
        "status": "status",
        "code": "error",
        "at": "at",
        "statuses": {"DELIVRD": "delivered", "UNDELIV": "failed", "ENROUTE": "pending"},
        "retryable": ["8", 9],
        "inbound": {"id": "mo", "from": "from", "to": "to", "text": "text", "at": "at"},
        "proof": {"hmac": "sha256", "header": "X-Signature", "prefix": "sha256=", "secret": "sesame"},
    },
    "ask": {
        "url": "URL/v1/messages/${ref}",
        "answers": {"accepted": {"statuses": [200], "ref": "id"}, "absent": {"statuses": [404]}},
    },
    "balance": {"url": "URL/v1/balance", "amount": "money.left", "currency": "money.currency"},
}


def fault(code: str) -> dict[str, object]:
    return {"status": "failed", "error": {"code": code, "message": "+491701234567"}}


class Tongue:
    def receive(self, call: Call) -> Said | Reply:
        assert call.headers["authorization"] == "Bearer s3cret"
        if call.method == "GET" and call.url == "/v1/balance":
            return Reply(200, {"money": {"left": "7.5", "currency": "EUR"}})
        if call.method == "GET":
            known = call.url.endswith(str(REF))
            return Reply(200, {"id": "g7"}) if known else Reply(404, {}) if "404" in call.url[-4:] else Reply(500, {})
        assert (call.method, call.url) == ("POST", "/v1/send")
        sent = call.json()
        [message] = sent["messages"]
        return Said(sent["reference"].removeprefix("pr-"), message["to"], message["text"])

    def accept(self, said: Said, given: str) -> Reply:
        return Reply(200, {"status": "ok", "messages": [{"id": given}]})

    def refuse(self, code: str) -> Reply:
        return Reply(200, fault(code))

    def later(self, code: str) -> Reply:
        return Reply(503, fault(code))

    def throttle(self, seconds: str) -> Reply:
        return Reply(429, fault("later"), {"retry-after": seconds})


class Rig(VendorRig):
    """The generic kind has `url` in the place of `base_url`."""

    def at(self, url: str, **more: object) -> VendorCarrier:
        spelt = json.loads(json.dumps({**self._settings, **more}).replace("URL", url))
        spelt.pop("base_url")
        limits = {"window": WINDOW, "deadline": DEADLINE, "call_deadline": 40}
        self.made.append(make("alpha", {**limits, **spelt}))
        return self.made[-1]


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with rigged(make, SETTINGS, Tongue(), tmp_path) as plain:
        rig = Rig(make, SETTINGS, plain.url, plain.other)
        yield rig
        rig.close()


class TestGeneric(Conformance):
    pass


def answers(given: dict[str, Any] | None = None) -> ResponseRules:
    return ResponseRules(SettingReader("alpha", {}), "answers", ANSWERS if given is None else given)


CASES: dict[str, tuple[HttpResponse, tuple[str, str | None, str | None]]] = {
    "taken": (answer(200, {"status": "ok", "messages": [{"id": "g1"}]}), ("accepted", None, "g1")),
    "taken, a number for a status": (answer(200, {"status": 0, "messages": [{"id": 7}]}), ("accepted", None, "7")),
    "taken, without an id": (answer(200, {"status": "ok"}), ("unknown", "unreadable", None)),
    "a success of another status": (answer(202, {"status": "ok"}), ("unknown", "unreadable", None)),
    "a success that does not say so": (answer(200, {"messages": [{"id": "g1"}]}), ("unknown", "unreadable", None)),
    "a permanent code within a success": (answer(200, fault("21")), ("refused_permanent", "21", None)),
    "a transient code": (answer(400, fault("40")), ("refused_transient", "40", None)),
    "a throttling code": (answer(200, fault("50")), ("refused_transient", "throttled", None)),
    "a code that says nothing": (answer(400, fault("99")), ("unknown", "http_400", None)),
    "a status, with a code nobody knows": (answer(400, fault("77")), ("refused_permanent", "77", None)),
    "a status without a body": (answer(503), ("refused_transient", "http_503", None)),
    "429": (answer(429), ("refused_transient", "throttled", None)),
    "500": (answer(500, fault("77")), ("unknown", "http_500", None)),
    "a code that is a number of somebody's": (
        answer(400, fault("491701234567")),
        ("refused_permanent", "http_400", None),
    ),
}


@pytest.mark.parametrize(("given", "expected"), CASES.values(), ids=CASES.keys())
def test_each_vendor_response_has_its_outcome(
    given: HttpResponse, expected: tuple[str, str | None, str | None]
) -> None:
    assert judged(answers().judge, given) == expected


def test_id_and_code_of_a_response_that_is_not_json_are_found_by_a_pattern() -> None:
    rules = answers(
        {
            "accepted": {"statuses": [200], "ref_pattern": "^OK: (\\S+)"},
            "code_pattern": "^ERR: (\\d+)",
            "codes": {"108": "permanent"},
        }
    )

    assert judged(rules.judge, answer(200, b"OK: a1b2\n")) == ("accepted", None, "a1b2")
    assert judged(rules.judge, answer(200, b"ERR: 108")) == ("refused_permanent", "108", None)
    assert judged(rules.judge, answer(200, b"HM")) == ("unknown", "unreadable", None)


def test_our_reference_is_the_carrier_s_id_when_no_rule_for_an_id_is_set() -> None:
    assert judged(answers({"accepted": {"statuses": [204]}}).judge, answer(204)) == ("accepted", None, str(REF))


def test_a_json_request_template_is_filled_in_without_injection(rig: Rig) -> None:
    given = parcel(
        '${to} "},\n{"x": "é', segments=3, encoding=Encoding.GSM7, valid_until=datetime.now(UTC) + timedelta(hours=1)
    )

    rig.carrier().send([given])

    [call] = rig.other.calls
    sent = call.json()
    assert call.headers["x-request-id"] == str(given.ref)
    assert 3590 <= sent.pop("ttl") <= 3600
    assert sent == {
        "messages": [{"to": "491701234567", "from": "ACME", "text": '${to} "},\n{"x": "é'}],
        "reference": f"pr-{given.ref}",
        "parts": 3,
        "unicode": False,
        "fixed": [1, True, None],
    }


def written(given: Parcel, **settings: object) -> Call:
    """Return the request that settings make of a parcel, as a vendor reads it."""
    templates = RequestTemplates.read(SettingReader("alpha", settings), "", Address.parse("https://x"), {}, Maps({}))
    head, _, body = templates.write(given, None).partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    method, url, _ = first.split(" ")
    return Call(method, url, headers, body)


def test_a_form_request_template_is_filled_in_without_injection() -> None:
    form = {"to": "${to}", "text": "${text}", "key": "k&1", "until": "${valid_until}", "n": "${segments}"}

    call = written(parcel("a&b=${ref}\r\n"), url="https://x", form=form)

    assert (call.method, call.url) == ("POST", "/")
    assert call.headers["content-type"] == "application/x-www-form-urlencoded"
    assert call.form() == {"to": "+491701234567", "text": "a&b=${ref}\r\n", "key": "k&1", "n": "1"}


def test_a_value_in_a_url_template_is_percent_encoded() -> None:
    hostile = parcel("a&to=+1#/../\r\nhost: evil", sender="../x?y")

    call = written(hostile, url="https://x/send/${from}?text=${text}&to=${to}", method="GET")

    assert call.url.startswith("/send/..%2Fx%3Fy?")
    assert call.query() == {"text": "a&to=+1#/../\r\nhost: evil", "to": "+491701234567"}
    assert call.headers == {"host": "x", "content-length": "0"}


def test_a_query_uses_the_configured_request_and_rules(rig: Rig) -> None:
    carrier = rig.carrier()
    known, absent, silent = (
        replace(parcel(), ref=UUID(f"0193f0a0-0000-7000-8000-000000000{ending}")) for ending in ("001", "404", "500")
    )

    found = carrier.query([known, absent, silent], [None, None, None])

    assert [(each.outcome, each.carrier_ref) for each in found] == [
        (Outcome.ACCEPTED, "g7"),
        (Outcome.NOT_WRITTEN, None),
        (Outcome.UNKNOWN, None),
    ]
    assert carrier.unknown_ability is UnknownAbility.QUERYABLE
    assert {each.outcome for each in rig.away().query([known], [None])} == {Outcome.UNKNOWN}


def test_the_doubt_setting_may_lower_queryable_to_blind(rig: Rig) -> None:
    assert rig.at(rig.url, doubt="blind").unknown_ability is UnknownAbility.BLIND


def test_the_balance_is_read_by_its_configured_path(rig: Rig) -> None:
    assert rig.carrier().balance() == (Decimal("7.5"), "EUR")
    assert rig.at(rig.url, balance={"url": "URL/v1/balance", "amount": "money.lost"}).balance() is None


# What it posts --------------------------------------------------------------------------------------------------

REPORT = {"id": "g1", "reference": str(REF), "status": "DELIVRD", "error": None, "at": "2026-11-21T10:00:00Z"}
MESSAGE = {"mo": "m1", "from": "491701234567", "to": "12345", "text": "STOP\0 \ud83d", "at": "2026-11-21T10:00:00Z"}


def signed(*reports: dict[str, Any], by: str = "sesame") -> Posted:
    body = json.dumps({"results": reports}).encode()
    return posted(body, x_signature="sha256=" + hmac.new(by.encode(), body, hashlib.sha256).hexdigest())


@pytest.mark.parametrize(
    ("status", "verdict"),
    [("DELIVRD", ReceiptVerdict.DELIVERED), ("UNDELIV", ReceiptVerdict.FAILED), ("ENROUTE", ReceiptVerdict.PENDING)],
)
def test_each_receipt_status_has_its_verdict(status: str, verdict: ReceiptVerdict) -> None:
    [receipt] = read("alpha", SETTINGS, signed({**REPORT, "status": status})).receipts

    assert (receipt.verdict, receipt.key, receipt.carrier_ref, receipt.ref) == (verdict, f"g1/{status}", "g1", REF)
    assert receipt.at == datetime(2026, 11, 21, 10, tzinfo=UTC)


@pytest.mark.parametrize(("code", "retryable"), [("8", True), (9, True), ("7", False), (None, False)])
def test_a_failed_receipt_is_retryable_by_its_configured_codes(code: Any, retryable: bool) -> None:
    [receipt] = read("alpha", SETTINGS, signed({**REPORT, "status": "UNDELIV", "error": code})).receipts

    assert receipt.retryable is retryable


def test_an_mo_message_part_has_its_reference_number_and_count() -> None:
    receipts = {
        **SETTINGS["receipts"],
        "inbound": {**SETTINGS["receipts"]["inbound"], "ref": "r", "part": "n", "of": "m"},
    }
    halves = [
        {**MESSAGE, "mo": f"m{n}", "text": half, "r": "A7", "n": str(n), "m": 2}
        for n, half in ((1, "\ud83d"), (2, "\udc4d"))
    ]

    first, second = read("alpha", {**SETTINGS, "receipts": receipts}, signed(*halves)).inbound

    assert [(each.part, each.of, each.part_ref == first.part_ref) for each in (first, second)] == [
        (1, 2, True),
        (2, 2, True),
    ]
    assert ((first.octets or b"") + (second.octets or b"")).decode("utf-16-be") == "👍"


def test_receipts_and_mo_messages_may_be_in_one_post() -> None:
    events = read("alpha", SETTINGS, signed(REPORT, MESSAGE, {**REPORT, "id": "g2"}))

    assert [each.carrier_ref for each in events.receipts] == ["g1", "g2"]
    [inbound] = events.inbound
    assert (inbound.key, inbound.phone, inbound.sender, inbound.body) == (
        "m1",
        "+491701234567",
        "12345",
        "STOP \N{REPLACEMENT CHARACTER}",
    )


@pytest.mark.parametrize(
    ("proof", "right", "wrong"),
    [
        ({"header": "X-Token", "secret": "s"}, {"x-token": "s"}, {"x-token": "t"}),
        ({"header": "Authorization", "secret": "Bearer s"}, {"authorization": "Bearer s"}, {}),
        (
            {"header": "x-mac", "hmac": "sha512", "spelling": "base64", "secret": "s"},
            {"x-mac": base64.b64encode(hmac.new(b"s", b"id=g1&status=OK", hashlib.sha512).digest()).decode()},
            {"x-mac": "s"},
        ),
    ],
)
def test_a_receipt_is_authenticated_by_a_secret_or_an_hmac_in_a_header(
    proof: Any, right: dict[str, str], wrong: dict[str, str]
) -> None:
    rules = {"carrier_ref": "id", "status": "status", "statuses": {"OK": "delivered"}, "proof": proof}

    [receipt] = read("alpha", {"receipts": rules}, posted(b"id=g1&status=OK", **right)).receipts

    assert receipt.carrier_ref == "g1"
    with pytest.raises(ReceiptForged):
        read("alpha", {"receipts": rules}, posted(b"id=g1&status=OK", **wrong))


def test_a_receipt_by_get_is_authenticated_by_a_secret_in_the_query() -> None:
    proof = {"query": "key", "secret": "s"}
    rules = {"carrier_ref": "id", "status": "status", "statuses": {"OK": "delivered"}, "proof": proof}
    url = "https://sms.example/receipts/alpha?id=g1&status=OK&key="

    [receipt] = read("alpha", {"receipts": rules}, posted(url=url + "s")).receipts

    assert receipt.carrier_ref == "g1"
    with pytest.raises(ReceiptForged):
        read("alpha", {"receipts": rules}, posted(url=url + "t"))


@pytest.mark.parametrize("post", [posted({"results": [REPORT]}), signed(REPORT, by="other"), posted(b"")])
def test_a_post_without_a_valid_signature_is_refused_as_forged(post: Posted) -> None:
    with pytest.raises(ReceiptForged):
        read("alpha", SETTINGS, post)


def test_an_unauthenticated_receipt_is_accepted_if_proof_is_open() -> None:
    rules = {"carrier_ref": "id", "status": "status", "statuses": {"OK": "delivered"}, "proof": "open"}

    [receipt] = read("alpha", {"receipts": rules}, posted(b"id=g1&status=OK")).receipts

    assert receipt.carrier_ref == "g1"


def test_every_post_is_refused_when_no_receipt_rules_are_set() -> None:
    with pytest.raises(ReceiptForged, match=r"set receipts\.proof"):
        read("alpha", {}, signed(REPORT))


@pytest.mark.parametrize(
    "report",
    [
        {**REPORT, "id": None, "reference": "order 7"},
        {**REPORT, "id": "x" * 200},
        {**MESSAGE, "text": None},
        {**MESSAGE, "mo": "x" * 200},
        "DELIVRD",
    ],
)
def test_an_unreadable_post_becomes_a_dead_letter(report: Any) -> None:
    events = read("alpha", SETTINGS, signed(report))

    assert (events.receipts, events.inbound) == ([], [])
    assert [each.reason for each in events.dead] == ["unreadable_post"]


BASE: dict[str, Any] = {"url": "https://x/send", "answers": {"accepted": {"statuses": [200]}}}


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({}, "url must be an http"),
        ({"url": "https://${to}/x"}, "url must be an http"),
        ({**BASE, "url": "ftp://x"}, "url must be an http"),
        ({**BASE, "url": "https://x/${number}"}, r"url names \$\{number\}, which is none of"),
        ({**BASE, "url": "https://x/${to"}, r"url has an unclosed \$\{"),
        ({**BASE, "url": "https://x/a b"}, "url must be an http"),
        ({**BASE, "method": "DELETE"}, "method must be one of POST, GET, PUT"),
        ({**BASE, "body": {"a": {"b": ["${c}"]}}}, r"body.a.b.0 names \$\{c\}"),
        ({**BASE, "body": {"a": "b"}, "form": {"a": "b"}}, "form excludes body"),
        ({**BASE, "headers": {"x": "a\r\nb"}}, "headers.x must be printable ASCII"),
        ({**BASE, "headers": {"x\r\ny": "a"}}, r"headers\.x\r\ny is malformed or reserved"),
        ({**BASE, "headers": {"Host": "a"}}, "headers.Host is malformed or reserved"),
        ({**BASE, "headers": {"x": "${text}"}}, r"headers.x names \$\{text\}"),
        ({"url": "https://x"}, "answers.accepted.statuses is required"),
        ({**BASE, "answers": {"accepted": {"statuses": [20]}}}, "answers.accepted.statuses must name HTTP statuses"),
        ({**BASE, "answers": {**ANSWERS, "codes": {"1": "maybe"}}}, "answers.codes.1 must be one of permanent"),
        ({**BASE, "answers": {**ANSWERS, "code_pattern": "("}}, "answers.code_pattern is not a regular expression"),
        ({**BASE, "answers": {**ANSWERS, "code_pattern": "a"}}, "answers.code_pattern must have one group"),
        ({**BASE, "answers": {**ANSWERS, "cods": {}}}, "cods is no setting"),
        ({**BASE, "receipts": {"status": "s"}}, "receipts.proof is required"),
        ({**BASE, "receipts": {"proof": {"secret": "s"}}}, "receipts.proof must have a header or a query"),
        ({**BASE, "receipts": {"proof": {"header": "x", "secret": ""}}}, "receipts.proof.secret is required"),
        ({**BASE, "receipts": {"proof": {"header": "x", "hmac": "md5", "secret": "s"}}}, "receipts.proof.hmac must be"),
        (
            {**BASE, "receipts": {"statuses": {"a": "gone"}, "proof": {"header": "x", "secret": "s"}}},
            "receipts.statuses.a must be one of delivered",
        ),
        ({**BASE, "ask": {"url": "https://other/x"}}, "ask.url must have the host of url"),
        ({**BASE, "balance": {"url": "http://x/b", "amount": "a"}}, "balance.url must have the host of url"),
        ({**BASE, "balance": {"url": "https://x/${to}", "amount": "a"}}, "balance.url names"),
        ({**BASE, "doubt": "queryable"}, "doubt must be blind"),
        ({**BASE, "wings": 2}, "wings is no setting"),
    ],
)
def test_an_invalid_setting_is_refused_by_its_name(settings: dict[str, object], named: str) -> None:
    with pytest.raises(ConfigurationError, match=f"carrier alpha: {named}"):
        make("alpha", settings)
