"""Masks phone numbers and texts in output."""

import binascii
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from pipeline.stages.campaigns.results import masked_number
from workers.cli.terminal.table_layout import visible


def all_masked(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return rows with masked phone numbers and bodies."""
    return [
        {**row, "phone": masked_number(row["phone"])} | ({"body": "*" * len(row["body"])} if "body" in row else {})
        for row in rows
    ]


#: field names of Celery's protocol, of kombu's envelope and of an order, which are not masked
_FIELDS = (
    "account|args|argsrepr|body|body_encoding|callbacks|campaign|chain|chord|class|compression|content-encoding|"
    "content-type|"
    "correlation_id|country|delivery_info|delivery_mode|delivery_tag|door|errbacks|eta|exchange|expires|group|headers|"
    "id|idempotency_key|kwargs|kwargsrepr|lang|merge|order|origin|parent_id|priority|properties|recipients|redelivered|"
    "reply_to|retries|root_id|routing_key|send_at|sender|shadow|skip_opt_outs|stamped_headers|stamps|submitted_at|task|"
    "taskset|template|test|timelimit|to|utc|valid_until"
)
_KEPT = re.compile(
    rf'\\?"(?:{_FIELDS})\\?"\s*:'
    r'|"sms\.[a-z.]+"|"application/[a-z-]+"|"utf-8"|"base64"'
    r"|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\b(?:null|true|false)\b"
)


#: digits that may be a phone number: all but the first four
_DIGITS = re.compile(rb"(?<=[0-9]{4})[0-9]")


def masked_digits(payload: bytes) -> bytes:
    """Return what a carrier sent with dots in place of the digits that may be a phone number."""
    return _DIGITS.sub(b".", payload)


def masked_message(payload: bytes, *, reveal: bool) -> str:
    """Return a broker message as text, an envelope's body decoded; values are masked unless revealed.

    Its structure stays visible: names of known fields, brackets, ids and lengths.
    """
    text = _spelt(payload)
    if reveal:
        return visible(text)
    kept = iter(_KEPT.findall(text))
    return visible("".join(re.sub(r"\w", "*", part) + next(kept, "") for part in _KEPT.split(text)))


def _spelt(payload: bytes) -> str:
    """Return the text of a message; a base64 body in an envelope is decoded."""
    text = payload.decode(errors="backslashreplace")
    try:
        envelope = json.loads(text)
        envelope["body"] = json.loads(binascii.a2b_base64(envelope["body"]))
        return json.dumps(envelope, ensure_ascii=False)
    except (ValueError, TypeError, LookupError, RecursionError):
        return text
