"""Idempotent replays: whether an order with a known key or request id asks for the same as the stored request."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row

from pipeline.rules.api import idempotency
from pipeline.rules.identity import ids
from schema.message import Admission

_ASKED = """
SELECT id, account_id AS account, dialect, operation, class AS message_class, test, skips_opt_outs, recipients, send_at,
       valid_until, first_message, refusals
FROM requests WHERE id = ANY(%(ids)b)
"""
_MESSAGES = """
SELECT s.request_id, m.*
FROM unnest(%(requests)b::uuid[], %(firsts)b::uuid[], %(lasts)b::uuid[]) AS s (request_id, first_id, last_id)
CROSS JOIN LATERAL (
    SELECT id, phone, country, sender, body, correlation_id FROM messages
    WHERE id BETWEEN s.first_id AND s.last_id AND request_id = s.request_id OFFSET 0
) AS m
"""


def alike(conn: Connection, asked: Mapping[UUID, tuple[Admission, UUID]], *, at_any_time: bool = False) -> set[UUID]:
    """Return the ids of those that ask for the same messages as the earlier request given with each.

    Stored values are compared, so numbers, times and defaults may be written differently.
    `at_any_time` ignores differences in times.
    """
    rows = conn.exec_driver_sql(_ASKED, {"ids": [each for _, each in asked.values()]})
    earlier = {row.id: row for row in rows}
    likely = {
        id_: (admission, holder)
        for id_, (admission, holder) in asked.items()
        if holder in earlier
        and _terms(earlier[holder]) == _terms(admission)
        and (at_any_time or _times(earlier[holder]) == _times(admission))
    }
    written = _written(conn, {holder: earlier[holder] for _, holder in likely.values()})
    return {
        id_
        for id_, (admission, holder) in likely.items()
        if written[holder] == _requested(admission) and _places(earlier[holder].refusals) == _refused(admission)
    }


def _terms(asked: Admission | Row[Any]) -> tuple[Any, ...]:
    """Return what an admission, or a row of `_ASKED`, asks for without its times and messages."""
    return (
        asked.account,
        asked.dialect,
        asked.operation,
        str(asked.message_class),
        asked.test,
        asked.skips_opt_outs,
        asked.recipients,
    )


def _times(asked: Admission | Row[Any]) -> tuple[Any, Any]:
    return asked.send_at, asked.valid_until


def _requested(admission: Admission) -> dict[int, tuple[Any, ...]]:
    return {
        each.index: (each.phone, each.country, admission.sender, each.body, each.correlation_id)
        for each in admission.drafts
    }


def _written(conn: Connection, wanted: Mapping[UUID, Row[Any]]) -> dict[UUID, dict[int, tuple[Any, ...]]]:
    """Return request → place of the recipient → the message as written."""
    params = {
        "requests": list(wanted),
        "firsts": [row.first_message for row in wanted.values()],
        "lasts": [ids.after(row.first_message, max(row.recipients - 1, 0)) for row in wanted.values()],
    }
    found: defaultdict[UUID, dict[int, tuple[Any, ...]]] = defaultdict(dict)
    for request, message, *written_as in conn.exec_driver_sql(_MESSAGES, params) if wanted else ():
        found[request][message.int - wanted[request].first_message.int] = tuple(written_as)
    return found


def _places(refusals: Sequence[Mapping[str, Any]]) -> set[tuple[int | None, str]]:
    return {(each["index"], each["code"]) for each in refusals if each["code"] != idempotency.DUPLICATE_ID.code}


def _refused(admission: Admission) -> set[tuple[int | None, str]]:
    return {(each.index, str(each.code)) for each in admission.refusals}


_ORIGINALS = """
SELECT s.request_id, m.request_id
FROM unnest(%(requests)b::uuid[], %(firsts)b::uuid[], %(lasts)b::uuid[]) AS s (request_id, first_id, last_id)
CROSS JOIN LATERAL (SELECT request_id FROM messages WHERE id BETWEEN s.first_id AND s.last_id LIMIT 1) AS m
"""


def originals(conn: Connection, repeats: Sequence[tuple[UUID, UUID, int]]) -> dict[UUID, UUID]:
    """Return request → original request, for requests (id, first message, recipients) that only repeated one."""
    if not repeats:
        return {}
    requests, firsts, _ = map(list, zip(*repeats, strict=True))
    lasts = [ids.after(first, max(recipients - 1, 0)) for _, first, recipients in repeats]
    params = {"requests": requests, "firsts": firsts, "lasts": lasts}
    return dict(conn.exec_driver_sql(_ORIGINALS, params).all())
