"""Matches receipts whose message id is spelled differently (hex, decimal, zeros) than in the submit response."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection

from pipeline.rules.identity import message_id_forms
from pipeline.rules.identity.ids import lowest
from pipeline.store.receipts import ReceiptKey

#: seconds after which a receipt's attempt is certainly written, and after which no more matching is tried
SETTLED, LATE = 30, 3600
#: the greatest age of a matching message
_RECENT = timedelta(days=2)

_STRAY = """
SELECT id, carrier_ref FROM receipts
WHERE id = ANY(%(ids)b) AND carrier_ref IS NOT NULL
  AND received_at BETWEEN now() - %(late)s * interval '1 second' AND now() - %(settled)s * interval '1 second'
"""
#: an id that other receipts use as it was given is excluded; their keys contain the original spelling
_MATCH_SPELLINGS = """
UPDATE receipts AS r SET carrier_ref = found.spelling, due_at = now()
FROM (
    SELECT o.id, min(s.spelling) AS spelling
    FROM unnest(%(ids)b::uuid[], %(spellings)b::text[]) AS s (id, spelling)
    JOIN receipts AS o ON o.id = s.id
    CROSS JOIN LATERAL (
        SELECT message_id FROM provider_attempts AS a
        WHERE a.carrier_ref = s.spelling AND a.carrier = o.carrier AND a.outcome = 'accepted'
          AND a.message_id >= %(since)s AND a.marked_at <= o.received_at
        UNION SELECT message_id FROM parts AS p
        WHERE p.carrier_ref = s.spelling AND p.carrier = o.carrier
          AND p.message_id >= %(since)s
        OFFSET 0
    ) AS known
    WHERE NOT EXISTS (SELECT FROM receipts AS e WHERE e.carrier_ref = s.spelling AND e.carrier = o.carrier
                      AND starts_with(e.key, s.spelling || '/') OFFSET 0)
    GROUP BY o.id HAVING count(DISTINCT s.spelling) = 1
) AS found
WHERE r.id = found.id
RETURNING r.id
"""


def match_spellings(conn: Connection, strays: Collection[ReceiptKey], now: datetime) -> set[UUID]:
    """Set the carrier_ref of locked, unmatched receipts to another spelling that exactly one message has.

    Returns the changed receipts, which are to be matched again.
    """
    if not strays:
        return set()
    old = conn.exec_driver_sql(_STRAY, {"ids": list(strays), "late": LATE, "settled": SETTLED})
    pairs = [(id_, each) for id_, carrier_ref in old for each in sorted(message_id_forms.others(carrier_ref))]
    if not pairs:
        return set()
    params = {
        "ids": [id_ for id_, _ in pairs],
        "spellings": [each for _, each in pairs],
        "since": lowest(now - _RECENT),
    }
    return set(conn.exec_driver_sql(_MATCH_SPELLINGS, params).scalars())


_DIFFERING = """
SELECT s.carrier FROM unnest(%(carriers)b::text[]) AS s (carrier)
WHERE EXISTS (SELECT FROM receipts AS r WHERE r.state = 'waiting' AND r.carrier_ref IS NOT NULL
              AND r.carrier = s.carrier)
"""
_NAMED_BY_RECEIPTS = """
SELECT s.message FROM unnest(%(messages)b::uuid[], %(carriers)b::text[], %(spellings)b::text[])
     AS s (message, carrier, spelling)
WHERE EXISTS (SELECT FROM receipts AS r WHERE r.carrier_ref = s.spelling AND r.carrier = s.carrier
              AND r.state = 'waiting' OFFSET 0)
"""
#: messages per query
_PORTION = 500


def named_by_receipts(conn: Connection, taken: Sequence[tuple[UUID, str, str]]) -> set[UUID]:
    """Return the messages whose id a waiting receipt has in another spelling; `taken` is (id, carrier, carrier_ref)."""
    carriers = sorted({carrier for _, carrier, _ in taken})
    strange = set(conn.exec_driver_sql(_DIFFERING, {"carriers": carriers}).scalars()) if carriers else ()
    among = [(id_, carrier, carrier_ref) for id_, carrier, carrier_ref in taken if carrier in strange]
    found: set[UUID] = set()
    for at in range(0, len(among), _PORTION):
        rows = [
            (id_, name, each) for id_, name, ref in among[at : at + _PORTION] for each in message_id_forms.others(ref)
        ]
        columns = dict(zip(("messages", "carriers", "spellings"), map(list, zip(*rows, strict=True)), strict=False))
        found |= set(conn.exec_driver_sql(_NAMED_BY_RECEIPTS, columns).scalars()) if rows else set()
    return found


_ASSIGNED = """
SELECT DISTINCT s.place FROM unnest(%(places)b::int4[], %(carriers)b::text[], %(spellings)b::text[])
     AS s (place, carrier, spelling)
WHERE EXISTS (SELECT FROM provider_attempts AS a WHERE a.carrier_ref = s.spelling AND a.carrier = s.carrier
              AND a.message_id >= %(since)s OFFSET 0)
"""


def assigned(conn: Connection, named: Sequence[tuple[str, str | None]], now: datetime) -> set[int]:
    """Return the places of the (carrier, reference) pairs that match an attempt in another spelling."""
    rows = [(at, name, each) for at, (name, ref) in enumerate(named) if ref for each in message_id_forms.others(ref)]
    if not rows:
        return set()
    columns = dict(zip(("places", "carriers", "spellings"), map(list, zip(*rows, strict=True)), strict=True))
    return set(conn.exec_driver_sql(_ASSIGNED, {**columns, "since": lowest(now - _RECENT)}).scalars())
