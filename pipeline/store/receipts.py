"""The receipts table: delivery receipts (DLR), stored on arrival, and applied then where possible."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from pipeline.rules.identity import ids
from pipeline.store.metric_counters import counting
from schema.carriage import Receipt
from schema.value_class import value_class
from schema.vocabulary import Counter, ReceiptState, ReceiptVerdict

#: the id of a stored receipt; carrier and key of one that is not stored yet
ReceiptKey = UUID | tuple[str, str]

#: each is counted once
_COUNTED = counting(Counter.RECEIPTS, "carrier, verdict, coalesce(code, '')", "kept")
_KEEP = f"""
WITH kept AS (
INSERT INTO receipts (id, carrier, key, carrier_ref, ref, verdict, code, retryable, at, raw, due_at, state, applied_at)
SELECT id, carrier, key, carrier_ref, ref, verdict, code, retryable, at, raw, now() + wait * interval '1 second', state,
       CASE WHEN state <> 'waiting' THEN now() END
FROM unnest(%(ids)b::uuid[], %(carriers)b::text[], %(keys)b::text[], %(carrier_refs)b::text[], %(refs)b::uuid[],
            %(verdicts)b::text[], %(codes)b::text[], %(retryables)b::bool[], %(ats)b::timestamptz[], %(raws)b::text[],
            %(waits)b::float8[], %(states)b::text[])
     AS r (id, carrier, key, carrier_ref, ref, verdict, code, retryable, at, raw, wait, state)
ON CONFLICT (carrier, key) DO NOTHING
RETURNING carrier, key, id, verdict, code
), counted AS ({_COUNTED})
SELECT carrier, key, id FROM kept
"""
#: hours after which an equal key is a new receipt: carriers reuse ids, and some receipts contain no time
ANEW_HOURS = 72
_KEEP_ANEW = f"""
WITH kept AS (
UPDATE receipts AS o SET
    carrier_ref = r.carrier_ref, ref = r.ref, verdict = r.verdict, code = r.code, retryable = r.retryable, at = r.at,
    raw = r.raw, due_at = now() + wait * interval '1 second', state = r.state,
    applied_at = CASE WHEN r.state <> 'waiting' THEN now() END, received_at = now()
FROM unnest(%(carriers)b::text[], %(keys)b::text[], %(carrier_refs)b::text[], %(refs)b::uuid[], %(verdicts)b::text[],
            %(codes)b::text[], %(retryables)b::bool[], %(ats)b::timestamptz[], %(raws)b::text[], %(waits)b::float8[],
            %(states)b::text[])
     AS r (carrier, key, carrier_ref, ref, verdict, code, retryable, at, raw, wait, state)
WHERE o.carrier = r.carrier AND o.key = r.key AND o.received_at < now() - %(hours)s * interval '1 hour'
RETURNING o.carrier, o.key, o.id, o.verdict, o.code
), counted AS ({_COUNTED})
SELECT carrier, key, id FROM kept
"""


def keep(
    conn: Connection,
    first: UUID,
    receipts: Sequence[Receipt],
    waits: Mapping[ReceiptKey, float] | None = None,
    states: Mapping[ReceiptKey, ReceiptState] | None = None,
) -> dict[ReceiptKey, UUID]:
    """Insert receipts, each once even if it is delivered repeatedly; return carrier and key → id of the new ones.

    `waits`: seconds until a receipt is due; `states`: its state if not waiting; each by carrier and key.
    """
    if not receipts:
        return {}
    params = _arrays(first, receipts, waits or {}, states or {})
    kept: dict[ReceiptKey, UUID] = {(row.carrier, row.key): row.id for row in conn.exec_driver_sql(_KEEP, params)}
    if len(kept) < len(receipts):  # some are duplicates, mostly of recent ones
        anew = conn.exec_driver_sql(_KEEP_ANEW, {**params, "hours": ANEW_HOURS})
        kept.update({(row.carrier, row.key): row.id for row in anew})
    return kept


def _arrays(
    first: UUID,
    receipts: Sequence[Receipt],
    waits: Mapping[ReceiptKey, float],
    states: Mapping[ReceiptKey, ReceiptState],
) -> dict[str, object]:
    """Return the receipts as arrays, sorted in lock order."""
    ordered = sorted(receipts, key=lambda each: (each.carrier, each.key))
    return {
        "ids": [ids.after(first, place) for place in range(len(ordered))],
        "carriers": [each.carrier for each in ordered],
        "keys": [each.key for each in ordered],
        "carrier_refs": [each.carrier_ref for each in ordered],
        "refs": [each.ref for each in ordered],
        "verdicts": [str(each.verdict) for each in ordered],
        "codes": [each.code for each in ordered],
        "retryables": [each.retryable for each in ordered],
        "ats": [each.at for each in ordered],
        "raws": [each.raw for each in ordered],
        "waits": [waits.get((each.carrier, each.key), 0.0) for each in ordered],
        "states": [str(states.get((each.carrier, each.key), ReceiptState.WAITING)) for each in ordered],
    }


_WAKE = """
UPDATE receipts SET due_at = now() WHERE id IN (
    SELECT r.id FROM unnest(%(carriers)b::text[], %(keys)b::text[]) AS again (carrier, key)
    JOIN receipts AS r ON r.carrier = again.carrier AND r.key = again.key
    WHERE r.state = 'waiting' FOR UPDATE OF r SKIP LOCKED
)
"""


def wake(conn: Connection, receipts: Sequence[Receipt]) -> None:
    """Make waiting receipts due now: they were delivered again, and their message may be known by now."""
    if receipts:
        keys = {"carriers": [each.carrier for each in receipts], "keys": [each.key for each in receipts]}
        conn.exec_driver_sql(_WAKE, keys)


@value_class
class Matched:
    """A receipt with its message, if one matches."""

    receipt: ReceiptKey
    carrier: str
    carrier_ref: str | None
    verdict: ReceiptVerdict
    code: str | None
    #: another carrier may still deliver the message
    retryable: bool
    message: UUID | None
    #: the attempt's number
    n: int | None
    #: it is the receipt of one part of a long message
    is_part: bool
    #: FAILED: no carrier accepted the message, or may have, after this attempt
    is_latest: bool
    #: FAILED: the message is being resent now, so that this failure may not be final
    is_early: bool

    @property
    def waits(self) -> bool:
        """Return whether it cannot be applied yet."""
        return self.message is None or self.is_early


@value_class
class _Word:
    """A receipt before it is matched."""

    receipt: ReceiptKey
    carrier: str
    carrier_ref: str | None
    ref: UUID | None
    verdict: ReceiptVerdict
    code: str | None
    retryable: bool


_DUE = """
SELECT id, carrier, carrier_ref, ref, verdict, code, retryable FROM receipts
WHERE state = 'waiting' AND due_at <= now() AND (verdict = 'failed' AND retryable) = %(retryable)s
ORDER BY due_at, received_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
"""


def due(conn: Connection, limit: int, now: datetime, *, retryable: bool = False) -> list[Matched]:
    """Return and lock due receipts, the oldest first, matched with their messages.

    `retryable`: failures after which another carrier may still deliver; else all other receipts.
    """
    rows = conn.exec_driver_sql(_DUE, {"limit": limit, "retryable": retryable})
    words = [
        _Word(id_, carrier, carrier_ref, ref, ReceiptVerdict(verdict), code, is_retryable)
        for id_, carrier, carrier_ref, ref, verdict, code, is_retryable in rows
    ]
    return _matched(conn, words, now)


def match(conn: Connection, receipts: Sequence[Receipt], now: datetime) -> list[Matched]:
    """Return receipts that are not stored yet, in order, matched with their messages."""
    words = [
        _Word(
            (each.carrier, each.key),
            each.carrier,
            each.carrier_ref,
            each.ref,
            each.verdict,
            each.code,
            each.retryable and each.verdict is ReceiptVerdict.FAILED,
        )
        for each in receipts
    ]
    return _matched(conn, words, now)


# Matching ------------------------------------------------------------------------------------------------------

#: the age of nearly all messages of receipts, and how far another machine's clock may be ahead
_RECENT, _AHEAD = timedelta(days=2), timedelta(hours=1)

#: by carrier_ref, which a carrier may reuse; OFFSET 0 forces one look-up each, whatever the planner estimates
_BY_REF = """
SELECT r.place, coalesce(a.message_id, part.message_id), coalesce(a.n, part.n), a.message_id IS NULL
FROM unnest(%(carriers)b::text[], %(carrier_refs)b::text[]) WITH ORDINALITY AS r (carrier, carrier_ref, place)
LEFT JOIN LATERAL (
    SELECT message_id, n, created_at FROM parts
    WHERE carrier = r.carrier AND carrier_ref = r.carrier_ref OFFSET 0
) AS part ON true
LEFT JOIN LATERAL (
    SELECT message_id, n FROM provider_attempts AS a
    WHERE a.carrier_ref = r.carrier_ref AND a.carrier = r.carrier
      AND a.message_id >= %(since)s AND a.message_id < %(until)s
      AND (part.message_id IS NULL OR a.marked_at > part.created_at)
    ORDER BY marked_at DESC LIMIT 1
) AS a ON true
WHERE coalesce(a.message_id, part.message_id) IS NOT NULL
"""
#: by an older attempt with the same carrier_ref, else by our id if the carrier echoed it: an unknown attempt has no
#: carrier_ref. A refused attempt does not match: then a later attempt at that carrier is in progress, and its receipt
#: arrived before its response
_BY_OURS = """
SELECT r.place, coalesce(old.message_id, by_us.message_id), coalesce(old.n, by_us.n), false
FROM unnest(%(carriers)b::text[], %(carrier_refs)b::text[], %(refs)b::uuid[])
     WITH ORDINALITY AS r (carrier, carrier_ref, ref, place)
LEFT JOIN LATERAL (
    SELECT message_id, n FROM provider_attempts AS a
    WHERE a.carrier_ref = r.carrier_ref AND a.carrier = r.carrier
    ORDER BY marked_at DESC LIMIT 1
) AS old ON true
LEFT JOIN LATERAL (
    SELECT message_id, n FROM provider_attempts AS a
    WHERE old.message_id IS NULL AND a.message_id = r.ref AND a.carrier = r.carrier
      AND a.outcome IN ('accepted', 'unknown')
    ORDER BY n DESC LIMIT 1
) AS by_us ON true
WHERE coalesce(old.message_id, by_us.message_id) IS NOT NULL
"""
#: only of sent messages: failures do not count otherwise
_STANDING = """
SELECT m.id, b.resend_reason IS NOT NULL AND b.status <> 'done',
       (SELECT max(a.n) FROM provider_attempts AS a WHERE a.message_id = m.id AND a.outcome IN ('accepted', 'unknown'))
FROM messages AS m JOIN batches AS b ON b.id = m.batch_id
WHERE m.id = ANY(%(ids)b) AND m.status = 'sent'
"""

#: (message, attempt number, whether it is a part)
_Found = tuple[UUID, int, bool]


def _matched(conn: Connection, words: Sequence[_Word], now: datetime) -> list[Matched]:
    if not words:
        return []
    bounds = {"since": ids.lowest(now - _RECENT), "until": ids.lowest(now + _AHEAD)}
    found = _find(conn, _BY_REF, words, range(len(words)), bounds)
    if missing := [place for place in range(len(words)) if place not in found]:
        found |= _find(conn, _BY_OURS, words, missing, {"refs": [words[place].ref for place in missing]})
    failed = {id_ for place, (id_, _, _) in found.items() if words[place].verdict is ReceiptVerdict.FAILED}
    standings = standing(conn, failed)
    return [_as_matched(word, found.get(place), standings) for place, word in enumerate(words)]


def standing(conn: Connection, sent: Collection[UUID]) -> dict[UUID, tuple[bool, int]]:
    """Return sent message → whether it is being resent now, and the number of its last accepted or unknown attempt."""
    rows = conn.exec_driver_sql(_STANDING, {"ids": sorted(sent)}) if sent else ()
    return {id_: (is_resent, latest) for id_, is_resent, latest in rows}


def _find(
    conn: Connection, statement: str, words: Sequence[_Word], places: Sequence[int], more: Mapping[str, Any]
) -> dict[int, _Found]:
    params = {
        "carriers": [words[place].carrier for place in places],
        "carrier_refs": [words[place].carrier_ref for place in places],
        **more,
    }
    rows = conn.exec_driver_sql(statement, params)
    return {places[place - 1]: (message, n, is_part) for place, message, n, is_part in rows}


def _as_matched(word: _Word, found: _Found | None, standing: Mapping[UUID, tuple[bool, int]]) -> Matched:
    message, n, is_part = found or (None, None, False)
    is_early, latest = False, None
    if message and word.verdict is ReceiptVerdict.FAILED:
        is_early, latest = standing.get(message, (False, None))
    return Matched(
        receipt=word.receipt,
        carrier=word.carrier,
        carrier_ref=word.carrier_ref,
        verdict=word.verdict,
        code=word.code,
        retryable=word.retryable,
        message=message,
        n=n,
        is_part=is_part,
        is_latest=n is not None and n == latest,
        is_early=is_early,
    )


_CLOSE = """
UPDATE receipts SET state = %(state)s, applied_at = CASE WHEN %(state)s <> 'waiting' THEN now() END
WHERE id = ANY(%(ids)b)
"""


def close(conn: Connection, receipts: Collection[ReceiptKey], state: ReceiptState) -> None:
    """Set the state of receipts."""
    if receipts:
        conn.exec_driver_sql(_CLOSE, {"ids": list(receipts), "state": str(state)})


_POSTPONE = """
UPDATE receipts SET
    due_at = now() + least(greatest(now() - received_at, interval '1 second'), interval '10 minutes'),
    state = CASE WHEN received_at < now() - %(hours)s * interval '1 hour' THEN 'orphaned' ELSE state END
WHERE id = ANY(%(ids)b)
"""


def postpone(conn: Connection, receipts: Sequence[ReceiptKey], hours: float) -> None:
    """Postpone unmatched receipts, ever longer; they become orphaned after `hours` hours."""
    if receipts:
        conn.exec_driver_sql(_POSTPONE, {"ids": list(receipts), "hours": hours})
