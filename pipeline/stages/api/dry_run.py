"""Dry run: the response that an admitted order would get, with segments and cost, without writing anything."""

from collections.abc import Mapping

from pipeline.rules.batching import answered, as_written, pack
from pipeline.rules.identity import ids
from pipeline.rules.money.message_pricing import Pricing, charge_all
from pipeline.rules.text.segments import Capacity
from pipeline.runtime import Runtime
from pipeline.store import batches, wallet_ledger
from schema.message import Admission, Answered


def dry_run(rt: Runtime, admission: Admission, capacities: Mapping[str, Capacity]) -> Answered:
    """Return the response that an admission would get. Nothing is written, nothing charged.

    `capacities`: as for `accept`.
    """
    loads = list(pack([admission], rt.new_ids(), rt.now(), max(1, admission.recipients)))
    return answered(admission, as_written(loads, charge_all(_pricing(rt, admission), loads, capacities)))


def _pricing(rt: Runtime, admission: Admission) -> Pricing:
    account = admission.account
    if admission.test or account is None:
        return Pricing({}, {})
    payer = account, ids.month(admission.first)
    with rt.read_only() as conn:
        money, quota = wallet_ledger.funds(conn, *payer)
        prices = wallet_ledger.books(conn, [account], rt.common_time(batches.clock(conn)))
    return Pricing(prices, {payer: quota}, {account: money})
