"""Where carriers post: each kind as it calls, believed only with its proof, and what handsets sent is kept too."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import Awaitable, Callable
from contextlib import closing
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import pytest
from aiohttp.test_utils import RawTestServer, TestClient

from pipeline.runtime import Runtime
from pipeline.store import carriers
from workers.gateway import Gateway

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


@pytest.fixture
def world(shared_world: Any) -> Any:
    """A world in which nobody has posted anything."""
    shared_world.rt.engine.dispose()  # a test before this one may have ended its connections
    shared_world.run("TRUNCATE receipts")
    shared_world.run("DELETE FROM inbound")
    return shared_world


@pytest.fixture
def posting(world: Any) -> Callable[..., Any]:
    """Runs a story with a client of a gateway that knows one carrier of each kind."""
    with world.rt.begin() as conn:
        for name, kind, settings in (
            ("tw", "twilio", TWILIO),
            ("vg", "vonage", VONAGE),
            ("tm", "termii", TERMII),
            ("ib", "infobip", INFOBIP),
            ("gn", "generic", GENERIC),
        ):
            carriers.save(conn, name, kind, settings)

    def run(story: Callable[[Client], Awaitable[Any]]) -> Any:
        async def main() -> Any:
            with closing(Gateway(Runtime(world.rt.settings))) as gateway:
                async with TestClient(RawTestServer(gateway.handle)) as client:
                    return await asyncio.wait_for(story(client), 60)

        return asyncio.run(main())

    return run


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


def kept(world: Any) -> list[Any]:
    found: list[Any] = world.rows("SELECT carrier || ' ' || carrier_ref || ' ' || verdict FROM receipts ORDER BY 1")
    return found


def test_a_signature_covers_the_url_as_it_is_seen_from_outside(world: Any, posting: Callable[..., Any]) -> None:
    body, mac = signed({"MessageSid": "SM5", "MessageStatus": "delivered"}, f"{OUTSIDE}/tw?ref={REF}")

    answer = one(posting, "POST", f"tw?ref={REF}", body, x_twilio_signature=mac)

    assert answer == (200, "text/xml", "<Response/>")
    assert kept(world) == ["tw SM5 delivered"]
    assert world.rows("SELECT ref FROM receipts") == [REF]


def test_the_same_signature_under_another_query_is_forged(world: Any, posting: Callable[..., Any]) -> None:
    body, mac = signed({"MessageSid": "SM5", "MessageStatus": "delivered"}, f"{OUTSIDE}/tw?ref={REF}")

    status, _, words = one(posting, "POST", "tw?ref=other", body, x_twilio_signature=mac)

    assert (status, "t0ken" in words, kept(world)) == (401, False, [])


def test_what_a_handset_sent_is_kept_before_its_carrier_hears_200(world: Any, posting: Callable[..., Any]) -> None:
    given = {"MessageSid": "SM9", "From": "+491701234567", "To": "+4915205550000", "Body": "STOP"}
    body, mac = signed(given, f"{OUTSIDE}/tw")

    answers = [one(posting, "POST", "tw", body, x_twilio_signature=mac)[0] for _ in range(2)]

    assert answers == [200, 200]
    assert world.rows("SELECT carrier || ' ' || phone || ' ' || body FROM inbound") == ["tw +491701234567 STOP"]


def test_a_kind_that_is_called_so_may_get(world: Any, posting: Callable[..., Any]) -> None:
    fields = {"messageId": "0A0", "status": "failed", "err-code": "8", "client-ref": str(REF), "token": "sesame"}

    answer = one(posting, "GET", f"vg?{urlencode(fields)}")

    assert answer[0] == 200
    assert kept(world) == ["vg 0A0 failed"]
    assert world.rows("SELECT retryable FROM receipts") == [True]


@pytest.mark.parametrize(
    ("method", "carrier", "status"),
    [("GET", "tw", 401), ("GET", "tm", 401), ("PUT", "vg", 405), ("DELETE", "gn", 405), ("PUT", "nobody", 405)],
)
def test_any_other_method_is_refused(posting: Callable[..., Any], method: str, carrier: str, status: int) -> None:
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
def test_what_proves_nothing_is_kept_nowhere(
    world: Any, posting: Callable[..., Any], carrier: str, body: bytes, status: int
) -> None:
    assert one(posting, "POST", carrier, body)[0] == status
    assert kept(world) == []


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_from_outside_a_carrier_that_is_not_there_looks_like_a_forged_receipt(
    posting: Callable[..., Any], caplog: pytest.LogCaptureFixture, method: str
) -> None:
    answers = {one(posting, method, carrier, b'{"id": "1"}') for carrier in ("tw", "tm", "gn", "nobody")}

    assert [status for status, _, _ in answers] == [401]
    assert "nobody" not in caplog.text
    assert [record.getMessage().split()[4] for record in caplog.records] == ["tw:", "tm:", "gn:"]


def test_what_cannot_be_read_says_so(world: Any, posting: Callable[..., Any]) -> None:
    assert one(posting, "POST", "gn", b"id=1&status=LOST", x_token="sesame")[0] == 400
    assert one(posting, "POST", "gn", b"\xff\xfe", x_token="sesame")[0] == 400
    odd = b'{"results": [{"messageId": "1", "status": {"groupId": [], "id": 1}}]}'
    assert one(posting, "POST", "ib?token=sesame", odd)[0] == 400
    assert kept(world) == []


def test_settings_that_no_longer_fit_lose_nothing(world: Any, posting: Callable[..., Any]) -> None:
    spoilt = {**GENERIC, "receipts": {**GENERIC["receipts"], "wings": 2}}  # type: ignore[dict-item]
    with world.rt.begin() as conn:
        conn.exec_driver_sql(
            "UPDATE carriers SET settings = %(settings)s::jsonb WHERE name = 'gn'", {"settings": json.dumps(spoilt)}
        )

    assert one(posting, "POST", "gn", b"id=1&status=OK", x_token="sesame")[0] == 503
