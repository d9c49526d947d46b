"""Parses the JSON envelope in which kombu's Redis transport stores a message."""

import base64
import binascii
import os
from typing import Any

from workers.broker.bounded_json import parse
from workers.broker.compression import unpacked
from workers.broker.rejections import Malformed, Reason

Envelope = dict[str, Any]


def opened(item: bytes, queue: str) -> Envelope:
    """Return the envelope of a list item, with properties that we set; Malformed when it is not one.

    The delivery tag is new, because two messages must not share one, and a message that is requeued goes to the queue
    it came from, whatever its properties say.
    """
    return checked(parse(item), queue)


def checked(envelope: Any, queue: str) -> Envelope:
    """Return a parsed envelope, checked and completed as `opened` does."""
    if not isinstance(envelope, dict):
        raise Malformed(Reason.NO_ENVELOPE)
    headers = {} if envelope.get("headers") is None else envelope["headers"]
    known = headers.get("id") if isinstance(headers, dict) else None
    try:
        return _checked(envelope, headers, queue)
    except Malformed as fault:
        raise Malformed(fault.reason, known or envelope.get("id")) from None


def body_of(envelope: Envelope) -> bytes:
    """Return the bytes of an envelope's body."""
    return _decoded(envelope["body"], envelope["properties"]["body_encoding"])


def _checked(envelope: dict[Any, Any], headers: Any, queue: str) -> Envelope:
    body, properties = envelope.get("body"), envelope.get("properties")
    if not isinstance(body, str) or not isinstance(properties, dict):
        raise Malformed(Reason.NO_ENVELOPE)
    if not isinstance(headers, dict):
        raise Malformed(Reason.HEADERS)
    kept = dict(headers)
    raw = _decoded(body, properties.get("body_encoding"))
    if (compression := kept.pop("compression", None)) is not None:
        raw = unpacked(raw, compression)
        body = base64.b64encode(raw).decode()
        properties = properties | {"body_encoding": "base64"}
    return {
        "body": body,
        "content-type": envelope.get("content-type"),
        "content-encoding": envelope.get("content-encoding"),
        "headers": kept,
        "properties": _properties(properties, queue),
    }


def _decoded(body: str, encoding: object) -> bytes:
    """Return the body's bytes as kombu will decode them."""
    try:
        if encoding == "base64":
            return binascii.a2b_base64(body)
        if encoding is None or encoding == "utf-8":
            return body.encode()
    except ValueError:  # not base64, or an unpaired surrogate
        pass
    raise Malformed(Reason.PROPERTIES)


def _properties(given: dict[Any, Any], queue: str) -> dict[str, Any]:
    info = given.get("delivery_info")
    redelivered = isinstance(info, dict) and info.get("redelivered") is True
    return {
        "body_encoding": given.get("body_encoding"),
        "delivery_tag": os.urandom(16).hex(),
        "delivery_info": {"exchange": "", "routing_key": queue, "redelivered": redelivered},
        "delivery_mode": 2,
        "priority": 0,
    }
