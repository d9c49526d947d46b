"""Preview: a row of a campaign as its recipient would read it, and what it would cost now."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from pipeline.errors import Conflict, NotFound
from pipeline.rules.batching import pack
from pipeline.rules.money.message_pricing import Pricing, charge_all
from pipeline.runtime import Runtime
from pipeline.store import batches, campaign_rows, campaigns, wallet_ledger
from schema.campaign import Campaign, CampaignRow, as_order
from schema.message import Admission
from schema.order import Order
from schema.vocabulary import RowVerdict


@dataclass(frozen=True, slots=True)
class StoredRow:
    """A row of a campaign, and the order that would send it."""

    campaign: Campaign
    row: CampaignRow
    #: why it is not sent, as of its last check; None: it is
    verdict: str | None
    fault: str | None
    order: Order


@dataclass(frozen=True, slots=True)
class RowPreview:
    """A row as it would be sent now."""

    line: int
    phone: str
    #: why it is not sent: by its verdict, or as it would be refused now; None: it is
    refusal: str | None
    fault: str | None
    #: what its recipient reads; None: it is refused
    text: str | None = None
    country: str | None = None
    carrier: str | None = None
    encoding: str | None = None
    segments: int = 0
    #: minor units of the currency; 0 where the quota pays
    amount: int = 0
    #: segments of the month's quota
    quota: int = 0
    currency: str = ""
    #: the end of its recipient's quiet hours; None: it is not put off
    due_at: datetime | None = None


def read_row(rt: Runtime, campaign: UUID, line: int) -> StoredRow:
    """Return a row with its order; NotFound: there is no such campaign or line; Conflict: the line is malformed."""
    with rt.read_only() as conn:
        found = campaigns.of(conn, campaign)
        if found is None:
            raise NotFound(f"there is no campaign {campaign}")
        stored = campaign_rows.stored(conn, campaign, line, line)
    if not stored:
        raise NotFound(f"campaign {found.name!r} has no row of line {line}")
    [each] = stored
    if each.verdict == RowVerdict.MALFORMED:
        raise Conflict(f"line {line} of campaign {found.name!r} is malformed: {each.fault}")
    row = CampaignRow(each.line, each.phone, each.country, each.correlation_id, each.merge, each.time_zone)
    return StoredRow(found, row, each.verdict, each.fault, as_order(found, [row]))


def preview_row(rt: Runtime, stored: StoredRow, admission: Admission) -> RowPreview:
    """Return the preview of a row whose order was admitted as `admission` says."""
    campaign, row = stored.campaign, stored.row
    if not admission.drafts:
        refusal = admission.refusals[0]
        return RowPreview(row.line, row.phone, stored.verdict or refusal.code, stored.fault or refusal.message)
    with rt.read_only() as conn:
        now = rt.common_time(batches.clock(conn))
        payer = campaign.account_id, now.date().replace(day=1)
        _, quota = wallet_ledger.funds(conn, *payer)
        pricing = Pricing(wallet_ledger.books(conn, [campaign.account_id], now), {payer: quota})
    loads = list(pack([admission], rt.new_ids(), rt.now(), 1))
    [[charge]] = charge_all(pricing, loads, {})
    [draft] = admission.drafts
    no_price = "there is no price for its number" if charge.refusal else None
    return RowPreview(
        line=row.line,
        phone=draft.phone,
        refusal=stored.verdict or charge.refusal,
        fault=stored.fault or no_price,
        text=draft.body,
        country=draft.country,
        carrier=draft.carrier,
        encoding=charge.measure.encoding,
        segments=charge.measure.segments,
        amount=charge.amount,
        quota=charge.quota,
        currency=campaign.currency,
        due_at=draft.due_at,
    )
