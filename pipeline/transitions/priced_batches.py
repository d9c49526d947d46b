"""Priced batches: new messages are measured and priced before they are written."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from pipeline.rules.batching import PackedBatch
from pipeline.rules.money.message_pricing import Payer, Pricing, charge_all, payer
from pipeline.rules.text.segments import Capacity
from pipeline.runtime import Connection
from pipeline.store import wallet_ledger
from pipeline.transitions.new_batches import Priced
from schema.value_class import value_class


@value_class
class PricedBatches:
    """New batches with the charge of each message, and the accounts that events are written for."""

    priced: list[Priced]
    subscribing: set[int]


def price(
    conn: Connection,
    at: datetime,
    loads: Sequence[PackedBatch],
    capacities: Mapping[str, Capacity],
    reserved: Mapping[Payer, int] | None = None,
) -> PricedBatches:
    """Measure and price new batches by the prices of that time; wallets are taken to suffice, and not read.

    `capacities`: segment lengths of APIs that bill by other ones than are sent, by name space of requests. `reserved`:
    payer → segments of quota that are reserved for these batches and count instead of what the account has left.
    """
    pricing, subscribing = _pricing(conn, at, loads, reserved or {})
    charges = charge_all(pricing, loads, capacities)
    return PricedBatches(list(zip(loads, charges, strict=True)), subscribing)


def _pricing(
    conn: Connection, at: datetime, loads: Sequence[PackedBatch], reserved: Mapping[Payer, int]
) -> tuple[Pricing, set[int]]:
    """Return the pricing of the batches, and the accounts that events are written for."""
    if not loads:  # replays only
        return Pricing({}, {}), set()
    accounts = {load.batch.account for load in loads if not load.batch.test}
    funds = wallet_ledger.quotas_left(conn, {payer(load) for load in loads})
    subscribing = {account for (account, _), (_, subscribes) in funds.items() if subscribes}
    quotas = {each: reserved.get(each, quota) for each, (quota, _) in funds.items()}
    return Pricing(wallet_ledger.books(conn, accounts, at), quotas), subscribing
