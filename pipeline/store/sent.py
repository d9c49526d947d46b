"""Messages that a carrier has, or may have, and that may have to be given to one once more."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from pipeline.store.messages import Span
from schema.carriage import Parcel
from schema.vocabulary import Encoding, MessageClass, Outcome


@dataclass(frozen=True, slots=True)
class Sent:
    """One message of which nothing final is known, with all that was tried."""

    id: UUID
    account: int
    message_class: MessageClass
    valid_until: datetime
    phone: str
    country: str
    sender: str
    encoding: Encoding
    segments: int
    #: the account wants events
    subscribes: bool
    #: how many attempts there were, and how often it was sent once more already
    tries: int
    resends: int
    #: carriers that were tried, the last last
    tried: tuple[str, ...]
    #: what became of the last attempt
    outcome: Outcome
    #: its text is there still
    is_whole: bool


_SENT = """
SELECT m.id, m.account_id, b.class, b.valid_until, m.phone, m.country, m.sender, m.encoding, m.segments, subscribes,
       tries, resends, tried, outcome, b.class <> 'otp' OR m.body <> repeat('*', length(m.body))
FROM messages AS m
JOIN batches AS b ON b.id = m.batch_id
JOIN accounts AS account ON account.id = m.account_id AND account.state = 'active'
CROSS JOIN LATERAL (
    SELECT max(a.n) AS tries, count(*) FILTER (WHERE made.again IS NOT NULL) AS resends,
           array_agg(a.carrier ORDER BY a.n) AS tried, (array_agg(a.outcome ORDER BY a.n DESC))[1] AS outcome
    FROM provider_attempts AS a JOIN batches AS made ON made.id = a.batch_id WHERE a.message_id = m.id
) AS a
WHERE m.id = ANY(%(ids)b) AND m.status = 'sent' AND NOT b.test AND (b.again IS NULL OR b.status = 'done')
ORDER BY m.id FOR UPDATE OF m
"""


def of(conn: Connection, ids: Sequence[UUID]) -> list[Sent]:
    """Return and lock those of the messages that are sent and not being sent once more just now, by id."""
    if not ids:
        return []
    rows = conn.exec_driver_sql(_SENT, {"ids": list(ids)})
    return [_sent(*row) for row in rows]


def _sent(id_: UUID, account: int, kind: str, valid_until: datetime, *row: Any) -> Sent:
    phone, country, sender, encoding, segments, subscribes, tries, resends, tried, outcome, is_whole = row
    return Sent(
        id=id_,
        account=account,
        message_class=MessageClass(kind),
        valid_until=valid_until,
        phone=phone,
        country=country,
        sender=sender,
        encoding=Encoding(encoding),
        segments=segments,
        subscribes=subscribes,
        tries=tries,
        resends=resends,
        tried=tuple(tried),
        outcome=Outcome(outcome),
        is_whole=is_whole,
    )


# Doubts --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Doubt:
    """An attempt that was left unknown, and of which nothing was made yet."""

    message: UUID
    n: int
    carrier: str
    message_class: MessageClass
    #: seconds since its bytes may have gone out
    age: float
    #: seconds until its message is worth nothing any more
    left: float
    carrier_ref: str | None
    #: what a worker said that had lost its claim; None: nothing
    late: Outcome | None


_DOUBTS = """
SELECT a.message_id, a.n, a.carrier, b.class, extract(epoch FROM now() - a.marked_at)::float8,
       extract(epoch FROM b.valid_until - now())::float8, a.carrier_ref, a.late_outcome
FROM provider_attempts AS a JOIN messages AS m ON m.id = a.message_id JOIN batches AS b ON b.id = a.batch_id
WHERE a.outcome = 'unknown' AND a.resolved_at IS NULL AND NOT b.test
  AND (a.asked_at IS NULL OR a.asked_at < now() - interval '5 seconds' * power(2, least(a.asks, 8)))
ORDER BY a.marked_at LIMIT %(limit)s FOR UPDATE OF a SKIP LOCKED
"""


def doubts(conn: Connection, limit: int) -> list[Doubt]:
    """Return and lock unknown attempts of which nothing was made yet, the oldest first."""
    return [
        Doubt(row[0], row[1], row[2], MessageClass(row[3]), row[4], row[5], row[6], row[7] and Outcome(row[7]))
        for row in conn.exec_driver_sql(_DOUBTS, {"limit": limit})
    ]


_PUT_OFF = """
UPDATE provider_attempts AS a SET asked_at = now(), asks = asks + %(asks)s
FROM unnest(%(messages)b::uuid[], %(n)b::int2[]) AS d (message_id, n)
WHERE a.message_id = d.message_id AND a.n = d.n
"""
_RESOLVE = """
UPDATE provider_attempts AS a SET resolved_at = now()
FROM unnest(%(messages)b::uuid[], %(n)b::int2[]) AS d (message_id, n)
WHERE a.message_id = d.message_id AND a.n = d.n
"""


def put_off(conn: Connection, doubts: Sequence[Doubt], *, asked: bool = False) -> None:
    """Look at doubts again later: ever later, where their carrier is asked meanwhile."""
    _write(conn, _PUT_OFF, doubts, asks=int(asked))


def resolve(conn: Connection, doubts: Sequence[Doubt]) -> None:
    """Note that something was made of doubts, or that nothing will be."""
    _write(conn, _RESOLVE, doubts)


def _write(conn: Connection, statement: str, doubts: Sequence[Doubt], **more: int) -> None:
    if doubts:
        params = {"messages": [each.message for each in doubts], "n": [each.n for each in doubts]}
        conn.exec_driver_sql(statement, params | more)


_ASKED = """
SELECT a.message_id, m.phone, m.sender, m.body, m.encoding, m.segments, b.class, b.valid_until, m.country, a.carrier_ref
FROM provider_attempts AS a JOIN messages AS m ON m.id = a.message_id JOIN batches AS b ON b.id = a.batch_id
WHERE a.message_id = ANY(%(ids)b) AND a.carrier = %(carrier)s AND a.outcome = 'unknown' AND a.resolved_at IS NULL
"""


def asked(conn: Connection, carrier: str, messages: Sequence[UUID]) -> list[tuple[Parcel, str | None]]:
    """Return messages with an unknown attempt at that carrier, as it was given them, and its reference if any."""
    rows = conn.exec_driver_sql(_ASKED, {"ids": list(messages), "carrier": carrier})
    return [(_parcel(*row[:9]), row[9]) for row in rows]


def _parcel(ref: UUID, to: str, sender: str, body: str, encoding: str, *row: Any) -> Parcel:
    segments, kind, valid_until, country = row
    return Parcel(ref, to, sender, body, Encoding(encoding), segments, MessageClass(kind), valid_until, country)


_ANSWER = """
UPDATE provider_attempts AS a
SET late_outcome = w.outcome, late_at = now(), carrier_ref = coalesce(a.carrier_ref, w.carrier_ref)
FROM unnest(%(messages)b::uuid[], %(carrier)b::text[], %(outcomes)b::text[], %(refs)b::text[])
     AS w (message_id, carrier, outcome, carrier_ref)
WHERE a.message_id = w.message_id AND a.carrier = w.carrier AND a.outcome = 'unknown' AND a.resolved_at IS NULL
"""


def answer(conn: Connection, carrier: str, answers: Sequence[tuple[UUID, Outcome, str | None]]) -> None:
    """Keep what a carrier that was asked says of unknown attempts of its own: (message, outcome, its reference)."""
    if answers:
        params = {
            "messages": [message for message, _, _ in answers],
            "carrier": [carrier] * len(answers),
            "outcomes": [str(outcome) for _, outcome, _ in answers],
            "refs": [ref for _, _, ref in answers],
        }
        conn.exec_driver_sql(_ANSWER, params)


# Silences ------------------------------------------------------------------------------------------------------

_UNWATCHED = """
UPDATE batches AS b SET watched = true
FROM (
    SELECT w.id, w.done_at < now() - c.receipt_seconds * interval '1 second' AND w.valid_until > now() AS is_silent
    FROM batches AS w LEFT JOIN carriers AS c ON c.name = w.carrier
    WHERE w.status = 'done' AND w.class <> 'bulk' AND NOT w.watched AND NOT w.test
      AND (w.done_at < now() - c.receipt_seconds * interval '1 second' OR w.valid_until < now())
    ORDER BY w.done_at LIMIT %(limit)s FOR UPDATE OF w SKIP LOCKED
) AS due
WHERE b.id = due.id
RETURNING b.id, b.first_id, b.last_id, coalesce(is_silent, false)
"""


def unwatched(conn: Connection, limit: int) -> tuple[list[Span], list[Span]]:
    """Return and mark batches to look at once: those whose carrier should have reported by now, and all of them."""
    rows = conn.exec_driver_sql(_UNWATCHED, {"limit": limit}).all()
    return [Span(*row[:3]) for row in rows if row[3]], [Span(*row[:3]) for row in rows]


_UNHEARD = """
SELECT m.id
FROM unnest(%(batches)b::uuid[], %(firsts)b::uuid[], %(lasts)b::uuid[]) AS s (batch_id, first_id, last_id)
JOIN messages AS m ON m.id BETWEEN s.first_id AND s.last_id AND m.batch_id = s.batch_id AND m.status = 'sent'
JOIN provider_attempts AS a ON a.message_id = m.id AND a.batch_id = s.batch_id AND a.outcome = 'accepted'
WHERE NOT EXISTS (SELECT FROM receipts AS r WHERE r.carrier_ref = a.carrier_ref AND r.carrier = a.carrier)
  AND NOT EXISTS (SELECT FROM receipts AS r WHERE r.ref = m.id)
  AND NOT EXISTS (SELECT FROM parts AS p WHERE p.message_id = m.id AND p.verdict IS NOT NULL)
"""


def unheard(conn: Connection, spans: Sequence[Span]) -> list[UUID]:
    """Return the messages of these batches that a carrier took and never said a word of."""
    return [id_ for (id_,) in conn.exec_driver_sql(_UNHEARD, _spans(spans))] if spans else []


_BLOT = """
UPDATE messages AS m SET body = repeat('*', length(m.body))
FROM unnest(%(batches)b::uuid[], %(firsts)b::uuid[], %(lasts)b::uuid[]) AS s (batch_id, first_id, last_id)
JOIN batches AS b ON b.id = s.batch_id AND b.class = 'otp'
WHERE m.id BETWEEN s.first_id AND s.last_id AND m.batch_id = s.batch_id AND m.status = 'sent'
  AND NOT EXISTS (SELECT FROM provider_attempts AS a
                  WHERE a.message_id = m.id AND a.outcome = 'unknown' AND a.resolved_at IS NULL)
"""


def blot(conn: Connection, spans: Sequence[Span]) -> None:
    """Keep only the length of the codes of these batches that nothing will send any more."""
    if spans:
        conn.exec_driver_sql(_BLOT, _spans(spans))


def _spans(spans: Sequence[Span]) -> dict[str, list[UUID]]:
    return {
        "batches": [span.batch for span in spans],
        "firsts": [span.first for span in spans],
        "lasts": [span.last for span in spans],
    }


_LEARN = """
UPDATE carriers AS c SET receipt_seconds = learnt.seconds
FROM (
    SELECT r.carrier, greatest(%(least)s, 3 * percentile_cont(0.99) WITHIN GROUP (
               ORDER BY extract(epoch FROM r.received_at - a.marked_at))) AS seconds
    FROM (
        SELECT id, carrier, carrier_ref, received_at,
               row_number() OVER (PARTITION BY carrier ORDER BY id DESC) AS place
        FROM receipts WHERE id > %(since)s AND state = 'applied' AND carrier_ref IS NOT NULL
    ) AS r
    JOIN LATERAL (
        SELECT marked_at FROM provider_attempts AS a
        WHERE a.carrier_ref = r.carrier_ref AND a.carrier = r.carrier AND a.message_id >= %(recent)s
        ORDER BY marked_at DESC LIMIT 1
    ) AS a ON true
    WHERE r.place <= %(sample)s
    GROUP BY r.carrier HAVING count(*) >= %(fewest)s
) AS learnt
WHERE c.name = learnt.carrier AND c.receipt_seconds IS DISTINCT FROM learnt.seconds
"""


def learn(conn: Connection, since: UUID, recent: UUID, *, least: float, fewest: int, sample: int) -> None:
    """Write of each carrier within how many seconds its receipts come: three times what 99 of 100 took lately."""
    params = {"since": since, "recent": recent, "least": least, "fewest": fewest, "sample": sample}
    conn.exec_driver_sql(_LEARN, params)
