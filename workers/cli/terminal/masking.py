"""How numbers are shown in lists: enough to tell them apart, not enough to call them."""

import binascii
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from workers.cli.terminal.table_layout import visible

#: of a number: what is left standing at its beginning and at its end
_HEAD, _TAIL = 5, 2


def masked(phone: str) -> str:
    """Return a number with its middle blotted out."""
    if len(phone) <= _HEAD + _TAIL:
        return "*" * len(phone)
    return phone[:_HEAD] + "*" * (len(phone) - _HEAD - _TAIL) + phone[-_TAIL:]


def all_masked(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return rows with their phones masked, and of their bodies the length only."""
    return [
        {**row, "phone": masked(row["phone"])} | ({"body": "*" * len(row["body"])} if "body" in row else {})
        for row in rows
    ]


#: fields of Celery's protocol, of kombu's envelope and of an order: they say how a message is built
_FIELDS = (
    "account|args|argsrepr|body|body_encoding|callbacks|chain|chord|class|compression|content-encoding|content-type|"
    "correlation_id|country|delivery_info|delivery_mode|delivery_tag|door|errbacks|eta|exchange|expires|group|headers|"
    "id|idempotency_key|kwargs|kwargsrepr|lang|merge|order|origin|parent_id|priority|properties|recipients|redelivered|"
    "reply_to|retries|root_id|routing_key|send_at|sender|shadow|skip_opt_outs|stamped_headers|stamps|submitted_at|task|"
    "taskset|template|test|timelimit|to|utc|valid_until"
)
_KEPT = re.compile(
    rf'\\?"(?:{_FIELDS})\\?"\s*:'
    r'|"sms\.[a-z]+"|"application/[a-z-]+"|"utf-8"|"base64"'
    r"|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\b(?:null|true|false)\b"
)


def masked_message(payload: bytes, *, reveal: bool) -> str:
    """Return a broker message as text, an envelope's body decoded; unless revealed, words are blotted out.

    What is left says how it is built: names of known fields, brackets, ids and lengths.
    """
    text = _spelt(payload)
    if reveal:
        return visible(text)
    kept = iter(_KEPT.findall(text))
    return visible("".join(re.sub(r"\w", "*", part) + next(kept, "") for part in _KEPT.split(text)))


def _spelt(payload: bytes) -> str:
    """Return the text of a message; of an envelope with its body in base64, the body as it reads."""
    text = payload.decode(errors="backslashreplace")
    try:
        envelope = json.loads(text)
        envelope["body"] = json.loads(binascii.a2b_base64(envelope["body"]))
        return json.dumps(envelope, ensure_ascii=False)
    except (ValueError, TypeError, LookupError, RecursionError):
        return text
