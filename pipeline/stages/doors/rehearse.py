"""Rehearse: say what would become of an order that was judged, and leave it at that."""

from collections.abc import Sequence

from pipeline.rules import ids, windows
from pipeline.rules.prices import Cover, PriceBook, cover
from pipeline.rules.segments import BILLED, measure
from pipeline.runtime import Runtime
from pipeline.store import ledger
from schema.message import Admission, Answered, Draft, Measure, Written
from schema.vocabulary import Code


def rehearse(rt: Runtime, admission: Admission) -> Answered:
    """Return the answer that an admission would come to. Nothing is written, nothing charged."""
    drafts = admission.drafts
    measures = measure(draft.body for draft in drafts)
    covers = _covers(rt, admission, measures)
    written: list[Written | None] = [None] * admission.recipients
    for draft, measured, paid in zip(drafts, measures, covers, strict=True):
        written[draft.index] = _written(rt, admission, draft, measured, paid)
    return Answered(admission.request, written, admission.refusals)


def _covers(rt: Runtime, admission: Admission, measures: Sequence[Measure]) -> list[Cover | None]:
    """Return how each message would be paid for; None: it has no price."""
    account = admission.account
    if admission.test or account is None:
        return [Cover(0, 0, True)] * len(measures)
    with rt.begin() as conn:
        book = PriceBook(ledger.prices(conn, account))
        money, quota = ledger.funds(conn, account, ledger.month_of(admission.first))
    prices = [book.per_segment(draft.phone, draft.country) for draft in admission.drafts]
    priced = [
        (price, count) for price, count in zip(prices, _parts(admission, measures), strict=True) if price is not None
    ]
    amounts, counts = [price * count for price, count in priced], [count for _, count in priced]
    paid = iter(cover(amounts, counts, quota=quota, money=money))
    return [None if price is None else next(paid) for price in prices]


def _parts(admission: Admission, measures: Sequence[Measure]) -> list[int]:
    capacity = BILLED.get(admission.door or "")
    billed = measure((draft.body for draft in admission.drafts), capacity) if capacity else measures
    return [each.segments for each in billed]


def _written(rt: Runtime, admission: Admission, draft: Draft, measured: Measure, paid: Cover | None) -> Written:
    refusal = Code.NO_PRICE if paid is None else None if paid.covered else Code.INSUFFICIENT_FUNDS
    return Written(
        id=ids.after(admission.first, draft.index),
        phone=draft.phone,
        country=draft.country,
        sender=admission.sender,
        body=draft.body,
        correlation_id=draft.correlation_id,
        encoding=measured.encoding,
        segments=measured.segments,
        amount=paid.amount if paid else 0,
        quota=paid.quota if paid else 0,
        carrier=draft.carrier,
        send_at=admission.send_at,
        valid_until=windows.expiry(admission.message_class, admission.send_at or rt.now(), admission.valid_until),
        test=admission.test,
        refusal=refusal,
    )
