import json
from datetime import UTC, datetime
from typing import Any

import pytest

from pipeline.carriers.contract import ReceiptForged
from pipeline.carriers.receipt_authentication import fault, status
from pipeline.carriers.registry import KINDS, http_receipts, make, receipt_reader
from pipeline.errors import CarrierUnknown, ConfigurationError
from schema.carriage import CarrierEvents, Posted, Receipt, ReceiptAuthentication
from schema.vocabulary import ReceiptVerdict

REPORT = {
    "id": "c1",
    "ref": "0193f0a0-0000-7000-8000-000000000001",
    "status": "delivered",
    "code": None,
    "at": "2026-11-21T10:00:00+00:00",
}


def read(reports: Any, token: str | None = None, **settings: object) -> list[Receipt]:
    headers = {"authorization": f"Bearer {token}"} if token else {}
    body = reports if isinstance(reports, bytes) else json.dumps(reports).encode()
    posted = Posted("POST", "https://sms.example/receipts/alpha", headers, body)
    return receipt_reader("http")("alpha", settings, posted).receipts


def received_of(report: Any) -> CarrierEvents:
    body = report if isinstance(report, bytes) else json.dumps(report).encode()
    return receipt_reader("http")("alpha", {}, Posted("POST", "https://sms.example/receipts/alpha", {}, body))


def test_a_carrier_is_made_by_its_kind_and_keeps_its_name() -> None:
    for kind, settings in {"simulated": {}, "http": {"base_url": "http://127.0.0.1:1"}}.items():
        carrier = make("alpha", kind, settings, 60)
        assert carrier.name == "alpha"
        carrier.close()


def test_an_unknown_carrier_kind_is_refused_with_a_list_of_the_known_ones() -> None:
    with pytest.raises(CarrierUnknown, match=r"carrier alpha: kind pigeon is none of .*http.*simulated"):
        make("alpha", "pigeon", {}, 60)
    with pytest.raises(CarrierUnknown, match="kind simulated sends no receipts over HTTP"):
        receipt_reader("simulated")


def test_an_unknown_setting_is_refused_by_its_name() -> None:
    with pytest.raises(ConfigurationError, match="carrier alpha: wings is no setting"):
        make("alpha", "simulated", {"wings": 2}, 60)


def test_the_call_deadline_of_a_carrier_is_at_most_a_third_of_the_lease() -> None:
    settings = {"base_url": "http://127.0.0.1:1", "call_deadline": 20.1}

    with pytest.raises(ConfigurationError, match=r"carrier alpha: call_deadline is 20.1 s, .* 20 or less, .* 60.3 or"):
        make("alpha", "http", settings, 60)

    make("alpha", "http", settings, 60.3).close()
    make("alpha", "http", {"base_url": "http://127.0.0.1:1"}, 60).close()


def test_balance_settings_are_accepted_for_each_carrier_kind_that_has_a_balance() -> None:
    settings = {"account_sid": "AC1", "auth_token": "t0ken", "low_balance": 20, "balance_seconds": 30}

    make("alpha", "twilio", settings, 60).close()

    for wrong in ({"low_balance": "20"}, {"low_balance": -1}, {"low_balance": 20, "balance_seconds": 1}):
        with pytest.raises(ConfigurationError, match=r"carrier alpha: (low_balance|balance_seconds) must be a number"):
            make("alpha", "twilio", settings | wrong, 60)
    with pytest.raises(ConfigurationError, match="kind simulated has no balance to query"):
        make("alpha", "simulated", {"low_balance": 20}, 60)


def test_a_carrier_kind_is_registered_under_its_own_name() -> None:
    assert [name for name, kind in KINDS.items() if kind.name != name] == []


@pytest.mark.parametrize(
    ("kind", "settings", "expected", "lacks"),
    [
        ("http", {"receipt_token": "t"}, ReceiptAuthentication.ENFORCED, ""),
        ("http", {}, ReceiptAuthentication.WAIVED, "set receipt_token"),
        ("http", {"receipts": "open"}, ReceiptAuthentication.WAIVED, ""),
        ("http", {"receipt_token": "t", "receipts": "open"}, ReceiptAuthentication.ENFORCED, ""),
        ("http", {"receipt_token": ""}, ReceiptAuthentication.WAIVED, "set receipt_token"),
        ("infobip", {}, ReceiptAuthentication.UNCONFIGURED, "set receipt_token or receipt_username"),
        ("infobip", {"receipt_username": "u", "receipt_password": "p"}, ReceiptAuthentication.ENFORCED, ""),
        ("termii", {"receipts": "open"}, ReceiptAuthentication.WAIVED, ""),
        ("vonage", {"signature_secret": "s"}, ReceiptAuthentication.ENFORCED, ""),
        ("twilio", {"auth_token": "t"}, ReceiptAuthentication.ENFORCED, ""),
        ("generic", {}, ReceiptAuthentication.UNCONFIGURED, ""),
        ("generic", {"receipts": {"proof": {}}}, ReceiptAuthentication.ENFORCED, ""),
        ("smpp", {}, None, ""),
        ("simulated", {}, None, ""),
    ],
)
def test_the_authentication_of_receipts_follows_from_the_carrier_s_settings(
    kind: str, settings: dict[str, object], expected: ReceiptAuthentication | None, lacks: str
) -> None:
    receipts = http_receipts(kind)
    assert status(receipts, settings) is expected
    assert lacks in fault(receipts, settings)
    assert bool(fault(receipts, settings)) == bool(lacks)


def test_receipts_open_is_the_only_waiver_and_only_for_kinds_with_http_receipts() -> None:
    make("alpha", "http", {"base_url": "http://127.0.0.1:1", "receipts": "open"}, 60).close()

    for kind, settings in {
        "http": {"base_url": "http://127.0.0.1:1", "receipts": "ajar"},
        "simulated": {"receipts": "open"},
    }.items():
        with pytest.raises(ConfigurationError, match="carrier alpha: receipts is no setting"):
            make("alpha", kind, settings, 60)


@pytest.mark.parametrize(
    ("kind", "key", "body"),
    [
        ("africas_talking", "receipt_token", b"id=1&status=Success&phoneNumber=%2B2348012345678"),
        ("infobip", "receipt_token", b'{"results": []}'),
        ("termii", "secret_key", b'{"message_id": "1", "status": "Delivered"}'),
        ("vonage", "receipt_token", b"messageId=1&status=delivered"),
    ],
)
def test_receipts_open_waives_authentication_unless_a_secret_is_set(kind: str, key: str, body: bytes) -> None:
    posted = Posted("POST", "https://sms.example/receipts/alpha", {}, body)

    receipt_reader(kind)("alpha", {"receipts": "open"}, posted)
    for settings in ({}, {"receipts": "open", key: "sesame"}):
        with pytest.raises(ReceiptForged):
            receipt_reader(kind)("alpha", settings, posted)


def test_receipts_open_does_not_waive_a_signature_made_with_the_sending_credentials() -> None:
    posted = Posted("POST", "https://sms.example/receipts/alpha", {}, b"MessageSid=1&MessageStatus=delivered")

    with pytest.raises(ReceiptForged):
        receipt_reader("twilio")("alpha", {"auth_token": "t", "receipts": "open"}, posted)


def test_all_fields_of_an_http_receipt_are_read() -> None:
    [receipt] = read(REPORT)

    assert (receipt.carrier, receipt.carrier_ref, str(receipt.ref)) == ("alpha", "c1", REPORT["ref"])
    assert (receipt.verdict, receipt.code, receipt.at) == (
        ReceiptVerdict.DELIVERED,
        None,
        datetime(2026, 11, 21, 10, tzinfo=UTC),
    )
    assert json.loads(receipt.raw) == REPORT


def test_several_receipts_in_one_post_are_read_in_order() -> None:
    many = [{**REPORT, "id": f"c{n}", "status": status} for n, status in enumerate(["pending", "failed", "delivered"])]

    assert [(found.carrier_ref, found.verdict.value) for found in read(many)] == [
        ("c0", "pending"),
        ("c1", "failed"),
        ("c2", "delivered"),
    ]


def test_a_duplicate_receipt_has_the_same_key_and_another_status_has_another() -> None:
    first, same, other = read([REPORT, {**REPORT, "at": "2026-11-21T11:00:00Z"}, {**REPORT, "status": "failed"}])

    assert first.key == same.key
    assert first.key != other.key


def test_a_receipt_without_a_carrier_id_is_identified_by_our_reference() -> None:
    [receipt] = read({"ref": REPORT["ref"], "status": "delivered"})

    assert receipt.carrier_ref is None
    assert str(REPORT["ref"]) in receipt.key


def test_a_receipt_with_a_foreign_reference_is_identified_by_the_carrier_s_id() -> None:
    [receipt] = read({**REPORT, "ref": "order 7"})

    assert (receipt.ref, receipt.carrier_ref) == (None, "c1")


@pytest.mark.parametrize(
    "report",
    [
        b"",
        b"\xff",
        b"[" * 5000,
        None,
        "delivered",
        ["x"],
        {**REPORT, "status": ""},
        {**REPORT, "status": []},
        {**REPORT, "id": "", "ref": ""},
        {**REPORT, "id": "x" * 129},
        {**REPORT, "id": "\ud83d"},
    ],
)
def test_an_unreadable_post_becomes_a_dead_letter(report: Any) -> None:
    received = received_of(report)

    assert (received.receipts, received.inbound) == ([], [])
    assert [each.reason for each in received.dead] == ["unreadable_post"]


@pytest.mark.parametrize(
    ("odd", "read_as"),
    [
        ({"id": 7}, ("7", ReceiptVerdict.DELIVERED, None)),
        ({"at": "yesterday"}, ("c1", ReceiptVerdict.DELIVERED, None)),
        ({"code": {"a": 1}}, ("c1", ReceiptVerdict.DELIVERED, None)),
        ({"code": "a\0b"}, ("c1", ReceiptVerdict.DELIVERED, None)),
        ({"code": 0}, ("c1", ReceiptVerdict.DELIVERED, "0")),
        ({"status": "lost"}, ("c1", ReceiptVerdict.PENDING, None)),
    ],
)
def test_a_receipt_with_invalid_optional_fields_is_still_read(
    odd: dict[str, Any], read_as: tuple[str, ReceiptVerdict, str | None]
) -> None:
    [receipt] = received_of({**REPORT, **odd}).receipts

    assert (receipt.carrier_ref, receipt.verdict, receipt.code) == read_as


@pytest.mark.parametrize("token", [None, "wrong", "s3cre", "s3crett", "é"])
def test_a_receipt_without_the_receipt_token_is_refused_as_forged(token: str | None) -> None:
    with pytest.raises(ReceiptForged):
        read(REPORT, token, receipt_token="s3cret")


def test_a_receipt_with_the_receipt_token_is_accepted() -> None:
    assert len(read(REPORT, "s3cret", receipt_token="s3cret")) == 1


@pytest.mark.parametrize("kind", ["simulated", "twilio", "smpp"])
def test_every_carrier_kind_accepts_the_setting_home_country(kind: str) -> None:
    settings = {
        "simulated": {},
        "twilio": {"account_sid": "AC1", "auth_token": "t0ken"},
        "smpp": {"host": "127.0.0.1", "system_id": "us"},
    }[kind]

    make("alpha", kind, {**settings, "home_country": "gb"}, 60).close()
    with pytest.raises(ConfigurationError, match="carrier alpha: home_country must be an ISO 3166 code"):
        make("alpha", kind, {**settings, "home_country": "UK"}, 60)
