"""Rejections at claim: messages that are not permitted any more are rejected, or deferred to their send window."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from pipeline.rules.routing.failover import NextCarrier
from pipeline.runtime import Connection
from pipeline.store import batches, claim_checks, ledger, unknown_outcomes
from pipeline.store.batch_claims import Claim
from pipeline.store.claim_checks import Loads
from pipeline.transitions import final_statuses, successor_batches
from pipeline.transitions.final_statuses import End
from pipeline.transitions.successor_batches import successor
from schema.carriage import Parcel
from schema.vocabulary import Code


def let_through(
    conn: Connection, now: datetime, first: UUID, claims: Sequence[Claim], loads: Loads
) -> dict[UUID, list[Parcel]]:
    """Check claimed batches; reject or defer messages that may not be sent now; return batch → the other parcels.

    Deferred messages go into batches whose ids begin at `first`. Wallets are locked to release money: call it late in
    a transaction.
    """
    verdicts = claim_checks.blocked(conn, claims, loads)
    if verdicts:
        waiting: defaultdict[tuple[int, datetime], list[UUID]] = defaultdict(list)
        refused: defaultdict[tuple[int, Code], list[UUID]] = defaultdict(list)
        for place, claim in enumerate(claims):
            for parcel in loads.get(claim.span.batch, ()):
                verdict = verdicts.get(parcel.ref)
                if isinstance(verdict, Code):
                    refused[place, verdict].append(parcel.ref)
                elif verdict:
                    waiting[place, verdict].append(parcel.ref)
        _defer(conn, now, first, claims, waiting)
        _reject(conn, now, claims, refused)
    return {batch: [each for each in load if each.ref not in verdicts] for batch, load in loads.items()}


def _defer(
    conn: Connection,
    now: datetime,
    first: UUID,
    claims: Sequence[Claim],
    waiting: Mapping[tuple[int, datetime], Sequence[UUID]],
) -> None:
    if not waiting:
        return
    chosen_by = batches.snapshots(conn, {claims[place].span.batch for place, _ in waiting})
    successors = []
    for (place, moment), members in waiting.items():
        claim = claims[place]
        same = NextCarrier(claim.carrier, claim.attempt, claim.round, claim.tried, moment)
        successors.append(successor(claim, same, members, now, chosen_by[claim.span.batch]))
    successor_batches.write(conn, now, first, successors)


def _reject(
    conn: Connection, now: datetime, claims: Sequence[Claim], refused: Mapping[tuple[int, Code], Sequence[UUID]]
) -> None:
    ends: list[End] = []
    sent_before: list[UUID] = []
    for (place, code), ids in refused.items():
        claim = claims[place]
        ends.append(End(ids, code, claim.again, claim.subscribes, is_rejected=claim.attempt == 1))
        sent_before += ids if claim.again else []
    unknown_outcomes.give_up(conn, sent_before)
    ledger.release(conn, final_statuses.end(conn, now, ends), now)
