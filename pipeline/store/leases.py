"""Claims on batches: leases, fences, and the two ids that say how far a batch has come.

`marked`: up to here messages may have reached the carrier; committed before their bytes go out. `recorded`: up to here
outcomes are written. After a crash the messages between the two are in doubt and those beyond are provably unsent.
Every write of a worker names the fence its claim gave it, so that one that lost its claim writes nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from pipeline.rules.routing.pacing import HELD, IN_HAND
from pipeline.store.batches import hints
from pipeline.store.messages import Span
from schema.carriage import Parcel
from schema.message import Hint
from schema.message_class import MessageClass
from schema.value_class import value_class
from schema.vocabulary import Encoding, ResendReason


@dataclass(frozen=True, slots=True)
class Claim:
    """A batch that is this worker's, for as long as its lease and fence hold."""

    span: Span
    account: int
    message_class: MessageClass
    carrier: str
    test: bool
    valid_until: datetime
    attempt: int
    round: int
    tried: tuple[str, ...]
    fence: int
    #: outcomes are written up to here already
    recorded: UUID | None
    #: how to reach the carrier; kind None: there is none, it is drained, or the account is suspended and it expired
    kind: str | None
    settings: Mapping[str, Any]
    #: the account wants events
    subscribes: bool
    #: its messages are sent already: why they are sent once more
    again: ResendReason | None = None
    #: segments a second its carrier takes from all of us together; None: as fast as it answers
    pace: float | None = None


#: batches claimed along with a small one, and how small that is
SAME_ACCOUNT, SMALL = 200, 5
#: accounts that take their turn together at a carrier with a limit
TURNS = 50

_CLAIM = """
WITH lead AS MATERIALIZED (
    SELECT carrier, class, segments_per_second IS NOT NULL AS paced,
           greatest(%(held)s, segments_per_second * %(in_hand)s) AS room
    FROM batches LEFT JOIN carriers ON name = carrier
    WHERE batches.id = ANY(%(ids)b) AND batches.status = 'queued' ORDER BY batches.id LIMIT 1
), named AS MATERIALIZED (
    SELECT id, size FROM batches
    WHERE NOT (SELECT paced FROM lead) AND id = ANY(%(ids)b) AND status = 'queued' AND held IS NULL
      AND carrier = (SELECT carrier FROM lead)
    ORDER BY id FOR UPDATE -- it waits: a cancel that came too late holds the row for a moment, and the hint comes once
), company AS MATERIALIZED (
    SELECT id FROM batches
    WHERE status = 'queued' AND held IS NULL AND size <= %(small)s AND NOT id = ANY(%(ids)b)
      AND (carrier, class) = (SELECT carrier, class FROM lead) AND (SELECT sum(size) FROM named) <= %(small)s
    ORDER BY hinted_at LIMIT %(company)s FOR UPDATE SKIP LOCKED
), turns AS MATERIALIZED (
    -- at a carrier with a limit each account has a turn, whoever was hinted: its codes first, then its oldest batches,
    -- so many that they hold an equal share: small batches must bring no less than large ones
    SELECT id FROM (
        SELECT own.id, share,
               sum(own.size) OVER (PARTITION BY account_id ORDER BY own.class <> 'otp', own.id) - own.size AS before
        FROM (
            SELECT account_id, ceil((SELECT room FROM lead) / count(*) OVER ()) AS share FROM (
                SELECT account_id FROM batches
                WHERE (SELECT paced FROM lead) AND status = 'queued' AND held IS NULL
                  AND carrier = (SELECT carrier FROM lead)
                  AND account_id NOT IN (SELECT account_id FROM batches
                                         WHERE status = 'sending' AND carrier = (SELECT carrier FROM lead))
                GROUP BY account_id ORDER BY min(hinted_at) LIMIT %(turns)s
            ) AS waiting
        ) AS account CROSS JOIN LATERAL (
            SELECT id, class, size FROM batches
            WHERE status = 'queued' AND held IS NULL AND carrier = (SELECT carrier FROM lead)
              AND account_id = account.account_id
            ORDER BY class <> 'otp', id LIMIT share FOR UPDATE SKIP LOCKED
        ) AS own
    ) AS head WHERE before < share
), mine AS (
    UPDATE batches AS b
    SET status = CASE WHEN {goes} THEN 'sending' ELSE 'queued' END, held = CASE WHEN NOT {goes} THEN 'account' END,
        fence = fence + 1, claims = CASE WHEN {goes} THEN claims + 1 ELSE claims END, hints = 0,
        lease_until = CASE WHEN {goes} THEN clock_timestamp() + %(lease)s * interval '1 second' END, holder = %(holder)b
    FROM accounts AS a
    WHERE a.id = b.account_id
      AND b.id IN (SELECT id FROM named UNION ALL SELECT id FROM company UNION ALL SELECT id FROM turns)
    RETURNING b.*, a.state AS account_state, a.subscribes
)
SELECT mine.id, first_id, last_id, account_id, class, carrier, test, valid_until, attempt, round, tried, fence,
       recorded, kind, settings, subscribes, again, segments_per_second, held
FROM mine
LEFT JOIN carriers ON carriers.name = carrier AND carriers.state = 'active' AND account_state = 'active'
ORDER BY mine.id
""".format(goes="(a.state = 'active' OR b.valid_until <= now())")
#: how often in a row a claim may meet nothing but batches of suspended accounts
_LOOKS = 20


def claim(conn: Connection, ids: Sequence[UUID], lease: float, holder: UUID | None = None) -> list[Claim]:
    """Make queued batches of one carrier this worker's for so many seconds; return those that are.

    The holder is the journal of its process, if it keeps one.

    Left out are those that are not queued, and (a hint names one carrier's) those of another carrier than the first's.
    Small ones bring others of their class and carrier along: while one waits for its carrier's answer, so may they.
    Where the carrier has a limit, a hint is only a call: accounts that have nothing under way are claimed equal shares.

    This is the one place where a batch of a suspended account is held that was not when the account was suspended: made
    later, or promoted, or left over. Where nothing else was found others may wait behind it.
    """
    sizes = {"company": SAME_ACCOUNT, "small": SMALL, "turns": TURNS, "held": HELD, "in_hand": IN_HAND}
    params = {"ids": list(ids), "lease": lease, "holder": holder, **sizes}
    for _ in range(_LOOKS):
        rows = conn.exec_driver_sql(_CLAIM, params).all()
        if claims := _claims(row for row in rows if row[18] is None):
            return claims
        if not rows:
            break
    return []


def _claims(rows: Iterable[Any]) -> list[Claim]:
    return [
        Claim(
            span=Span(*row[:3]),
            account=row[3],
            message_class=MessageClass(row[4]),
            carrier=row[5],
            test=row[6],
            valid_until=row[7],
            attempt=row[8],
            round=row[9],
            tried=tuple(row[10]),
            fence=row[11],
            recorded=row[12],
            kind=row[13],
            settings=row[14] or {},
            subscribes=row[15],
            again=row[16] and ResendReason(row[16]),
            pace=row[17],
        )
        for row in rows
    ]


_ENCODINGS = {str(encoding): encoding for encoding in Encoding}
_PARCELS = """
SELECT c.place, m.id, m.phone, m.sender, m.body, m.encoding, m.segments, m.country
FROM unnest(%(batches)b::uuid[], %(after)b::uuid[], %(last)b::uuid[], %(again)b::bool[])
     WITH ORDINALITY AS c (batch_id, after_id, last_id, again, place)
CROSS JOIN LATERAL (
    SELECT id, phone, sender, body, encoding, segments, country FROM messages
    WHERE id > c.after_id AND id <= c.last_id AND batch_id = c.batch_id
      AND (status IS NULL OR c.again AND status = 'sent')
    ORDER BY id
) AS m
"""


def parcels(conn: Connection, claims: Sequence[Claim]) -> dict[UUID, list[Parcel]]:
    """Return what the claimed batches still have to send, by batch, each by id."""
    found: list[list[Parcel]] = [[] for _ in claims]
    about = [(claim.message_class, claim.valid_until) for claim in claims]
    rows = conn.exec_driver_sql(
        _PARCELS,
        {
            "batches": [claim.span.batch for claim in claims],
            "after": [claim.recorded or UUID(int=max(claim.span.first.int - 1, 0)) for claim in claims],
            "last": [claim.span.last for claim in claims],
            "again": [claim.again is not None for claim in claims],
        },
    ).all()
    for place, id_, phone, sender, body, encoding, segments, country in rows:
        message_class, valid_until = about[place - 1]
        found[place - 1].append(
            Parcel(id_, phone, sender, body, _ENCODINGS[encoding], segments, message_class, valid_until, country)
        )
    return {claim.span.batch: load for claim, load in zip(claims, found, strict=True)}


@value_class
class PortionMark:
    """How far one batch goes in one portion: outcomes are written up to `recorded`, bytes go next up to `marked`."""

    batch: UUID
    fence: int
    recorded: UUID | None
    marked: UUID | None


_ADVANCE = """
UPDATE batches AS b
SET recorded = coalesce(s.recorded, b.recorded),
    marked = CASE WHEN valid_until > clock_timestamp() THEN coalesce(s.marked, b.marked) ELSE b.marked END,
    marked_at = clock_timestamp(),
    claims = CASE WHEN s.recorded IS NULL THEN claims ELSE 0 END,
    lease_until = clock_timestamp() + %(lease)s * interval '1 second'
FROM unnest(%(ids)b::uuid[], %(fences)b::int4[], %(recorded)b::uuid[], %(marked)b::uuid[])
     AS s (id, fence, recorded, marked)
WHERE b.id = s.id AND b.fence = s.fence AND b.status = 'sending'
RETURNING b.id, s.marked IS NULL OR b.marked = s.marked AND b.marked_at < b.valid_until, b.marked_at
"""


@dataclass(frozen=True, slots=True)
class LeaseState:
    """Where this worker stands with its batches after a step."""

    #: still ours: what we record of them counts
    ours: set[UUID]
    #: ours and not expired: what was marked may go out
    open: set[UUID]
    #: by the database's clock
    at: datetime | None


def advance(conn: Connection, steps: Sequence[PortionMark], lease: float) -> LeaseState:
    """Move marks and renew leases of the batches that are still ours; a stale fence moves nothing."""
    rows = conn.exec_driver_sql(
        _ADVANCE,
        {
            "ids": [step.batch for step in steps],
            "fences": [step.fence for step in steps],
            "recorded": [step.recorded for step in steps],
            "marked": [step.marked for step in steps],
            "lease": lease,
        },
    ).all()
    return LeaseState({row[0] for row in rows}, {row[0] for row in rows if row[1]}, rows[0][2] if rows else None)


#: what to look at, and when, is known best here: `silences.due`
_FINISH = """
UPDATE batches AS b
SET status = 'done', done_at = now(), lease_until = NULL,
    watch_at = CASE WHEN NOT test AND class <> 'bulk' THEN least(
        now() + (SELECT receipt_seconds FROM carriers WHERE name = b.carrier) * interval '1 second',
        CASE WHEN class = 'otp' THEN valid_until END) END
WHERE id = ANY(%(ids)b) AND status = 'sending'
"""


def finish(conn: Connection, ids: Sequence[UUID]) -> None:
    """Close batches whose messages all have a status or another batch; their rows are locked by `advance`.

    Somebody looks at them once more (never at a campaign) when their carrier should have reported, as far as that was
    learnt, and when a code is worth nothing any more.
    """
    conn.exec_driver_sql(_FINISH, {"ids": list(ids)})


@dataclass(frozen=True, slots=True)
class Lost:
    """A claimed batch whose worker went silent."""

    span: Span
    #: its messages are sent already: why they are sent once more
    again: ResendReason | None
    carrier: str
    attempt: int
    fence: int
    claims: int
    recorded: UUID | None
    marked: UUID | None
    marked_at: datetime | None

    @property
    def in_hand(self) -> bool:
        """Whether some of it was being sent: its worker may have died of it, and not of another batch it held."""
        return self.marked is not None and self.marked != self.recorded


_LOST = """
SELECT id, first_id, last_id, again, carrier, attempt, fence, claims, recorded, marked, marked_at
FROM batches
WHERE status = 'sending' AND lease_until < clock_timestamp()
ORDER BY lease_until LIMIT %(limit)s FOR UPDATE SKIP LOCKED
"""


def lost(conn: Connection, limit: int) -> list[Lost]:
    """Return and lock claimed batches whose lease has run out."""
    rows = conn.exec_driver_sql(_LOST, {"limit": limit})
    return [Lost(Span(*row[:3]), row[3] and ResendReason(row[3]), *row[4:]) for row in rows]


#: holder of a batch that killed several workers without getting further: it is queued again when its lease is over, so
#: that what kills every worker does not put aside all that waits within seconds
RESTING = UUID(int=0)

_REQUEUE = """
UPDATE batches
SET status = 'queued', fence = fence + 1, recorded = coalesce(marked, recorded), lease_until = NULL,
    claims = CASE WHEN marked IS DISTINCT FROM recorded OR holder = %(resting)b THEN claims ELSE 0 END,
    hints = 0, hinted_at = now()
WHERE id = ANY(%(ids)b) AND status = 'sending'
RETURNING id, class, carrier, size
"""


_NEXT = """
SELECT id, class, carrier, size FROM batches WHERE status = 'queued' AND held IS NULL AND carrier = %(carrier)s
ORDER BY id LIMIT 1
"""


def next_of(conn: Connection, carrier: str) -> list[Hint]:
    """Return the oldest queued batch of a carrier as a hint, if there is one."""
    return hints(conn.exec_driver_sql(_NEXT, {"carrier": carrier}))


def requeue(conn: Connection, ids: Sequence[UUID]) -> list[Hint]:
    """Queue batches again whose doubtful messages are written down; their old workers may write no more."""
    return hints(conn.exec_driver_sql(_REQUEUE, {"ids": list(ids), "resting": RESTING}))


_UNMARK = "UPDATE batches SET marked = recorded WHERE id = ANY(%(ids)b) AND status = 'sending'"


def give_back(conn: Connection, ids: Sequence[UUID]) -> list[Hint]:
    """Queue batches again whose worker knows how far it came: what it marked and did not send is as if never marked."""
    conn.exec_driver_sql(_UNMARK, {"ids": list(ids)})
    return requeue(conn, ids)
