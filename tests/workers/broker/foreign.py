"""Broker messages of other producers: valid ones of all protocol versions, and malformed ones of all kinds."""

import base64
import json
import zlib
from typing import Any
from uuid import uuid4

ORDER = {"account": "acme", "sender": "ACME", "body": "Your ride", "recipients": [{"to": "+2348012345678"}]}

Envelope = dict[str, Any]


def encoded(value: Any) -> str:
    """Return a message body in the usual encoding."""
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.b64encode(raw).decode()


def protocol_2(id_: str, order: Any = ORDER, **headers: Any) -> Envelope:
    """Return an envelope of Celery's protocol 2 (Celery 4 and later)."""
    return {
        "body": encoded([[order], {}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}]),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {"lang": "py", "task": "sms.ingest", "id": id_, "root_id": id_, "retries": 0} | headers,
        "properties": {
            "correlation_id": id_,
            "reply_to": str(uuid4()),
            "delivery_mode": 2,
            "delivery_info": {"exchange": "", "routing_key": "ingest"},
            "priority": 0,
            "body_encoding": "base64",
            "delivery_tag": str(uuid4()),
        },
    }


def bare(id_: str, order: Any = ORDER, **fields: Any) -> Envelope:
    """Return a task of Celery's protocol 1, without an envelope."""
    return {
        "id": id_,
        "task": "sms.ingest",
        "args": [order],
        "kwargs": {},
        "retries": 0,
        "eta": None,
        "expires": None,
        "utc": True,
    } | fields


def protocol_1(id_: str, order: Any = ORDER, **fields: Any) -> Envelope:
    """Return an envelope of Celery's protocol 1."""
    return protocol_2(id_) | {"body": encoded(bare(id_, order, **fields)), "headers": {}}


def changed(envelope: Envelope, **fields: Any) -> Envelope:
    """Return an envelope with fields replaced; `None` is a value, `...` removes a field."""
    made = envelope | {name.replace("_", "-"): value for name, value in fields.items()}
    return {name: value for name, value in made.items() if value is not ...}


def with_properties(envelope: Envelope, **fields: Any) -> Envelope:
    """Return an envelope with properties replaced, as `changed` does."""
    made = envelope["properties"] | fields
    return envelope | {"properties": {name: value for name, value in made.items() if value is not ...}}


def nested(depth: int) -> str:
    """Return JSON with lists nested `depth` deep."""
    return "[" * depth + "]" * depth


ID = "01990000-0000-7000-8000-000000000000"

#: name → the item of the queue's list, the reason of its dead letter, and whether its id may be logged
MALFORMED: dict[str, tuple[bytes | Any, str, bool]] = {
    # invalid JSON or envelope
    "a letter": (b"x", "not_json", False),
    "nothing": (b"", "not_json", False),
    "bytes that are no UTF-8": (b"\xff\xfe\x00\x80" * 9, "not_json", False),
    "JSON cut off": (json.dumps(protocol_2(ID)).encode()[:-9], "not_json", False),
    "JSON in UTF-16": (json.dumps(protocol_2(ID)).encode("utf-16"), "not_json", False),
    "a number of 5,000 digits": (b"9" * 5000, "not_json", False),
    "null": (None, "no_envelope", False),
    "a number": (7, "no_envelope", False),
    "a list": ([ORDER], "no_envelope", False),
    "an order": (ORDER, "no_envelope", False),
    "100,000 lists in each other": (nested(100_000).encode(), "too_deep", False),
    "33 lists in each other": (nested(33).encode(), "too_deep", False),
    "33 MB": (b'"' + b"x" * (33 << 20) + b'"', "too_large", False),
    "protocol 1 without an envelope": (bare(ID, eta=""), "no_envelope", True),
    "an envelope without a body": (changed(protocol_2(ID), body=...), "no_envelope", True),
    "an object for a body": (changed(protocol_2(ID), body={"a": 1}), "no_envelope", True),
    "a number for a body": (changed(protocol_2(ID), body=7), "no_envelope", True),
    "no properties": (changed(protocol_2(ID), properties=...), "no_envelope", True),
    "a list for properties": (changed(protocol_2(ID), properties=[]), "no_envelope", True),
    "an unknown body encoding": (with_properties(protocol_2(ID), body_encoding="rot13"), "properties", True),
    "a list for a body encoding": (with_properties(protocol_2(ID), body_encoding=["base64"]), "properties", True),
    "a body that is not base64": (changed(protocol_2(ID), body="x"), "properties", True),
    "a list for headers": (changed(protocol_2(ID), headers=[["task", "sms.ingest"]]), "headers", False),
    "a text for headers": (changed(protocol_2(ID), headers="task"), "headers", False),
    # decoded by kombu
    "pickle": (changed(protocol_2(ID), content_type="application/x-python-serialize"), "content_type", True),
    "YAML": (changed(protocol_2(ID), content_type="application/x-yaml"), "content_type", True),
    "a number for a content type": (changed(protocol_2(ID), content_type=7), "content_type", True),
    "no content type": (changed(protocol_2(ID), content_type=...), "content_type", True),
    "an unknown content encoding": (changed(protocol_2(ID), content_encoding="ebcdic"), "content_type", True),
    "an object for a content encoding": (changed(protocol_2(ID), content_encoding={}), "content_type", True),
    "an unknown compression": (protocol_2(ID, compression="application/x-zoo"), "compression", True),
    "a list for a compression": (protocol_2(ID, compression=["application/x-gzip"]), "compression", True),
    "a compression that it has not": (protocol_2(ID, compression="application/x-gzip"), "compression", True),
    "33 MB of blanks, compressed": (
        changed(protocol_2(ID, compression="application/x-gzip"), body=encoded(zlib.compress(b" " * (33 << 20)))),
        "too_large",
        True,
    ),
    # the task's body
    "an empty body": (changed(protocol_2(ID), body=""), "not_json", True),
    "a body that is no JSON": (changed(protocol_2(ID), body=encoded(b"{")), "not_json", True),
    "a body that is no UTF-8": (changed(protocol_2(ID), body=encoded(b"\xff")), "not_json", True),
    "a deep body": (changed(protocol_2(ID), body=encoded(nested(50_000).encode())), "too_deep", True),
    "a body of less depth": (changed(protocol_2(ID), body=encoded(nested(500).encode())), "too_deep", True),
    "an order deep in itself": (protocol_2(ID, json.loads(nested(200))), "too_deep", True),
    "the order itself for a body": (changed(protocol_2(ID), body=encoded(ORDER)), "body", True),
    "two parts of three": (changed(protocol_2(ID), body=encoded([[ORDER], {}])), "body", True),
    "a text for the third part": (changed(protocol_2(ID), body=encoded([[ORDER], {}, "x"])), "body", True),
    "null for a body": (changed(protocol_2(ID), body=encoded(None)), "body", True),
    "no task": (changed(protocol_2(ID), headers={"id": ID}), "no_task", True),
    "null for a task": (protocol_2(ID, task=None), "no_task", True),
    "an object for a task": (protocol_2(ID, task={"sms": "ingest"}), "no_task", True),
    "a task that is none": (protocol_2(ID, task="sms.ingets"), "unknown_task", True),
    "a task of Celery's": (protocol_2(ID, task="celery.chord_unlock"), "unknown_task", True),
    "another task in the body": (
        changed(protocol_1(ID, task="sms.maintenance"), headers={"task": "sms.ingest"}),
        "no_task",
        True,
    ),
    "null for an id": (protocol_2(ID, id=None), "task_id", False),
    "a number for an id": (protocol_2(ID, id=2348012345678), "task_id", False),
    "a list for an id": (protocol_2(ID, id=[ID]), "task_id", False),
    "an empty id": (protocol_2(ID, id=""), "task_id", False),
    "an id of 256 characters": (protocol_2("x" * 256), "task_id", False),
    "an id with a line end": (protocol_2("a\nb"), "task_id", False),
    "an id with half a surrogate pair": (protocol_2("\ud800"), "task_id", False),
    "an object for the arguments": (changed(protocol_2(ID), body=encoded([ORDER, {}, {}])), "arguments", True),
    "a text for the arguments": (changed(protocol_2(ID), body=encoded(["x", {}, {}])), "arguments", True),
    "two orders": (changed(protocol_2(ID), body=encoded([[ORDER, ORDER], {}, {}])), "arguments", True),
    "null for the named arguments": (changed(protocol_2(ID), body=encoded([[ORDER], None, {}])), "arguments", True),
    "a list for the named arguments": (changed(protocol_2(ID), body=encoded([[ORDER], [], {}])), "arguments", True),
    "the order's fields by name": (changed(protocol_2(ID), body=encoded([[], ORDER, {}])), "arguments", True),
    "null for protocol 1's arguments": (protocol_1(ID, args=None), "arguments", True),
    "a text to bill": (protocol_2(ID, task="sms.bill"), "arguments", True),
    "a message of no parts to bill": (
        changed(protocol_2(ID, task="sms.bill"), body=encoded([[ID, [1, 0]], {}, {}])),
        "arguments",
        True,
    ),
    "an order to deliver": (protocol_2(ID, task="sms.deliver"), "arguments", True),
    # times
    "an empty eta": (protocol_1(ID, eta=""), "not_now", True),
    "an eta in words": (protocol_2(ID, eta="soon"), "not_now", True),
    "a number for an eta": (protocol_2(ID, eta=1e300), "not_now", True),
    "a list for an eta": (protocol_2(ID, eta=["2030-01-01T00:00:00"]), "not_now", True),
    "an eta far ahead": (protocol_2(ID, eta="9999-12-31T23:59:59-12:00"), "not_now", True),
    "an eta in the year 10000": (protocol_2(ID, eta="10000-01-01T00:00:00Z"), "not_now", True),
    "an empty expiry": (protocol_2(ID, expires=""), "expires", True),
    "an expiry in words": (protocol_1(ID, expires="never"), "expires", True),
    "a number for an expiry": (protocol_2(ID, expires=60), "expires", True),
    "an object for an expiry": (protocol_2(ID, expires={"a": 1}), "expires", True),
}

#: name → a function that returns a valid message's envelope for an id
GOOD: dict[str, Any] = {
    "protocol 2": protocol_2,
    "protocol 1": protocol_1,
    "protocol 1 with a task in the headers": lambda id_: changed(
        protocol_1(id_), headers={"task": "sms.ingest", "id": id_}
    ),
    "an order by name": lambda id_: changed(protocol_2(id_), body=encoded([[], {"order": ORDER}, None])),
    "compressed": lambda id_: changed(
        protocol_2(id_, compression="application/x-gzip"),
        body=encoded(zlib.compress(json.dumps([[ORDER], {}, {}]).encode())),
    ),
    "a body that is not encoded": lambda id_: changed(
        with_properties(protocol_2(id_), body_encoding=...), body=json.dumps([[ORDER], {}, {}])
    ),
    "the least that is needed": lambda id_: {
        "body": encoded([[ORDER], {}, {}]),
        "content-type": "application/json",
        "headers": {"task": "sms.ingest", "id": id_},
        "properties": {"body_encoding": "base64"},
    },
    "an eta that is over": lambda id_: protocol_2(id_, eta="2020-01-01T00:00:00"),
    "an expiry ahead": lambda id_: protocol_2(id_, expires="2999-01-01T00:00:00+00:00"),
    "no delivery tag": lambda id_: with_properties(protocol_2(id_), delivery_tag=...),
    "an object for a delivery tag": lambda id_: with_properties(protocol_2(id_), delivery_tag={"a": 1}),
    "no delivery info": lambda id_: with_properties(protocol_2(id_), delivery_info=...),
    "a text for delivery info": lambda id_: with_properties(protocol_2(id_), delivery_info="ingest"),
    "a list for the priority": lambda id_: with_properties(protocol_2(id_), priority=[9]),
    "junk for redelivered": lambda id_: with_properties(protocol_2(id_), delivery_info={"redelivered": {"a": 1}}),
    "retries without end": lambda id_: protocol_2(id_, retries=10**300),
    "a text for the retries": lambda id_: protocol_2(id_, retries="many"),
    "a time limit of nothing": lambda id_: protocol_2(id_, timelimit=[0, -1]),
    "a text for the time limit": lambda id_: protocol_2(id_, timelimit="x"),
    "another name": lambda id_: protocol_2(id_, shadow={"a": 1}),
    "an object for utc": lambda id_: protocol_1(id_, utc={}),
    "a text for the group": lambda id_: protocol_2(id_, group=7, group_index="x", root_id=[], parent_id={}),
    "stamps that are none": lambda id_: protocol_2(id_, stamped_headers=7, stamps=[1]),
    "a result that is asked for": lambda id_: protocol_2(id_, ignore_result=False, replaced_task_nesting="x"),
    "callbacks, errbacks, a chain and a chord": lambda id_: changed(
        protocol_2(id_),
        body=encoded(
            [
                [ORDER],
                {},
                {key: [{"task": "sms.maintenance"}] for key in ("callbacks", "errbacks", "chain")} | {"chord": 7},
            ]
        ),
    ),
    "a third part that says who it is": lambda id_: changed(
        protocol_2(id_), body=encoded([[ORDER], {}, {"id": "x", "args": [], "delivery_info": 7, "hostname": {}}])
    ),
    "headers nobody knows": lambda id_: protocol_2(id_, **{"x" * 999: {"a": [1]}, "": None}),
}
