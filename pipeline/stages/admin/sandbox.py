"""The sandbox: an account and carriers to try things with, created in a fresh installation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pipeline.rules.routing.routes import TEST_CARRIER
from pipeline.runtime import Connection, Runtime
from pipeline.store import accounts, carriers, ledger
from schema.vocabulary import SenderState

#: the account that `postroad up` and `postroad demo` create, and its sender id; defaults of some CLI commands
ACCOUNT = "demo"
SENDER = "Postroad"


@dataclass(frozen=True, slots=True)
class Sandbox:
    """An account to try things with: its prices and routes are its own, so that no other account meets them."""

    account: str
    sender: str
    currency: str
    #: minor units it begins with
    money: int
    #: minor units a segment, by destination
    prices: Mapping[str, int]
    #: kind and settings of each carrier
    carriers: Mapping[str, tuple[str, Mapping[str, Any]]]
    #: which of them to try in what order, by destination; without any all of them, as they come, everywhere
    routes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    #: what else it may send as
    numbers: Sequence[str] = ()


def set_up_sandbox(rt: Runtime, sandbox: Sandbox) -> bool:
    """Make the sandbox, or bring its carriers' settings up to date; return whether its account was made now.

    Its carriers are left out where other carriers than those were added already: somebody works here in earnest.
    """
    with rt.begin() as conn:
        earnest = {row.name for row in carriers.all_of(conn)} - {TEST_CARRIER, *sandbox.carriers}
        made = accounts.create(conn, sandbox.account, sandbox.currency)
        account = made or accounts.find(conn, [sandbox.account])[sandbox.account].id
        if made:
            _endow(conn, account, sandbox, rt.now())
        if not earnest:
            for name, (kind, settings) in sandbox.carriers.items():
                carriers.save(conn, name, kind, rt.sealed(settings))
            for destination, names in (sandbox.routes or {"*": list(sandbox.carriers)}).items():
                _connect(conn, account, destination, names)
    return bool(made)


def _endow(conn: Connection, account: int, sandbox: Sandbox, now: datetime) -> None:
    for sender in (sandbox.sender, *sandbox.numbers):
        accounts.set_sender(conn, account, sender, SenderState.APPROVED)
    for destination, price in sandbox.prices.items():
        ledger.set_price(conn, destination, sandbox.currency, price, account)
    ledger.top_up(conn, account, sandbox.money, "to try things with", now)


def _connect(conn: Connection, account: int, destination: str, names: Sequence[str]) -> None:
    for rank, name in enumerate(names, start=1):
        carriers.set_route(conn, destination, name, rank=rank, account=account)
