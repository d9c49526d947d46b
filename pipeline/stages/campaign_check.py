"""Campaign check: what a campaign would send and cost, portion by portion; nothing is sent and nothing charged."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pipeline.rules.batching import pack
from pipeline.rules.money import currencies
from pipeline.rules.money.message_pricing import Pricing, charge_all
from pipeline.rules.money.quotes import Quote
from pipeline.runtime import Runtime
from pipeline.store import accounts, batches, carriers, wallet_ledger
from schema.message import Admission

__all__ = ["CampaignCheck", "Quote", "add", "begin"]


@dataclass(frozen=True, slots=True)
class CampaignCheck:
    """The account's prices and funds at the beginning of a check, and its result so far."""

    #: ISO 4217
    currency: str
    #: minor units that the account may spend: its balance and its credit limit
    money: int
    #: carrier → its rate limit in segments per second, where it has one
    rate_limits: Mapping[str, float]
    pricing: Pricing
    quote: Quote = field(default_factory=Quote)

    @property
    def lacking(self) -> int:
        """Return by how many minor units the money falls short of the cost; 0: it suffices."""
        return max(0, self.quote.total.amount - self.money)

    def spell(self, amount: int) -> str:
        """Return an amount of minor units as people write it: `1,234.50 NGN`."""
        return currencies.spell(amount, self.currency)

    @property
    def seconds(self) -> float | None:
        """Return the seconds that the slowest carrier takes at its rate limit; None: no carrier has a limit."""
        taken = [
            sent.segments / self.rate_limits[carrier]
            for carrier, sent in self.quote.by_carrier.items()
            if carrier in self.rate_limits
        ]
        return max(taken, default=None)


def begin(rt: Runtime, account: str) -> CampaignCheck:
    """Return a check of an account's campaign; NotFound: no such account."""
    with rt.read_only() as conn:
        now = rt.common_time(batches.clock(conn))
        owner = accounts.named(conn, account)
        payer = owner.id, now.date().replace(day=1)
        money, quota = wallet_ledger.funds(conn, *payer)
        pricing = Pricing(wallet_ledger.books(conn, [owner.id], now), {payer: quota})
        rows = carriers.all_of(conn)
    rate_limits = {row.name: row.segments_per_second for row in rows if row.segments_per_second}
    return CampaignCheck(owner.currency, money, rate_limits, pricing)


def add(rt: Runtime, check: CampaignCheck, admission: Admission, lines: Sequence[int]) -> None:
    """Add an admitted portion; `lines`: of its recipients, in order."""
    loads = list(pack([admission], rt.new_ids(), rt.now(), max(1, admission.recipients)))
    check.quote.add(loads, charge_all(check.pricing, loads, {}), lines)
    check.quote.refuse(admission.refusals, lines)
