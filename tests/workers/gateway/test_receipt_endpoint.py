"""The receipt endpoint: receipts and MO messages of each carrier kind, their authentication and their formats."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import Awaitable, Callable
from contextlib import closing
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import pytest
from aiohttp.test_utils import RawTestServer, TestClient
from pydantic import SecretStr

from pipeline.runtime import Runtime
from pipeline.settings import Settings
from pipeline.stages import dead_letters
from pipeline.stages.admin.carrier_status import carrier_statuses
from pipeline.stages.admin.carriers import set_carrier
from pipeline.store import carriers
from schema.vocabulary import DeadLetterSource
from tests.world import World
from workers.gateway.gateway_process import Gateway

Client = TestClient[Any, Any]
REF = UUID("0193f0a0-0000-7000-8000-000000000001")
#: as the vendors were told; the gateway sees its own port and plain HTTP
OUTSIDE = "https://sms.example/receipts"
TWILIO = {"account_sid": "AC1", "auth_token": "t0ken", "receipt_url": f"{OUTSIDE}/tw"}
VONAGE = {"api_key": "k", "api_secret": "s", "receipt_url": f"{OUTSIDE}/vg", "receipt_token": "sesame"}
INFOBIP = {"base_url": "https://x", "api_key": "k", "receipt_token": "sesame"}
TERMII = {"base_url": "https://x", "api_key": "k", "secret_key": "sesame"}
GENERIC = {
    "url": "https://x/send",
    "answers": {"accepted": {"statuses": [200]}},
    "receipts": {
        "carrier_ref": "id",
        "status": "status",
        "statuses": {"OK": "delivered"},
        "proof": {"header": "x-token", "secret": "sesame"},
    },
}
EACH = {
    **GENERIC,
    "receipts": {
        **GENERIC["receipts"],  # type: ignore[dict-item]
        "each": "results",
        "inbound": {"id": "mo", "from": "from", "to": "to", "text": "text"},
    },
}


@pytest.fixture
def world(shared_world: World) -> World:
    """A world in which nobody has posted anything."""
    shared_world.rt.engine.dispose()  # a test before this one may have ended its connections
    shared_world.run("TRUNCATE receipts")
    shared_world.run("DELETE FROM inbound_messages")
    shared_world.run("TRUNCATE dead_letters, dead_letter_counts")
    return shared_world


@pytest.fixture
def posting(world: World) -> Callable[..., Any]:
    """Runs a story with a client of a gateway that knows one carrier of each kind."""
    with world.rt.begin() as conn:
        for name, kind, settings in (
            ("tw", "twilio", TWILIO),
            ("vg", "vonage", VONAGE),
            ("tm", "termii", TERMII),
            ("ib", "infobip", INFOBIP),
            ("gn", "generic", GENERIC),
            ("ge", "generic", EACH),
            ("ht", "http", {"base_url": "https://x"}),
        ):
            carriers.save(conn, name, kind, settings)

    def run(story: Callable[[Client], Awaitable[Any]]) -> Any:
        async def main() -> Any:
            with closing(Gateway(Runtime(with_a_key(world)))) as gateway:
                client: Client = TestClient(RawTestServer(gateway.handle))
                async with client:
                    return await asyncio.wait_for(story(client), 60)

        return asyncio.run(main())

    return run


def with_a_key(world: World) -> Settings:
    settings: Settings = world.rt.settings
    return settings.model_copy(update={"secret_key": SecretStr("a secret of these tests, long enough")})


def one(posting: Callable[..., Any], method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, str, str]:
    """Call once; return status, content type and words of the answer."""

    async def story(client: Client) -> tuple[int, str, str]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with client.request(method, f"/receipts/{path}", data=body, headers=named) as answer:
            return answer.status, answer.content_type, await answer.text()

    answered: tuple[int, str, str] = posting(story)
    return answered


def signed(given: dict[str, str], url: str) -> tuple[bytes, str]:
    """Return a form and its signature, as Twilio makes them."""
    text = url + "".join(name + given[name] for name in sorted(given))
    mac = hmac.new(b"t0ken", text.encode(), hashlib.sha1).digest()
    return urlencode(given).encode(), base64.b64encode(mac).decode()


def kept(world: World) -> list[Any]:
    found: list[Any] = world.rows("SELECT carrier || ' ' || carrier_ref || ' ' || verdict FROM receipts ORDER BY 1")
    return found


def test_a_twilio_signature_is_verified_against_the_public_url(world: World, posting: Callable[..., Any]) -> None:
    body, mac = signed({"MessageSid": "SM5", "MessageStatus": "delivered"}, f"{OUTSIDE}/tw?ref={REF}")

    answer = one(posting, "POST", f"tw?ref={REF}", body, x_twilio_signature=mac)

    assert answer == (200, "text/xml", "<Response/>")
    assert kept(world) == ["tw SM5 delivered"]
    assert world.rows("SELECT ref FROM receipts") == [REF]


def test_a_twilio_signature_for_another_query_gets_401(world: World, posting: Callable[..., Any]) -> None:
    body, mac = signed({"MessageSid": "SM5", "MessageStatus": "delivered"}, f"{OUTSIDE}/tw?ref={REF}")

    status, _, words = one(posting, "POST", "tw?ref=other", body, x_twilio_signature=mac)

    assert (status, "t0ken" in words, kept(world)) == (401, False, [])


def test_a_posted_inbound_message_is_stored_once(world: World, posting: Callable[..., Any]) -> None:
    given = {"MessageSid": "SM9", "From": "+491701234567", "To": "+4915205550000", "Body": "STOP"}
    body, mac = signed(given, f"{OUTSIDE}/tw")

    answers = [one(posting, "POST", "tw", body, x_twilio_signature=mac)[0] for _ in range(2)]

    assert answers == [200, 200]
    stored = world.rows("SELECT carrier || ' ' || phone || ' ' || body FROM inbound_messages")
    assert stored == ["tw +491701234567 STOP"]


#: (carrier, its body as JSON): a STOP from a handset that writes its number as it dials at home
AT_HOME = {
    "vonage": ("vg?token=sesame", {"messageId": "0B1", "msisdn": "07400123126", "to": "8080", "text": "STOP"}),
    "infobip": (
        "ib?token=sesame",
        {"results": [{"messageId": "1", "from": "7400123126", "to": "8080", "text": "STOP"}]},
    ),
    "generic": ("ge", {"results": [{"mo": "1", "from": "00447400123126", "to": "8080", "text": "STOP"}]}),
    "generic, a URI": ("ge", {"results": [{"mo": "1", "from": "tel:+447400123126", "to": "tel:8080", "text": "STOP"}]}),
    "http": ("ht", {"id": "1", "from": "07400123126", "to": "8080", "text": "STOP"}),
}


@pytest.mark.parametrize(("path", "body"), AT_HOME.values(), ids=AT_HOME)
def test_a_national_number_in_an_inbound_message_is_read_by_the_carrier_s_home_country(
    world: World, posting: Callable[..., Any], path: str, body: dict[str, Any]
) -> None:
    world.run('UPDATE carriers SET settings = settings || \'{"home_country": "GB"}\'')

    status, _, _ = one(posting, "POST", path, json.dumps(body).encode(), x_token="sesame")

    assert (status, world.rows("SELECT phone FROM inbound_messages")) == (200, ["+447400123126"])


#: a STOP without the id that its vendor gives it, twice, then other words
NAMELESS = {
    "vonage": ("vg?token=sesame", {"msisdn": "447400123126", "to": "8080", "text": "STOP"}),
    "infobip": (
        "ib?token=sesame",
        {"results": [{"messageId": None, "from": "447400123126", "to": "8080", "text": "STOP"}]},
    ),
    "generic": ("ge", {"results": [{"from": "447400123126", "to": "8080", "text": "STOP"}]}),
    "http": ("ht", {"id": "", "from": "447400123126", "to": "8080", "text": "STOP"}),
}


@pytest.mark.parametrize(("path", "body"), NAMELESS.values(), ids=NAMELESS)
def test_repeated_inbound_messages_without_an_id_are_stored_once_until_another_comes(
    world: World, posting: Callable[..., Any], path: str, body: dict[str, Any]
) -> None:
    stop = json.dumps(body).encode()

    for each in (stop, stop, stop.replace(b"STOP", b"START"), stop):
        assert one(posting, "POST", path, each, x_token="sesame")[0] == 200

    assert world.rows("SELECT body FROM inbound_messages ORDER BY received_at, id") == ["STOP", "START", "STOP"]


def test_an_inbound_message_with_a_status_is_not_taken_for_a_receipt(world: World, posting: Callable[..., Any]) -> None:
    message = {"mo": "1", "id": "1", "from": "+447400123126", "to": "8080", "text": "STOP", "status": "received"}
    report = {"id": "7", "mo": "2", "from": "8080", "to": "+447400123126", "text": "Hello", "status": "ok"}

    status, _, _ = one(posting, "POST", "ge", json.dumps({"results": [message, report]}).encode(), x_token="sesame")

    assert (status, world.rows("SELECT body FROM inbound_messages")) == (200, ["STOP"])
    assert kept(world) == ["ge 7 delivered"]


def test_vonage_may_report_by_get(world: World, posting: Callable[..., Any]) -> None:
    fields = {"messageId": "0A0", "status": "failed", "err-code": "8", "client-ref": str(REF), "token": "sesame"}

    answer = one(posting, "GET", f"vg?{urlencode(fields)}")

    assert answer[0] == 200
    assert kept(world) == ["vg 0A0 failed"]
    assert world.rows("SELECT retryable FROM receipts") == [True]


@pytest.mark.parametrize(
    ("method", "carrier", "status"),
    [("GET", "tw", 401), ("GET", "tm", 401), ("PUT", "vg", 405), ("DELETE", "gn", 405), ("PUT", "nobody", 405)],
)
def test_a_method_that_the_carrier_kind_does_not_use_is_refused(
    posting: Callable[..., Any], method: str, carrier: str, status: int
) -> None:
    assert one(posting, method, carrier)[0] == status


@pytest.mark.parametrize(
    ("carrier", "body", "status"),
    [
        ("tw", b"MessageSid=SM5&MessageStatus=delivered", 401),
        ("vg", b"messageId=0A0&status=delivered", 401),
        ("tm", b'{"message_id": "1", "status": "Delivered"}', 401),
        ("gn", b"id=1&status=OK", 401),
    ],
)
def test_an_unauthenticated_receipt_is_not_stored(
    world: World, posting: Callable[..., Any], carrier: str, body: bytes, status: int
) -> None:
    assert one(posting, "POST", carrier, body)[0] == status
    assert kept(world) == []


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_an_unknown_carrier_gets_the_same_response_as_a_forged_receipt(
    posting: Callable[..., Any], caplog: pytest.LogCaptureFixture, method: str
) -> None:
    answers = {one(posting, method, carrier, b'{"id": "1"}') for carrier in ("tw", "tm", "gn", "nobody")}

    assert [status for status, _, _ in answers] == [401]
    assert "nobody" not in caplog.text
    assert [record.getMessage().split()[4] for record in caplog.records] == ["tw:", "tm:", "gn:"]


def set_aside(world: World) -> list[Any]:
    found: list[Any] = world.rows(
        "SELECT origin || ' ' || reason || ' ' || letters FROM dead_letter_counts WHERE source = 'receipt' ORDER BY 1"
    )
    return found


def raw(world: World) -> list[bytes]:
    source = DeadLetterSource.RECEIPT
    with closing(Runtime(with_a_key(world))) as rt:
        found = dead_letters.listed(rt, source, 100)
        return [letter["payload"] for row in found if (letter := dead_letters.shown(rt, source, row["id"]))]


def test_an_unreadable_post_becomes_a_dead_letter_and_gets_200(
    world: World, posting: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    messages_format = b'{"message_uuid": "aaaa", "to": "447700900000", "status": "delivered", "channel": "sms"}'

    answers = [
        one(posting, "POST", "vg?token=sesame", messages_format)[0],
        one(posting, "POST", "gn", b"\xff\xfe", x_token="sesame")[0],
        one(posting, "POST", "ib?token=sesame", b"<results/>")[0],
    ]

    assert answers == [200, 200, 200]
    assert kept(world) == []
    assert set_aside(world) == ["gn unreadable_post 1", "ib unreadable_post 1", "vg unreadable_post 1"]
    assert raw(world) == [b"<results/>", b"\xff\xfe", messages_format]
    reported = [record.getMessage() for record in caplog.records]
    assert [words.partition(";")[0] for words in reported] == [
        f"receipts dead-lettered: carrier {name}: 1 unreadable_post" for name in ("vg", "gn", "ib")
    ]
    assert "447700900000" not in caplog.text
    found = {each.name: each.unread for each in carrier_statuses(world.rt, timedelta(minutes=15))}
    assert found["vg"] == {"unreadable_post": 1}


def test_repeated_unreadable_posts_are_logged_once(
    posting: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    async def story(client: Client) -> list[int]:
        return [(await client.post("/receipts/vg?token=sesame", data=b"{}")).status for _ in range(5)]

    assert posting(story) == [200] * 5
    assert len(caplog.records) == 1


UNREADABLE = {
    "a text that is null": {"messageId": "m0", "from": "491701234567", "to": "12345", "text": None},
    "a SEEN report without a status": {"messageId": "m0", "seenAt": "2026-11-21T10:00:00.000+0000"},
    "a status that is no object": {"messageId": "m0", "status": "DELIVERED"},
    "an object that is none": "m0",
    "nothing": None,
}


@pytest.mark.parametrize("odd", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_an_unreadable_entry_does_not_affect_the_others_of_its_post(
    world: World, posting: Callable[..., Any], odd: Any
) -> None:
    good = [{"messageId": f"m{n}", "status": {"groupId": 3, "id": 5}} for n in range(1, 100)]
    body = json.dumps({"results": [*good[:50], odd, *good[50:]]}).encode()

    assert one(posting, "POST", "ib?token=sesame", body)[0] == 200

    assert len(kept(world)) == 99
    assert set_aside(world) == ["ib unreadable_entry 1"]
    assert [json.loads(each) for each in raw(world)] == [odd]


def test_readable_entries_of_a_partly_unreadable_post_are_applied(world: World, posting: Callable[..., Any]) -> None:
    sent = world.send(*(f"+23480123{n:05}" for n in range(10)))
    refs = world.rows("SELECT carrier_ref FROM provider_attempts WHERE message_id = ANY(%(ids)s)", ids=sent.messages)
    with world.rt.begin() as conn:
        carriers.save(conn, "alpha", "infobip", INFOBIP)
    reports = [{"messageId": ref, "status": {"groupId": "3", "id": "5"}} for ref in refs]
    body = json.dumps({"results": [*reports[:9], {**reports[9], "status": "DELIVERED"}]}).encode()

    assert one(posting, "POST", "alpha?token=sesame", body)[0] == 200

    assert sorted(world.status(message) for message in sent.messages) == ["delivered"] * 9 + ["sent"]
    assert set_aside(world) == ["alpha unreadable_entry 1"]


@pytest.mark.parametrize(
    ("code", "expected"), [("21612", True), ("30027", True), ("21610", False), ("21268", False), ("", True)]
)
def test_a_failed_receipt_is_retryable_depending_on_its_error_code(
    world: World, posting: Callable[..., Any], code: str, expected: bool
) -> None:
    given = {"MessageSid": "SM5", "MessageStatus": "failed", "ErrorCode": code}
    body, mac = signed(given, f"{OUTSIDE}/tw")

    assert one(posting, "POST", "tw", body, x_twilio_signature=mac)[0] == 200
    assert world.rows("SELECT verdict, code, retryable FROM receipts") == [("failed", code or None, expected)]


BATCHES: dict[str, tuple[str, dict[str, str], Any, Any]] = {
    "generic with each": ("ge", {"x_token": "sesame"}, {"id": "7", "status": "OK"}, {"id": "8", "status": {}}),
    "messages among them": (
        "ge",
        {"x_token": "sesame"},
        {"mo": "1", "from": "491701234567", "to": "12345", "text": "hi"},
        {"mo": "2", "from": "491701234567", "to": "12345", "text": None},
    ),
    "http": ("ht", {}, {"id": "7", "status": "DELIVERED"}, {"status": "delivered"}),
    "termii": ("tm", {}, {"message_id": "7", "status": "Delivered"}, {"message_id": None, "status": "Delivered"}),
}


@pytest.mark.parametrize(("carrier", "proof", "good", "bad"), BATCHES.values(), ids=BATCHES.keys())
def test_every_kind_with_lists_of_receipts_reads_them_entry_by_entry(
    world: World, posting: Callable[..., Any], carrier: str, proof: dict[str, str], good: Any, bad: Any
) -> None:
    body = json.dumps({"results": [good, bad]} if carrier == "ge" else [good, bad]).encode()
    if carrier == "tm":
        proof = {"x_termii_signature": hmac.new(b"sesame", body, hashlib.sha512).hexdigest()}

    assert one(posting, "POST", carrier, body, **proof)[0] == 200

    assert len(kept(world)) + len(world.rows("SELECT id FROM inbound_messages")) == 1
    assert set_aside(world) == [f"{carrier} unreadable_entry 1"]


@pytest.mark.parametrize(
    "given",
    [
        {"messageId": "7", "status": {"groupId": 3, "id": 5}},
        [{"messageId": "7", "status": {"groupId": 3, "id": 5}}],
        {"results": [{"messageId": "7", "status": {"groupName": "DELIVERED"}}]},
    ],
)
def test_an_infobip_report_is_read_without_its_enclosing_results(
    world: World, posting: Callable[..., Any], given: Any
) -> None:
    assert one(posting, "POST", "ib?token=sesame", json.dumps(given).encode())[0] == 200
    assert kept(world) == ["ib 7 delivered"]


@pytest.mark.parametrize(("said", "code"), [("None", "Failed"), ("", "Failed"), ("DELIVERYFAILURE", "DELIVERYFAILURE")])
def test_an_africa_s_talking_failure_reason_may_be_none_or_upper_case(
    world: World, posting: Callable[..., Any], said: str, code: str
) -> None:
    with world.rt.begin() as conn:
        carriers.save(conn, "at", "africas_talking", {"username": "u", "api_key": "k", "receipt_token": "sesame"})
    given = {"id": "A1", "status": "Failed", "failureReason": said}

    assert one(posting, "POST", "at?token=sesame", urlencode(given).encode())[0] == 200
    assert world.rows("SELECT verdict, code, retryable FROM receipts") == [("failed", code, True)]


def test_an_older_twilio_callback_format_is_read(world: World, posting: Callable[..., Any]) -> None:
    body, mac = signed({"SmsSid": "SM5", "SmsStatus": "delivered"}, f"{OUTSIDE}/tw")

    assert one(posting, "POST", "tw", body, x_twilio_signature=mac)[0] == 200
    assert kept(world) == ["tw SM5 delivered"]


UNKNOWN: dict[str, tuple[str, Any]] = {
    "vonage": ("vg?token=sesame", {"messageId": "7", "status": "teleported"}),
    "infobip": ("ib?token=sesame", {"results": [{"messageId": "7", "status": {"groupId": 9, "id": 901}}]}),
    "generic": ("gn", {"id": "7", "status": "TELEPORTED"}),
    "http": ("ht", {"id": "7", "status": "teleported"}),
}


@pytest.mark.parametrize(("path", "given"), UNKNOWN.values(), ids=UNKNOWN.keys())
def test_an_unknown_status_is_pending_and_becomes_a_dead_letter(
    world: World, posting: Callable[..., Any], caplog: pytest.LogCaptureFixture, path: str, given: Any
) -> None:
    assert one(posting, "POST", path, json.dumps(given).encode(), x_token="sesame")[0] == 200

    name = path.partition("?")[0]
    assert kept(world) == [f"{name} 7 pending"]
    assert set_aside(world) == [f"{name} unknown_status 1"]
    assert len(caplog.records) == 1


def test_an_unknown_twilio_status_is_pending(world: World, posting: Callable[..., Any]) -> None:
    body, mac = signed({"MessageSid": "SM5", "MessageStatus": "teleported"}, f"{OUTSIDE}/tw")

    assert one(posting, "POST", "tw", body, x_twilio_signature=mac)[0] == 200
    assert kept(world) == ["tw SM5 pending"]


def test_a_post_too_malformed_to_authenticate_gets_400(world: World, posting: Callable[..., Any]) -> None:
    body = "&".join(f"a{n}=1" for n in range(300)).encode()

    assert one(posting, "POST", "tw", body, x_twilio_signature="x")[0] == 400
    assert set_aside(world) == []


@pytest.mark.parametrize(
    ("reported", "signed_url"),
    [
        (f"{OUTSIDE}/tw", "https://sms.example:443/receipts/tw"),
        (f"{OUTSIDE}/tw", "https://sms.example:8443/receipts/tw"),
        ("https://sms.example:8443/receipts/tw", f"{OUTSIDE}/tw"),
        ("https://sms.example:443/receipts/tw", f"{OUTSIDE}/tw"),
        ("http://sms.example/receipts/tw", f"{OUTSIDE}/tw"),
        (f"{OUTSIDE}/tw", f"{OUTSIDE}/tw/"),
        (f"{OUTSIDE}/tw#rc=5&rp=5xx,ct,rt", f"{OUTSIDE}/tw"),
        (f"{OUTSIDE}/tw?a=1#rc=5", f"{OUTSIDE}/tw"),
        ("", "https://sms.example/receipts/tw"),
        ("https://SMS.Example/receipts/tw", f"{OUTSIDE}/tw"),
        ("https://SMS.Example:443/receipts/tw", f"{OUTSIDE}/tw"),
        ("https://sms.example:8443/receipts/tw/", f"{OUTSIDE}/tw"),
        ("https://user:word@sms.example/receipts/tw", f"{OUTSIDE}/tw"),
        ("https://sms.example/receipts/%74w", f"{OUTSIDE}/tw"),
    ],
)
def test_a_twilio_signature_may_cover_another_spelling_of_the_same_url(
    world: World, posting: Callable[..., Any], reported: str, signed_url: str
) -> None:
    with world.rt.begin() as conn:
        carriers.save(conn, "tw", "twilio", {**TWILIO, "receipt_url": reported})
    body, mac = signed({"MessageSid": "SM5", "MessageStatus": "delivered"}, f"{signed_url}?ref={REF}")

    status, _, _ = one(posting, "POST", f"tw?ref={REF}", body, x_twilio_signature=mac, host="sms.example")

    assert (status, kept(world)) == (200, ["tw SM5 delivered"])


def test_a_twilio_signature_of_another_host_or_path_gets_401(world: World, posting: Callable[..., Any]) -> None:
    for url in ("https://evil.example/receipts/tw", f"{OUTSIDE}/other", f"{OUTSIDE}/tw?ref={REF}"):
        body, mac = signed({"MessageSid": "SM5", "MessageStatus": "delivered"}, url)
        assert one(posting, "POST", "tw", body, x_twilio_signature=mac)[0] == 401
    assert kept(world) == []


@pytest.mark.parametrize(
    ("answer", "received"),
    [
        ({"body": "OK"}, (200, "text/plain", "OK")),
        ({"body": "ACK/Jasmin", "status": 202, "type": "text/html"}, (202, "text/html", "ACK/Jasmin")),
        ({"body": ""}, (200, "text/plain", "")),
        ({}, (200, "application/json", '{"kept": true}')),
    ],
)
def test_a_generic_carrier_gets_the_configured_response(
    world: World, posting: Callable[..., Any], answer: Any, received: Any
) -> None:
    rules = {**GENERIC["receipts"], "answer": answer}  # type: ignore[dict-item]
    with world.rt.begin() as conn:
        carriers.save(conn, "ga", "generic", {**GENERIC, "receipts": rules})

    assert one(posting, "POST", "ga", b"id=1&status=OK", x_token="sesame") == received


def test_receipts_get_503_if_the_carrier_s_settings_are_invalid(world: World, posting: Callable[..., Any]) -> None:
    spoilt = {**GENERIC, "receipts": {**GENERIC["receipts"], "wings": 2}}  # type: ignore[dict-item]
    with world.rt.begin() as conn:
        conn.exec_driver_sql(
            "UPDATE carriers SET settings = %(settings)s::jsonb WHERE name = 'gn'", {"settings": json.dumps(spoilt)}
        )

    assert one(posting, "POST", "gn", b"id=1&status=OK", x_token="sesame")[0] == 503


def test_receipts_get_503_if_the_carrier_s_settings_cannot_be_decrypted(
    world: World, posting: Callable[..., Any]
) -> None:
    other = with_a_key(world).model_copy(update={"secret_key": SecretStr("another secret of these tests, long too")})
    with closing(Runtime(other)) as rt:
        set_carrier(rt, "tw", "twilio", TWILIO)
        set_carrier(rt, "ge", "generic", EACH)

    answers = [one(posting, "POST", path, b"{}", x_twilio_signature="x")[0] for path in ("tw", "ge", "gn", "nobody")]

    assert answers == [503, 503, 401, 401]


def test_receipts_of_a_carrier_with_encrypted_settings_are_accepted(world: World, posting: Callable[..., Any]) -> None:
    rules: dict[str, Any] = {**GENERIC["receipts"], "answer": {"body": "ACK", "status": 202}}  # type: ignore[dict-item]
    with closing(Runtime(with_a_key(world))) as rt:
        set_carrier(rt, "vg", "vonage", {**VONAGE, "home_country": "GB"})
        set_carrier(rt, "gn", "generic", {**GENERIC, "receipts": rules})
    stop = {"messageId": "0B1", "msisdn": "07400123126", "to": "8080", "text": "STOP"}

    received = [
        one(posting, "POST", "vg?token=sesame", json.dumps(stop).encode())[0],
        one(posting, "POST", "vg?token=other", json.dumps(stop).encode())[0],
        one(posting, "POST", "gn", b"id=7&status=OK", x_token="sesame")[::2],
    ]

    assert received == [200, 401, (202, "ACK")]
    assert world.rows("SELECT phone FROM inbound_messages") == ["+447400123126"]
    assert kept(world) == ["gn 7 delivered"]
    readable = "SELECT name FROM carriers WHERE name IN ('vg', 'gn') AND strpos(settings::text, 'sesame') > 0"
    assert world.rows(readable) == []
