"""Queries of accepted messages and of idempotency keys, for the responses of the APIs."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from schema.message import AcceptedMessage
from schema.vocabulary import Code, Encoding

#: (request, first message, last message, whether this repeats an earlier request)
Span = tuple[UUID, UUID, UUID, bool]

# of a repeated request the carrier may have changed since: the first attempt says which was chosen first;
# and later batches of a message that a carrier refused have no send_at
_WRITTEN = """
SELECT b.id, m.encoding, m.id, m.phone, m.country, m.sender, m.body, m.correlation_id, m.segments, m.amount, m.quota,
       CASE WHEN s.again THEN coalesce((SELECT p.carrier FROM provider_attempts AS p WHERE p.message_id = m.id
                                        AND p.n = 1), b.carrier) ELSE b.carrier END,
       CASE WHEN s.again THEN (SELECT r.send_at FROM requests AS r
                               WHERE r.id = s.request_id AND r.send_at > r.created_at) ELSE b.send_at END,
       b.valid_until, b.test, CASE WHEN m.status = 'rejected' THEN m.error_code END
FROM unnest(%(requests)b::uuid[], %(firsts)b::uuid[], %(lasts)b::uuid[], %(again)b::bool[])
     AS s (request_id, first_id, last_id, again)
CROSS JOIN LATERAL (
    SELECT * FROM messages WHERE id BETWEEN s.first_id AND s.last_id AND request_id = s.request_id ORDER BY id
) AS m
JOIN batches AS b ON b.id = m.batch_id
"""


def written(conn: Connection, spans: Sequence[Span]) -> tuple[dict[UUID, AcceptedMessage], list[UUID]]:
    """Return id → message for those of these spans that are measured, and the batches of the others."""
    if not spans:
        return {}, []
    params = dict(zip(("requests", "firsts", "lasts", "again"), map(list, zip(*spans, strict=True)), strict=True))
    rows = conn.exec_driver_sql(_WRITTEN, params)
    found: dict[UUID, AcceptedMessage] = {}
    unpaid: dict[UUID, None] = {}
    for batch, encoding, id_, phone, country, sender, body, correlation_id, *rest in rows:
        if encoding is None:
            unpaid[batch] = None
            continue
        segments, amount, quota, carrier, send_at, valid_until, test, refusal = rest
        found[id_] = AcceptedMessage(
            id_,
            phone,
            country,
            sender,
            body,
            correlation_id,
            Encoding(encoding),
            segments,
            amount,
            quota,
            carrier,
            send_at,
            valid_until,
            test,
            Code(refusal) if refusal else None,
        )
    return found, list(unpaid)


# OFFSET 0 forces a look-up by the whole key for each, which a planner without statistics may not choose
_HOLDERS = """
SELECT a.name, w.scope, w.key, i.request_id
FROM unnest(%(accounts)s::text[], %(scopes)s::text[], %(keys)s::text[]) AS w (account, scope, key)
JOIN accounts AS a ON a.name = w.account
CROSS JOIN LATERAL (
    SELECT request_id FROM idempotency_keys WHERE account_id = a.id AND scope = w.scope AND key = w.key OFFSET 0
) AS i
"""


def holders(conn: Connection, wanted: Sequence[tuple[Any, ...]]) -> dict[tuple[Any, ...], UUID]:
    """Return (account name, scope, key) → the request that used the key, for keys that were used."""
    accounts, scopes, keys = map(list, zip(*wanted, strict=True))
    rows = conn.exec_driver_sql(_HOLDERS, {"accounts": accounts, "scopes": scopes, "keys": keys})
    return {(account, scope, key): request for account, scope, key, request in rows}
