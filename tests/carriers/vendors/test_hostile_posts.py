"""Parsing an authenticated post never raises: unreadable content becomes a dead letter."""

import json
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.carriers.registry import KINDS, receipt_reader
from schema.carriage import CarrierEvents, Posted

SETTINGS: dict[str, dict[str, Any]] = {
    "africas_talking": {"receipts": "open"},
    "generic": {
        "receipts": {
            "each": "results",
            "carrier_ref": "id",
            "status": "status",
            "at": "at",
            "statuses": {"OK": "delivered"},
            "inbound": {"id": "id", "from": "from", "to": "to", "text": "text", "at": "at"},
            "proof": {"header": "x-token", "secret": "s"},
        }
    },
    "http": {},
    "infobip": {"receipts": "open"},
    "termii": {"receipts": "open"},
    "vonage": {"receipts": "open"},
}
FIELDS = [
    "id",
    "ref",
    "status",
    "text",
    "at",
    "from",
    "to",
    "results",
    "messageId",
    "message_id",
    "type",
    "messageStatus",
    "msisdn",
    "err-code",
    "scts",
    "concat",
    "concat-part",
    "groupId",
    "error",
    "permanent",
    "doneAt",
    "receivedAt",
    "senderId",
    "phoneNumber",
    "failureReason",
    "client-ref",
    "callbackData",
    "sent_at",
    "receiver",
    "sender",
]
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["delivered", "0", "3", "2311142213", "14/11/2023 22:13", "inbound", "true", "49170" * 3])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=6),
    max_leaves=12,
)


def read(kind: str, body: bytes) -> CarrierEvents:
    posted = Posted("POST", "https://sms.example/receipts/alpha", {"x-token": "s"}, body)
    return receipt_reader(kind)("alpha", SETTINGS[kind], posted)


def test_every_carrier_kind_whose_receipts_need_no_signature_is_tested() -> None:
    assert set(SETTINGS) == {name for name, kind in KINDS.items() if kind.receipts} - {"twilio"}


@pytest.mark.parametrize("kind", SETTINGS)
@given(value=VALUES)
def test_parsing_any_json_post_raises_no_exception(kind: str, value: Any) -> None:
    events = read(kind, json.dumps({"results": value} if kind in ("infobip", "generic") else value).encode())

    assert all(each.payload for each in events.dead)
    assert all(receipt.raw.isascii() for receipt in events.receipts)


@pytest.mark.parametrize("kind", SETTINGS)
@given(body=st.binary(max_size=64) | st.dictionaries(st.sampled_from(FIELDS), st.text(max_size=8)).map(urlencode))
def test_parsing_any_octets_raises_no_exception(kind: str, body: bytes | str) -> None:
    read(kind, body if isinstance(body, bytes) else body.encode())
