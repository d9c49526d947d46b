"""Recovery of batches after a worker's death: which it had claimed, and how they are queued again by its journal."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from pipeline.store.batch_claims import RESTING, Claim, as_claim
from pipeline.store.batches import hints
from pipeline.store.message_parts import MultipartAttempt
from schema.carriage import Attempt
from schema.message import Hint


@dataclass(frozen=True, slots=True)
class DeadWorkersBatch:
    """A batch that a dead worker has claimed."""

    claim: Claim
    #: its messages up to here may have been sent
    marked: UUID | None
    marked_at: datetime | None
    #: claims since its last progress
    claims: int

    @property
    def in_hand(self) -> bool:
        """Return whether some of it was in flight."""
        return self.marked is not None and self.marked != self.claim.recorded


_HELD = """
SELECT b.id, first_id, last_id, account_id, class AS message_class, carrier, test, valid_until, attempt, round, tried,
       fence, recorded, clock_timestamp() AS clock, NULL AS kind, NULL AS settings, subscribes, resend_reason,
       NULL AS segments_per_second, b.campaign_id, marked, marked_at, claims
FROM batches AS b JOIN accounts ON accounts.id = account_id
WHERE b.status = 'sending' AND b.holder = %(holder)b
ORDER BY b.id LIMIT %(limit)s FOR UPDATE OF b SKIP LOCKED
"""


def held(conn: Connection, holder: UUID, limit: int) -> list[DeadWorkersBatch]:
    """Return and lock the batches claimed by the process with this journal."""
    rows = conn.exec_driver_sql(_HELD, {"holder": holder, "limit": limit})
    return [DeadWorkersBatch(as_claim(row), row.marked, row.marked_at, row.claims) for row in rows]


@dataclass(frozen=True, slots=True)
class Settled:
    """How far a dead worker got with a batch."""

    batch: UUID
    #: outcomes are written up to here; None: unchanged
    recorded: UUID | None
    #: the carrier answered some of it, or nothing was in flight: it did not crash the worker
    moved: bool


_REST = """
UPDATE batches AS b
SET holder = %(resting)b, recorded = coalesce(s.recorded, b.recorded), marked = coalesce(s.recorded, b.recorded),
    lease_until = clock_timestamp() + %(lease)s * interval '1 second'
FROM unnest(%(ids)b::uuid[], %(recorded)b::uuid[]) AS s (id, recorded)
WHERE b.id = s.id AND b.status = 'sending'
"""


def rest(conn: Connection, those: Sequence[Settled], lease: float) -> None:
    """Keep batches unclaimed for `lease` seconds; `batch_claims.requeue` then queues them with their claim count."""
    params = {
        "ids": [each.batch for each in those],
        "recorded": [each.recorded for each in those],
        "resting": RESTING,
        "lease": lease,
    }
    conn.exec_driver_sql(_REST, params)


_REOPEN = """
UPDATE batches AS b
SET status = 'queued', fence = fence + 1, lease_until = NULL, hints = 0, hinted_at = now(),
    recorded = coalesce(s.recorded, b.recorded), marked = coalesce(s.recorded, b.recorded),
    claims = CASE WHEN s.moved THEN 0 ELSE claims END
FROM unnest(%(ids)b::uuid[], %(recorded)b::uuid[], %(moved)b::bool[]) AS s (id, recorded, moved)
WHERE b.id = s.id AND b.status = 'sending'
RETURNING b.id, class AS message_class, carrier, size
"""


def reopen(conn: Connection, those: Sequence[Settled]) -> list[Hint]:
    """Queue batches again from the recorded progress: unsent messages are sent. Return their hints."""
    params = {
        "ids": [each.batch for each in those],
        "recorded": [each.recorded for each in those],
        "moved": [each.moved for each in those],
    }
    return hints(conn.exec_driver_sql(_REOPEN, params))


_LATE = """
UPDATE provider_attempts AS a
SET late_outcome = l.outcome, late_at = now(), check_at = NULL, resolved_at = NULL,
    carrier_ref = coalesce(a.carrier_ref, l.carrier_ref)
FROM unnest(%(batches)b::uuid[], %(fences)b::int4[], %(messages)b::uuid[], %(outcomes)b::text[], %(refs)b::text[])
     AS l (batch_id, fence, message_id, outcome, carrier_ref)
WHERE a.message_id = l.message_id AND a.batch_id = l.batch_id AND a.fence = l.fence
  AND a.outcome = 'unknown' AND a.code = 'worker_lost' AND coalesce(a.late_outcome, 'unknown') = 'unknown'
RETURNING a.message_id, a.n, a.carrier
"""


def note_late(conn: Connection, known: Sequence[tuple[UUID, int, Attempt]]) -> list[MultipartAttempt]:
    """Store outcomes found after the lease expired, as late outcomes of unknown attempts: (batch, fence, attempt) each.

    Return the attempts that were unknown, with the references of their parts.
    """
    params = {
        "batches": [batch for batch, _, _ in known],
        "fences": [fence for _, fence, _ in known],
        "messages": [attempt.ref for _, _, attempt in known],
        "outcomes": [str(attempt.outcome) for _, _, attempt in known],
        "refs": [attempt.carrier_ref for _, _, attempt in known],
    }
    parts = {attempt.ref: attempt.parts for _, _, attempt in known}
    return [MultipartAttempt(carrier, ref, n, parts[ref]) for ref, n, carrier in conn.exec_driver_sql(_LATE, params)]
