"""Claims on batches: leases, fences, and the ids `marked` and `recorded` that say how far a batch was sent.

`marked`: messages up to here may have reached the carrier; committed before their bytes are sent. `recorded`: outcomes
are written up to here. After a crash the messages between both have an unknown outcome; those after are unsent.
Each write of a worker is guarded by its claim's fence, so that a worker that lost its claim writes nothing.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row

from pipeline.rules.routing.pacing import HELD, IN_HAND
from pipeline.store.batches import hints
from pipeline.store.campaigns import STOPPED
from pipeline.store.messages import Span
from schema.carriage import Parcel
from schema.message import Hint
from schema.message_class import MessageClass
from schema.value_class import value_class
from schema.vocabulary import Encoding, ResendReason


@dataclass(frozen=True, slots=True)
class Claim:
    """A claimed batch; valid while its lease and fence are."""

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
    #: outcomes are already written up to here
    recorded: UUID | None
    #: when it was claimed, by the database's clock
    clock: datetime
    #: the carrier; kind None: there is none, it is drained, or the account is suspended and the batch expired
    kind: str | None
    settings: Mapping[str, Any]
    #: whether its account's events are written
    subscribes: bool
    #: for a resend, whose messages are already sent: the reason
    resend_reason: ResendReason | None = None
    #: segments per second that its carrier takes from all our processes together; None: unlimited
    pace: float | None = None
    #: the campaign of its messages
    campaign: UUID | None = None


#: most batches claimed along with a small one, and the size of a small one
SAME_ACCOUNT, SMALL = 200, 5
#: most accounts that take turns at a carrier with a rate limit
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
    -- at a carrier with a limit each account has a turn, whichever batches were hinted: its codes, then its oldest
    -- batches up to an equal share of messages, so that accounts with small batches get no less
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
SELECT mine.id, first_id, last_id, account_id, class AS message_class, carrier, test, valid_until, attempt, round,
       tried, fence, recorded, clock_timestamp() AS clock, kind, settings, subscribes, resend_reason,
       segments_per_second, held, campaign_id
FROM mine
LEFT JOIN carriers ON carriers.name = carrier AND carriers.state = 'active' AND account_state = 'active'
ORDER BY mine.id
""".format(goes="(a.state = 'active' OR b.valid_until <= now())")
#: apart from the claim: to plan it costs as much as to look up a hundred campaigns, and most batches have none
_HOLD_STOPPED = f"""
UPDATE batches AS b SET status = 'queued', held = 'campaign', claims = claims - 1, lease_until = NULL
WHERE id = ANY(%(ids)b) AND {STOPPED} AND valid_until > now()
RETURNING id
"""
#: most consecutive claims that find only batches of suspended accounts and stopped campaigns
_LOOKS = 20


def claim(conn: Connection, ids: Sequence[UUID], lease: float, holder: UUID | None = None) -> list[Claim]:
    """Claim queued batches of one carrier for `lease` seconds; return those that were claimed.

    `holder` is the journal of the claiming process, if it has one.

    Skips batches that are not queued, and those of another carrier than the first's (a hint names one carrier only).
    A small batch brings others of its class and carrier, which then share the wait for the carrier's responses.
    At a carrier with a rate limit hints are only a signal: accounts with nothing in progress get equal shares.

    This is the only place where a batch of a suspended account, or of a paused or aborted campaign, is held that was
    created, promoted or left over after that. If only such batches were found, it looks again, as others may wait
    behind them.
    """
    sizes = {"company": SAME_ACCOUNT, "small": SMALL, "turns": TURNS, "held": HELD, "in_hand": IN_HAND}
    params = {"ids": list(ids), "lease": lease, "holder": holder, **sizes}
    for _ in range(_LOOKS):
        rows = conn.exec_driver_sql(_CLAIM, params).all()
        held = _hold_stopped(conn, [row.id for row in rows if row.campaign_id and row.held is None])
        if claims := [as_claim(row) for row in rows if row.held is None and row.id not in held]:
            return claims
        if not rows:
            break
    return []


def _hold_stopped(conn: Connection, ids: Sequence[UUID]) -> set[UUID]:
    """Hold those of the just claimed batches whose campaign is stopped, unless they have expired; return them."""
    return {id_ for (id_,) in conn.exec_driver_sql(_HOLD_STOPPED, {"ids": list(ids)})} if ids else set()


def as_claim(row: Row[Any]) -> Claim:
    """Return the claim of a row with the columns of batches, accounts and carriers that it consists of."""
    return Claim(
        span=Span(row.id, row.first_id, row.last_id),
        account=row.account_id,
        message_class=MessageClass(row.message_class),
        carrier=row.carrier,
        test=row.test,
        valid_until=row.valid_until,
        attempt=row.attempt,
        round=row.round,
        tried=tuple(row.tried),
        fence=row.fence,
        recorded=row.recorded,
        clock=row.clock,
        kind=row.kind,
        settings=row.settings or {},
        subscribes=row.subscribes,
        resend_reason=row.resend_reason and ResendReason(row.resend_reason),
        pace=row.segments_per_second,
        campaign=row.campaign_id,
    )


_ENCODINGS = {str(encoding): encoding for encoding in Encoding}
_PARCELS = """
SELECT c.place, m.id, m.phone, m.sender, m.body, m.encoding, m.segments, m.country
FROM unnest(%(batches)b::uuid[], %(after)b::uuid[], %(last)b::uuid[], %(resent)b::bool[])
     WITH ORDINALITY AS c (batch_id, after_id, last_id, resent, place)
CROSS JOIN LATERAL (
    SELECT id, phone, sender, body, encoding, segments, country FROM messages
    WHERE id > c.after_id AND id <= c.last_id AND batch_id = c.batch_id
      AND (status IS NULL OR c.resent AND status = 'sent')
    ORDER BY id
) AS m
"""


def parcels(conn: Connection, claims: Sequence[Claim]) -> dict[UUID, list[Parcel]]:
    """Return batch → its unsent messages, ordered by id."""
    found: list[list[Parcel]] = [[] for _ in claims]
    about = [(claim.message_class, claim.valid_until) for claim in claims]
    rows = conn.exec_driver_sql(
        _PARCELS,
        {
            "batches": [claim.span.batch for claim in claims],
            "after": [claim.recorded or UUID(int=max(claim.span.first.int - 1, 0)) for claim in claims],
            "last": [claim.span.last for claim in claims],
            "resent": [claim.resend_reason is not None for claim in claims],
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
    """Progress of one batch in one portion: outcomes written up to `recorded`, bytes to be sent next up to `marked`."""

    batch: UUID
    fence: int
    recorded: UUID | None
    marked: UUID | None


_MARK = """
UPDATE batches AS b
SET recorded = coalesce(s.recorded, b.recorded),
    marked = CASE WHEN valid_until > clock_timestamp(){goes} THEN coalesce(s.marked, b.marked) ELSE b.marked END,
    marked_at = clock_timestamp(),
    claims = CASE WHEN s.recorded IS NULL THEN claims ELSE 0 END,
    lease_until = clock_timestamp() + %(lease)s * interval '1 second'
FROM unnest(%(ids)b::uuid[], %(fences)b::int4[], %(recorded)b::uuid[], %(marked)b::uuid[])
     AS s (id, fence, recorded, marked)
WHERE b.id = s.id AND b.fence = s.fence AND b.status = 'sending'
RETURNING b.id, s.marked IS NULL OR b.marked = s.marked AND b.marked_at < b.valid_until AS is_open, b.marked_at,
          {is_stopped} AS is_stopped
"""
_ADVANCE = _MARK.format(goes="", is_stopped="false")
_ADVANCE_CAMPAIGNS = _MARK.format(goes=f" AND NOT {STOPPED}", is_stopped=f"{STOPPED} AND b.marked_at < b.valid_until")


@dataclass(frozen=True, slots=True)
class LeaseState:
    """The state of this worker's leases after `advance`."""

    #: still claimed by this worker: its records count
    ours: set[UUID]
    #: claimed, not expired and not stopped: marked messages may be sent
    open: set[UUID]
    #: the database's time
    at: datetime | None
    #: claimed and not expired, but their campaign is paused or aborted: nothing more of them was marked
    stopped: Set[UUID] = frozenset()


def advance(conn: Connection, steps: Sequence[PortionMark], lease: float, *, of_campaigns: bool = False) -> LeaseState:
    """Move marks and renew leases of batches still claimed; a stale fence moves nothing. Return the lease states.

    `of_campaigns`: some may be of campaigns; those of a stopped one are not marked.
    """
    rows = conn.exec_driver_sql(
        _ADVANCE_CAMPAIGNS if of_campaigns else _ADVANCE,
        {
            "ids": [step.batch for step in steps],
            "fences": [step.fence for step in steps],
            "recorded": [step.recorded for step in steps],
            "marked": [step.marked for step in steps],
            "lease": lease,
        },
    ).all()
    return LeaseState(
        ours={id_ for id_, *_ in rows},
        open={id_ for id_, is_open, _, is_stopped in rows if is_open and not is_stopped},
        at=rows[0].marked_at if rows else None,
        stopped={id_ for id_, _, _, is_stopped in rows if is_stopped},
    )


#: the times for `missing_receipts.due` are set here, where they are known
END = """
UPDATE batches AS b
SET status = 'done', done_at = now(), held = NULL, lease_until = NULL,
    watch_at = CASE WHEN NOT test AND class <> 'bulk' THEN least(
        now() + (SELECT receipt_seconds FROM carriers WHERE name = b.carrier) * interval '1 second',
        CASE WHEN class = 'otp' THEN valid_until END) END
WHERE id = ANY(%(ids)b) AND status IN ({statuses})
"""
_FINISH = END.format(statuses="'sending'")


def finish(conn: Connection, ids: Sequence[UUID]) -> None:
    """Close batches whose messages all have a status or another batch; their rows are locked by `advance`.

    Except for campaigns, sets when to check for missing receipts (as the carrier's latency was measured) and when a
    one-time password expires.
    """
    conn.exec_driver_sql(_FINISH, {"ids": list(ids)})


@dataclass(frozen=True, slots=True)
class Lost:
    """A claimed batch whose lease has expired."""

    span: Span
    #: for a resend, whose messages are already sent: the reason
    resend_reason: ResendReason | None
    carrier: str
    attempt: int
    fence: int
    claims: int
    recorded: UUID | None
    marked: UUID | None
    marked_at: datetime | None

    @property
    def in_hand(self) -> bool:
        """Return whether some of it was in flight: it may have crashed its worker, rather than another batch of it."""
        return self.marked is not None and self.marked != self.recorded


_LOST = """
SELECT id, first_id, last_id, resend_reason, carrier, attempt, fence, claims, recorded, marked, marked_at
FROM batches
WHERE status = 'sending' AND lease_until < clock_timestamp()
ORDER BY lease_until LIMIT %(limit)s FOR UPDATE SKIP LOCKED
"""


def lost(conn: Connection, limit: int) -> list[Lost]:
    """Return and lock claimed batches whose lease has expired."""
    rows = conn.exec_driver_sql(_LOST, {"limit": limit})
    return [
        Lost(
            span=Span(row.id, row.first_id, row.last_id),
            resend_reason=row.resend_reason and ResendReason(row.resend_reason),
            carrier=row.carrier,
            attempt=row.attempt,
            fence=row.fence,
            claims=row.claims,
            recorded=row.recorded,
            marked=row.marked,
            marked_at=row.marked_at,
        )
        for row in rows
    ]


#: holder of a batch that crashed several workers without progress: it is queued again when its lease expires, so that
#: a fault that crashes every worker does not park the whole queue within seconds
RESTING = UUID(int=0)

_REQUEUE = """
UPDATE batches
SET status = 'queued', fence = fence + 1, recorded = coalesce(marked, recorded), lease_until = NULL,
    claims = CASE WHEN marked IS DISTINCT FROM recorded OR holder = %(resting)b THEN claims ELSE 0 END,
    hints = 0, hinted_at = now()
WHERE id = ANY(%(ids)b) AND status = 'sending'
RETURNING id, class AS message_class, carrier, size
"""


_NEXT = """
SELECT id, class AS message_class, carrier, size FROM batches
WHERE status = 'queued' AND held IS NULL AND carrier = %(carrier)s
ORDER BY id LIMIT 1
"""


def next_of(conn: Connection, carrier: str) -> list[Hint]:
    """Return a hint of the oldest queued batch of a carrier, or no hint."""
    return hints(conn.exec_driver_sql(_NEXT, {"carrier": carrier}))


def requeue(conn: Connection, ids: Sequence[UUID]) -> list[Hint]:
    """Queue batches again whose unknown attempts are written, with a new fence; return their hints."""
    return hints(conn.exec_driver_sql(_REQUEUE, {"ids": list(ids), "resting": RESTING}))


_UNMARK = "UPDATE batches SET marked = recorded WHERE id = ANY(%(ids)b) AND status = 'sending'"


def give_back(conn: Connection, ids: Sequence[UUID]) -> list[Hint]:
    """Queue batches whose worker knows its progress again: what was not sent is unmarked. Return their hints."""
    conn.exec_driver_sql(_UNMARK, {"ids": list(ids)})
    return requeue(conn, ids)
