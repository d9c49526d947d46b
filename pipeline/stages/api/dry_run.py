"""Dry run: the response that an admitted order would get, with segments and cost, without writing anything."""

from collections.abc import Mapping

from pipeline.rules.batching import PackedBatch, answered, as_written, pack
from pipeline.rules.money.prices import PriceBook, charge
from pipeline.rules.text.segments import Capacity, billed, measure
from pipeline.runtime import Runtime
from pipeline.store import ledger
from schema.message import Admission, Answered, Charge


def dry_run(rt: Runtime, admission: Admission, capacities: Mapping[str, Capacity]) -> Answered:
    """Return the response that an admission would get. Nothing is written, nothing charged.

    `capacities`: as for `accept`.
    """
    loads = list(pack([admission], rt.new_ids(), rt.now(), max(1, admission.recipients)))
    charges = _charges(rt, admission, loads, capacities.get(admission.door or ""))
    return answered(admission, as_written(loads, charges))


def _charges(
    rt: Runtime, admission: Admission, loads: list[PackedBatch], capacity: Capacity | None
) -> list[list[Charge]]:
    """Return the charge or refusal of each message, batch by batch."""
    measures = [measure(draft.body for _, draft in load.members) for load in loads]
    if admission.test or admission.account is None:
        return [[Charge(each, 0, 0, None) for each in own] for own in measures]
    with rt.read_only() as conn:
        book = PriceBook(ledger.prices(conn, admission.account, rt.now()))
        money, quota = ledger.funds(conn, admission.account, ledger.month_of(admission.first))
    charges = []
    for load, own in zip(loads, measures, strict=True):
        drafts = [draft for _, draft in load.members]
        prices = [book.per_segment(draft.phone, draft.country) for draft in drafts]
        parts = [billed(draft.body, each, capacity) for draft, each in zip(drafts, own, strict=True)]
        charges.append(charge(own, parts, prices, quota=quota, money=money))
        money -= sum(each.amount for each in charges[-1])
        quota -= sum(each.quota for each in charges[-1])
    return charges
