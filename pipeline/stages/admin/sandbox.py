"""Sandbox: a demo account with simulated carriers, created in a new installation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pipeline.rules.routing.routes import TEST_CARRIER
from pipeline.runtime import Connection, Runtime
from pipeline.store import accounts, carriers, wallet_ledger
from schema.vocabulary import SenderState

#: the account that `postroad up` and `postroad demo` create, and its sender id; defaults of some CLI commands
ACCOUNT = "demo"
SENDER = "Postroad"


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A demo account: its prices and routes are its own, so that they do not apply to other accounts."""

    account: str
    sender: str
    currency: str
    #: initial balance in minor units
    money: int
    #: minor units per segment, by destination
    prices: Mapping[str, int]
    #: kind and settings of each carrier
    carriers: Mapping[str, tuple[str, Mapping[str, Any]]]
    #: carriers in the order of their rank, by destination; empty: all of them, in order, everywhere
    routes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    #: further approved senders
    numbers: Sequence[str] = ()


def set_up_sandbox(rt: Runtime, sandbox: Sandbox) -> bool:
    """Create the sandbox, or update its carriers' settings; return whether its account was created now.

    Its carriers are omitted if other carriers exist: the installation is in productive use.
    """
    with rt.begin() as conn:
        earnest = {row.name for row in carriers.all_of(conn)} - {TEST_CARRIER, *sandbox.carriers}
        made = accounts.create(conn, sandbox.account, sandbox.currency)
        account = made or accounts.find(conn, [sandbox.account])[sandbox.account].id
        if made:
            _endow(conn, account, sandbox, rt.now())
        if not earnest:
            for name, (kind, settings) in sandbox.carriers.items():
                # simulated carriers need no ids for India
                carriers.save(conn, name, kind, rt.sealed(settings), sends_dlt=True)
            for destination, names in (sandbox.routes or {"*": list(sandbox.carriers)}).items():
                _connect(conn, account, destination, names)
    return bool(made)


def _endow(conn: Connection, account: int, sandbox: Sandbox, now: datetime) -> None:
    for sender in (sandbox.sender, *sandbox.numbers):
        accounts.set_sender(conn, account, sender, SenderState.APPROVED)
    for destination, price in sandbox.prices.items():
        wallet_ledger.set_price(conn, destination, sandbox.currency, price, now, account)
    wallet_ledger.top_up(conn, account, sandbox.money, "to try things with", now)


def _connect(conn: Connection, account: int, destination: str, names: Sequence[str]) -> None:
    for rank, name in enumerate(names, start=1):
        carriers.set_route(conn, destination, name, rank=rank, account=account)
