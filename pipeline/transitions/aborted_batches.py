"""Batches of aborted campaigns: those that no worker has claimed end, and their messages are cancelled."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from pipeline.runtime import Connection
from pipeline.store import campaign_batches, messages
from pipeline.store.wallet_ledger import Moved
from pipeline.transitions import final_statuses
from pipeline.transitions.final_statuses import End
from schema.vocabulary import Code, ResendReason


class AbortedBatches(NamedTuple):
    """Batches that were ended."""

    batches: int
    #: the money to release
    released: list[Moved]


def end(conn: Connection, now: datetime, campaign: UUID, limit: int) -> AbortedBatches:
    """End up to `limit` unclaimed batches of an aborted campaign; return their number, and the money to release.

    Their messages are cancelled. Those that were to be resent stay sent, as a carrier may have them; if one could not
    deliver them, they fail as undelivered.
    """
    found = campaign_batches.lock(conn, campaign, limit)
    if not found:
        return AbortedBatches(0, [])
    undelivered = [each.span for each in found if each.resend_reason is ResendReason.UNDELIVERED]
    lost = [each.id for each in messages.untaken(conn, undelivered)]
    unsent = [each.id for each in messages.undecided(conn, [each.span for each in found if not each.resend_reason])]
    released = final_statuses.end(conn, now, [End(lost, Code.UNDELIVERED, ResendReason.UNDELIVERED)])
    released += final_statuses.cancel(conn, now, unsent)
    campaign_batches.end(conn, [each.span.batch for each in found])
    return AbortedBatches(len(found), released)
