"""Administer: what an operator sets: accounts, senders, templates, money, prices, routes, carriers."""

import re
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import date, datetime
from typing import Any
from uuid import UUID

from pipeline.carriers import receipt_authentication, registry
from pipeline.carriers.contract import CarrierWithWarnings
from pipeline.errors import AlreadyExists, InvalidInput, NotFound
from pipeline.rules.numbers.senders import is_sender
from pipeline.rules.routing.destinations import is_destination, is_network
from pipeline.rules.routing.routes import TEST_CARRIER
from pipeline.runtime import Connection, Runtime
from pipeline.store import accounts, carriers, health, holds, ledger, networks
from pipeline.store.accounts import Account
from pipeline.store.carriers import CarrierRow, RouteVersion
from schema.carriage import ReceiptAuthentication
from schema.routing import Capability
from schema.vocabulary import AccountState, CarrierState, SenderState

Row = dict[str, Any]

#: what one entry may add, in minor units or segments: beyond it somebody's finger slipped
MOST_MONEY, MOST_SEGMENTS = 10**15, 10**9
#: batches that one transaction holds
PORTION = 2000
#: characters of a template
MOST_TEXT = 1600
#: segments a second a carrier may be given at least and at most
LOWEST_PACE, HIGHEST_PACE = 0.1, 1e6

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_CARRIER_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_CURRENCY = re.compile(r"[A-Z]{3}")
_COUNTRY = re.compile(r"[A-Z]{2}")


# Accounts -------------------------------------------------------------------------------------------------------


def create_account(rt: Runtime, name: str, currency: str, *, credit_limit: int = 0) -> int:
    """Create an account with an empty wallet; return its id. Taken: there is one of that name."""
    _demand(_NAME.fullmatch(name), f"{name!r} cannot be an account's name: use letters, digits, - _ . (at most 64)")
    check_currency(currency)
    _demand(0 <= credit_limit <= MOST_MONEY, "a credit limit is 0 or more minor units")
    with rt.begin() as conn:
        account = accounts.create(conn, name, currency)
        if account is None:
            raise AlreadyExists(f"there is an account {name!r} already")
        if credit_limit:
            ledger.set_credit_limit(conn, account, credit_limit)
    return account


def list_accounts(rt: Runtime) -> list[Row]:
    """Return every account with its balance, what is left of this month's quota, and its senders."""
    with rt.begin() as conn:
        return accounts.listing(conn, _month(rt))


def set_account_state(rt: Runtime, name: str, state: AccountState) -> int:
    """Let an account send, or stop it; return how many batches of its messages are held from now.

    What it has on its way already waits until it is resumed, or expires: `promote` sees to both.
    """
    with rt.begin() as conn:
        account = _account(conn, name).id
        accounts.set_state(conn, account, state)
        waiting = holds.open_of(conn, account) if state is AccountState.SUSPENDED else []
    held = 0
    for start in range(0, len(waiting), PORTION):
        with rt.begin() as conn:
            held += holds.hold(conn, waiting[start : start + PORTION])
    return held


def subscribe(rt: Runtime, name: str, on: bool) -> None:
    """Have an account's messages' moves written to events, or not."""
    with rt.begin() as conn:
        accounts.subscribe(conn, _account(conn, name).id, on)


def set_credit_limit(rt: Runtime, name: str, limit: int) -> None:
    """Let an account's wallet go so many minor units below nothing; not less than it is below already."""
    _demand(0 <= limit <= MOST_MONEY, "a credit limit is 0 or more minor units")
    with rt.begin() as conn:
        if not ledger.set_credit_limit(conn, _account(conn, name).id, limit):
            raise InvalidInput(f"the wallet of {name!r} is further below nothing than {limit}: top it up first")


def top_up(rt: Runtime, name: str, amount: int, note: str) -> int:
    """Add minor units of its currency to an account's wallet; return its balance."""
    _demand(0 < amount <= MOST_MONEY, "an amount is a whole number of minor units above 0: 5000 for 50.00")
    with rt.begin() as conn:
        return ledger.top_up(conn, _account(conn, name).id, amount, note, rt.now())


def grant(rt: Runtime, name: str, segments: int, note: str, month: date | None = None) -> int:
    """Add segments to an account's quota of a month (this one, UTC); return what is left of it."""
    _demand(0 < segments <= MOST_SEGMENTS, "a quota is a whole number of segments above 0")
    with rt.begin() as conn:
        account = _account(conn, name).id
        return ledger.grant(conn, account, (month or _month(rt)).replace(day=1), segments, note, rt.now())


def set_sender(
    rt: Runtime,
    name: str,
    sender: str,
    state: SenderState = SenderState.APPROVED,
    reason: str | None = None,
    countries: Sequence[str] | None = None,
) -> None:
    """Register a sender id on an account, or change its state; its owner is told the reason.

    It is for these countries (ISO); none: for everywhere, None: as it was.
    """
    words = f"{sender!r} cannot be a sender: up to 11 letters, digits and blanks with a letter among them, or a number"
    _demand(is_sender(sender), words)
    for country in countries or ():
        _demand(_COUNTRY.fullmatch(country), f"{country!r} is no country: write its ISO 3166 code, such as NG")
    with rt.begin() as conn:
        accounts.set_sender(conn, _account(conn, name).id, sender, state, reason, countries)


def set_template(rt: Runtime, name: str, slug: str, body: str) -> UUID:
    """Write a template of an account, or its new text; return its id."""
    _demand(_NAME.fullmatch(slug), f"{slug!r} cannot be a template's name: use letters, digits, - _ . (at most 64)")
    _demand(body.strip() and "\x00" not in body, "a template needs a text")
    _demand(len(body) <= MOST_TEXT, f"a template has at most {MOST_TEXT} characters")
    with rt.begin() as conn:
        return accounts.set_template(conn, _account(conn, name).id, slug, body)


def list_templates(rt: Runtime, name: str) -> list[Row]:
    """Return an account's templates by name."""
    with rt.begin() as conn:
        return accounts.list_templates(conn, _account(conn, name).id)


# Prices ---------------------------------------------------------------------------------------------------------


def set_price(rt: Runtime, destination: str, currency: str | None, per_segment: int, account: str | None) -> str:
    """Write a price for everyone, or for an account, in force from now; return its currency.

    The currency may be left out for an account's price: it is the account's.
    """
    _check_destination(destination)
    _demand(0 <= per_segment <= MOST_MONEY, "a price is a whole number of minor units a segment, 0 or more")
    with rt.begin() as conn:
        owner = _account(conn, account) if account else None
        currency = currency or (owner.currency if owner else "")
        check_currency(currency)
        if owner and owner.currency != currency:
            raise InvalidInput(f"the account {owner.name!r} is kept in {owner.currency}, not in {currency}")
        ledger.set_price(conn, destination, currency, per_segment, owner.id if owner else None)
    return currency


def list_prices(rt: Runtime) -> list[Row]:
    """Return the prices in force, the common ones first."""
    with rt.begin() as conn:
        return ledger.list_prices(conn)


# Carriers and routes --------------------------------------------------------------------------------------------


def set_carrier(
    rt: Runtime,
    name: str,
    kind: str,
    settings: Mapping[str, Any],
    capabilities: Mapping[str, Any] | None = None,
    pace: float | None = None,
) -> list[str]:
    """Write a carrier, or its new settings; return warnings. CarrierUnknown or ConfigurationError: what does not fit.

    Of capabilities, those that are not named are there, but `dlt`: that is there if the settings have ids to send. Pace
    is segments a second, 0: without limit. None: as it was.
    """
    can = _limits(capabilities, pace)
    words = f"{name!r} cannot be a carrier's name: use small letters, digits, - _ (at most 40)"
    _demand(_CARRIER_NAME.fullmatch(name), words)
    _demand(name != TEST_CARRIER, f"{name!r} carries the test messages and stays as it is: take another name")
    with closing(registry.make(name, kind, settings, rt.settings.lease_seconds)) as carrier:
        warnings = list(carrier.warnings) if isinstance(carrier, CarrierWithWarnings) else []
    found = registry.KINDS[kind]
    lacking = receipt_authentication.demand(found.receipts, settings)
    _demand(not lacking, f"carrier {name}: {lacking}")
    with rt.begin() as conn:
        carriers.save(conn, name, kind, rt.sealed(settings), can, pace, sends_dlt=found.sends_dlt(settings))
    return warnings


def adjust_carrier(rt: Runtime, name: str, capabilities: Mapping[str, Any] | None, pace: float | None) -> None:
    """Write what a carrier can do and how much it takes, as `set_carrier` does; NotThere when it is not there."""
    can = _limits(capabilities, pace)
    with rt.begin() as conn:
        if not carriers.adjust(conn, name, can, pace):
            raise _no_carrier(name)


def list_carriers(rt: Runtime) -> list[CarrierRow]:
    """Return every carrier by name, its settings as they were written."""
    with rt.begin() as conn:
        return [replace(row, settings=rt.unsealed(row.settings)) for row in carriers.all_of(conn)]


def proof(row: CarrierRow) -> ReceiptAuthentication | None:
    """Return how a carrier's receipts are proved to be its own; None where none come over HTTP."""
    return receipt_authentication.proof(registry.http_receipts(row.kind), row.settings)


def set_carrier_state(rt: Runtime, name: str, state: CarrierState, reason: str | None = None) -> None:
    """Drain a carrier, or resume it and forget that it was ill; NotThere when there is none of that name."""
    with rt.begin() as conn:
        if not carriers.set_state(conn, name, state, reason):
            raise _no_carrier(name)
    if state is CarrierState.ACTIVE:
        health.forget(rt.valkey, name)


def set_route(
    rt: Runtime,
    destination: str,
    carrier: str,
    *,
    rank: int = 1,
    weight: int = 100,
    cost: int | None = None,
    currency: str | None = None,
    from_at: datetime | None = None,
    until_at: datetime | None = None,
    account: str | None = None,
) -> None:
    """Write a route for everyone, or for an account, or a new version of it; its cost in millionths of the currency."""
    _check_route_destination(destination)
    _demand(0 <= rank <= 1000, "a rank is a whole number from 0 to 1000; lower goes first")
    _demand(0 <= weight <= 10_000, "a weight is a whole number from 0 to 10000")
    _demand((cost is None) == (currency is None), "say both cost and currency, or neither")
    _demand(cost is None or 0 <= cost <= MOST_MONEY, "a cost is 0 or more")
    if currency is not None:
        check_currency(currency)
    _demand(until_at is None or until_at > (from_at or rt.now()), "a route ends after it begins")
    version = RouteVersion(rank, weight, cost, currency, from_at, until_at)
    with rt.begin() as conn:
        if carrier not in {row.name for row in carriers.all_of(conn)}:
            raise _no_carrier(carrier)
        owner = _account(conn, account).id if account else None
        carriers.set_route(conn, destination, carrier, version, account=owner)


def drop_route(rt: Runtime, destination: str, carrier: str, account: str | None = None) -> None:
    """Take a route away; NotThere when there is none."""
    with rt.begin() as conn:
        owner = _account(conn, account).id if account else None
        if not carriers.drop_route(conn, destination, carrier, owner):
            raise NotFound(f"no route {destination} {carrier}: `postroad route list` shows them")


def list_routes(rt: Runtime, *, over: bool = False) -> list[Row]:
    """Return the routes in force and to come (and what is over), the common ones first."""
    with rt.begin() as conn:
        return carriers.list_routes(conn, over=over)


def set_networks(rt: Runtime, plan: Mapping[str, str]) -> None:
    """Write whose numbers begin with which digits (network as MCC-MNC), in place of what was known before."""
    for prefix, network in plan.items():
        _demand(re.fullmatch("[0-9]{1,15}", prefix), f"{prefix!r} is no prefix: write leading digits without the plus")
        _demand(is_network(network), f"{network!r} is no network: write MCC-MNC, as 621-20")
    with rt.begin() as conn:
        networks.replace(conn, plan)


def list_networks(rt: Runtime) -> dict[str, str]:
    """Return each prefix's network."""
    with rt.begin() as conn:
        return networks.all_of(conn)


# What fits ------------------------------------------------------------------------------------------------------


def check_currency(word: str) -> None:
    """Raise Unfit unless the word has the form of a currency."""
    fits = _CURRENCY.fullmatch(word) and word != ledger.SEGMENTS
    _demand(fits, f"{word!r} is no currency: write its ISO 4217 code, such as NGN or EUR")


def _check_destination(word: str) -> None:
    words = f"{word!r} is no destination: write leading digits (234803), a country (NG), or * for everywhere"
    _demand(is_destination(word), words)


def _check_route_destination(word: str) -> None:
    words = (
        f"{word!r} is no destination: write leading digits (234803), a network as MCC-MNC (621-20), a country (NG),"
        " or * for everywhere"
    )
    _demand(is_destination(word) or is_network(word), words)


def _limits(given: Mapping[str, Any] | None, pace: float | None) -> dict[Capability, bool] | None:
    fits = pace is None or pace == 0 or LOWEST_PACE <= pace <= HIGHEST_PACE
    _demand(fits, f"a pace is {LOWEST_PACE:g} to {HIGHEST_PACE:g} segments a second")
    if given is None:
        return None
    fits = set(given) <= set(Capability) and all(isinstance(can, bool) for can in given.values())
    _demand(fits, f"capabilities are {', '.join(Capability)}, each true or false")
    return {Capability(name): can for name, can in given.items()}


def _no_carrier(name: str) -> NotFound:
    return NotFound(f"there is no carrier {name!r}: `postroad carrier list` shows them")


def _demand(holds: object, words: str) -> None:
    if not holds:
        raise InvalidInput(words)


def _account(conn: Connection, name: str) -> Account:
    found = accounts.find(conn, [name]).get(name)
    if found is None:
        raise NotFound(f"there is no account {name!r}: `postroad account list` shows them")
    return found


def _month(rt: Runtime) -> date:
    return rt.now().date().replace(day=1)
