"""Recorded HTTP exchanges of vendors: responses as attempts, and posts (receipts, MO messages) as events."""

import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

from pipeline.carriers.http1 import HttpResponse
from schema.carriage import Attempt, Posted

#: our reference in every recorded exchange
REF = UUID("0193f0a0-0000-7000-8000-000000000001")


def answer(status: int, body: Any = b"", **headers: str) -> HttpResponse:
    """Return a response; a body that is not bytes becomes JSON."""
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HttpResponse(status, {name.replace("_", "-"): value for name, value in headers.items()}, text)


def judged(judge: Callable[[UUID, HttpResponse], Attempt], given: HttpResponse) -> tuple[str, str | None, str | None]:
    """Return outcome, code and the vendor's message id of a response."""
    attempt = judge(REF, given)
    assert attempt.ref == REF
    return attempt.outcome.value, attempt.code, attempt.carrier_ref


def posted(
    body: Any = b"", url: str = "https://sms.example/receipts/alpha", method: str = "", **headers: str
) -> Posted:
    """Return a vendor's request to us; a body that is not bytes becomes JSON."""
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-").lower(): value for name, value in headers.items()}
    return Posted(method or ("POST" if text else "GET"), url, named, text)
