"""End the batches of aborted campaigns that no worker has claimed: at once for one campaign, by the clock for all."""

from uuid import UUID

from pipeline.runtime import Runtime
from pipeline.store import campaign_batches, wallet_ledger
from pipeline.transitions import aborted_batches

#: batches ended in one transaction, up to a thousand messages each
PORTION = 20
#: transactions of one call by the clock, and the campaigns that they are for
ROUNDS, CAMPAIGNS = 20, 50


def end_batches(rt: Runtime, campaign: UUID) -> int:
    """End all unclaimed batches of an aborted campaign; return how many there were.

    A claimed one is given back by its worker within a second or as soon as its carrier has answered, and ended by the
    clock.
    """
    ended = 0
    while count := _portion(rt, campaign):
        ended += count
    return ended


def end_aborted(rt: Runtime) -> int:
    """End batches of aborted campaigns, up to 20 portions of them; return how many there were."""
    with rt.read_only() as conn:
        campaigns = campaign_batches.aborted(conn, CAMPAIGNS)
    ended, rounds = 0, ROUNDS
    for campaign in campaigns:
        while rounds and (count := _portion(rt, campaign)):
            ended, rounds = ended + count, rounds - 1
    return ended


def _portion(rt: Runtime, campaign: UUID) -> int:
    with rt.begin() as conn:
        now = rt.now()
        ended = aborted_batches.end(conn, now, campaign, PORTION)
        wallet_ledger.release(conn, ended.released, now)
    return ended.batches
