"""Every code has an error in every dialect, and every refusal has the vendor's format without internal details."""

import json
import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from pipeline.dialects.postroad import errors as postroad
from pipeline.dialects.registry import DIALECTS
from pipeline.dialects.robase import errors as robase
from pipeline.dialects.solaris import errors as solaris
from pipeline.dialects.telesign import errors as telesign
from pipeline.dialects.webex import errors as webex
from schema.api import ApiRequest
from schema.message import Refusal
from schema.vocabulary import Code
from tests.dialects.envelopes import MEDIA, is_refusal
from tests.dialects.vendors import Vendor
from workers.api.dispatch import ApiDispatcher

WORDS: dict[Vendor, dict[Code, Any]] = {
    Vendor.SOLARIS: solaris.ERRORS,
    Vendor.ROBASE: robase.ERRORS,
    Vendor.TELESIGN: telesign.ERRORS,
    Vendor.WEBEX: webex.ERRORS,
    Vendor.POSTROAD: postroad.ERRORS,
}
#: whether the vendor's own text stands for a code, whatever we would say of it
IS_FIXED: dict[Vendor, Callable[[Code], bool]] = {
    Vendor.SOLARIS: lambda code: bool(solaris.ERRORS[code].detail),
    Vendor.ROBASE: lambda code: robase.ERRORS[code][2] is not None,
    Vendor.TELESIGN: lambda _code: True,
    Vendor.WEBEX: lambda code: webex.ERRORS[code].message is not None,
    Vendor.POSTROAD: lambda code: postroad.ERRORS[code][0] >= 500,
}
#: what nobody outside may read
INTERNAL = "psycopg said 42P01 of +2348012345678"

each_dialect = pytest.mark.parametrize("dialect", list(Vendor))
each_code = pytest.mark.parametrize("code", list(Code))


def calls(dialect: Vendor) -> list[ApiRequest]:
    """Return one call of each operation, and one of none."""
    wanted = [(each.method, each.path) for each in ApiDispatcher(DIALECTS[dialect]).operations] + [
        ("GET", "/nowhere"),
        ("POST", "/"),
    ]
    return [
        ApiRequest(method, path, "", {}, b"{}", "127.0.0.1", at=datetime(2026, 11, 21, tzinfo=UTC), id=UUID(int=7))
        for method, path in wanted
    ]


@each_dialect
def test_every_code_has_an_error(dialect: Vendor) -> None:
    assert set(WORDS[dialect]) == set(Code)


@each_dialect
@each_code
def test_every_refusal_has_the_vendors_error_format(dialect: Vendor, code: Code) -> None:
    refusals = [Refusal(code, "a field has the wrong form", "recipients[3].to", 3), Refusal(Code.INVALID_FIELD, "so")]
    for call in calls(dialect):
        for wait in (0.0, 0.01, 7.3, math.inf):
            answer = DIALECTS[dialect].authentication.refuse(call, refusals[:1] if wait else refusals, wait)

            assert answer.headers["Content-Type"] == MEDIA[dialect]
            assert is_refusal(dialect, call.path, answer.status, json.loads(answer.body)), (call.path, answer)
            assert answer.headers.get("Retry-After", "1").isdecimal()


@each_dialect
@each_code
def test_the_vendors_text_replaces_the_text_of_the_refusal(dialect: Vendor, code: Code) -> None:
    if not IS_FIXED[dialect](code):
        return

    for call in calls(dialect):
        if dialect is Vendor.SOLARIS and solaris.is_token_call(call):
            continue
        answer = DIALECTS[dialect].authentication.refuse(call, [Refusal(code, INTERNAL, "recipients[3].to", 3)], 0)

        assert INTERNAL.encode() not in answer.body
        assert b"recipients" not in answer.body


@each_dialect
def test_internal_errors_disclose_no_details(dialect: Vendor) -> None:
    for call in calls(dialect):
        if dialect is Vendor.SOLARIS and solaris.is_token_call(call):
            continue  # RFC 6749 has words for few codes, none for their descriptions: what is told there is ours
        for code in (Code.INTERNAL, Code.UNAVAILABLE):
            answer = DIALECTS[dialect].authentication.refuse(call, [Refusal(code, INTERNAL)], 0)

            assert answer.status in (500, 503)
            assert is_refusal(dialect, call.path, answer.status, json.loads(answer.body))
            assert INTERNAL.encode() not in answer.body
