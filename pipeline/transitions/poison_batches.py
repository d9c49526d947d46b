"""Poison batches: batches that repeatedly kill their workers are ended, and their remaining messages fail."""

import logging
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from pipeline.runtime import Connection
from pipeline.store import batch_claims, batches, messages
from pipeline.store.messages import Span
from pipeline.store.wallet_ledger import Moved
from pipeline.transitions import final_statuses
from pipeline.transitions.final_statuses import End
from schema.vocabulary import Code, ResendReason

log = logging.getLogger(__name__)


class Stuck(Protocol):
    """A claimed batch that is locked."""

    @property
    def span(self) -> Span:
        """Return the batch id and the range of its messages."""

    @property
    def resend_reason(self) -> ResendReason | None:
        """Return the resend reason; None: it is not a resend."""


def park(conn: Connection, now: datetime, poison: Sequence[Stuck]) -> list[Moved]:
    """End claimed batches and fail their remaining messages; return the money to release."""
    if not poison:
        return []
    _warn([each.span for each in poison])
    left: defaultdict[UUID, list[UUID]] = defaultdict(list)
    for each in messages.undecided(conn, [stuck.span for stuck in poison if not stuck.resend_reason]):
        left[each.batch].append(each.id)
    for each in messages.untaken(
        conn, [stuck.span for stuck in poison if stuck.resend_reason is ResendReason.UNDELIVERED]
    ):
        left[each.batch].append(each.id)
    ends = [End(left[stuck.span.batch], Code.POISON, stuck.resend_reason) for stuck in poison]
    released = final_statuses.end(conn, now, ends)
    batch_claims.finish(conn, [stuck.span.batch for stuck in poison])
    return released


def park_admitted(conn: Connection, now: datetime, claims: int, limit: int) -> None:
    """End up to `limit` batches that failed `claims` tries of measuring or billing, and reject their messages."""
    spans = batches.park_admitted(conn, claims, limit, now)
    _warn(spans)
    unpaid = [each.id for each in messages.undecided(conn, spans)]
    final_statuses.reject_unpaid(conn, now, unpaid, Code.POISON)


def _warn(spans: Sequence[Span]) -> None:
    for span in spans:
        log.error("batch %(batch)s is put aside: it failed too often", {"batch": span.batch})
