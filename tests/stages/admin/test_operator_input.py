"""What an operator may set, and the messages of what is refused."""

from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest

from pipeline.errors import AlreadyExists, CarrierUnknown, ConfigurationError, DatabaseFault, InvalidInput, NotFound
from pipeline.runtime import Runtime
from pipeline.settings import Settings
from pipeline.stages.admin.account_templates import list_templates, list_versions, set_template
from pipeline.stages.admin.accounts import create_account, list_accounts, set_account_state, subscribe
from pipeline.stages.admin.audit import audit
from pipeline.stages.admin.carriers import set_carrier, set_carrier_state
from pipeline.stages.admin.prices import list_prices, set_price
from pipeline.stages.admin.routes import drop_route, list_routes, set_route
from pipeline.stages.admin.sender_registration import set_sender
from pipeline.stages.admin.wallets import grant, set_credit_limit, top_up
from schema.vocabulary import AccountState, CarrierState, SenderState
from tests.world import World


@pytest.fixture
def nowhere() -> Iterator[Runtime]:
    """A runtime whose database nobody ever finds: what is refused on it is refused before anything is looked up."""
    runtime = Runtime(Settings(database_url="postgresql://nobody@127.0.0.1:1/nothing"))
    yield runtime
    runtime.close()


def account(rt: Runtime, name: str = "acme") -> dict[str, Any]:
    [found] = [row for row in list_accounts(rt) if row["name"] == name]
    return found


def test_a_new_account_has_an_empty_wallet_and_may_send(rt: Runtime) -> None:
    create_account(rt, "acme", "EUR")

    assert account(rt) | {"created_at": None} == {
        "name": "acme",
        "state": "active",
        "currency": "EUR",
        "balance": 0,
        "credit_limit": 0,
        "reserved": 0,
        "quota_left": 0,
        "subscribes": False,
        "created_at": None,
        "senders": {},
    }


def test_an_account_name_that_exists_is_refused(rt: Runtime) -> None:
    create_account(rt, "acme", "EUR")

    with pytest.raises(AlreadyExists, match="there is an account 'acme' already"):
        create_account(rt, "acme", "NGN")


@pytest.mark.parametrize("currency", ["", "eur", "EURO", "E1R", "€", "SEG", "ЕUR"])
def test_a_currency_must_be_a_code_as_in_iso_4217_and_not_the_unit_of_quota(nowhere: Runtime, currency: str) -> None:
    with pytest.raises(InvalidInput, match="is not a currency"):
        create_account(nowhere, "acme", currency)


@pytest.mark.parametrize("name", ["", " ", "a b", "-a", "a/b", "a\n", "x" * 65])
def test_an_invalid_account_name_is_refused(nowhere: Runtime, name: str) -> None:
    with pytest.raises(InvalidInput, match="cannot be an account's name"):
        create_account(nowhere, name, "EUR")


def test_top_ups_and_grants_are_added_and_the_audit_holds(rt: Runtime) -> None:
    create_account(rt, "acme", "EUR", credit_limit=50)

    assert top_up(rt, "acme", 500, "by card") == 500
    assert top_up(rt, "acme", 1, "") == 501
    assert grant(rt, "acme", 20, "") == 20
    assert grant(rt, "acme", 5, "", date(2031, 1, 15)) == 5

    assert (account(rt)["balance"], account(rt)["quota_left"], account(rt)["credit_limit"]) == (501, 20, 50)
    assert not [finding for finding in audit(rt) if finding.broken]


@pytest.mark.parametrize("amount", [0, -1, 10**16])
def test_a_top_up_or_grant_that_is_not_positive_or_too_large_is_refused(nowhere: Runtime, amount: int) -> None:
    with pytest.raises(InvalidInput, match="minor units"):
        top_up(nowhere, "acme", amount, "")
    with pytest.raises(InvalidInput, match="segments"):
        grant(nowhere, "acme", amount, "")


def test_a_credit_limit_below_the_current_debt_is_refused(world: World) -> None:
    set_credit_limit(world.rt, "acme", 1_000_000)
    world.run("UPDATE wallets SET balance = -500")

    with pytest.raises(InvalidInput, match="top it up first"):
        set_credit_limit(world.rt, "acme", 499)
    set_credit_limit(world.rt, "acme", 500)


@pytest.mark.parametrize("sender", ["", "TwelveLetters", "ACME!", "+", "12", "АСМЕ"])
def test_an_invalid_sender_is_refused(nowhere: Runtime, sender: str) -> None:
    with pytest.raises(InvalidInput, match="cannot be a sender"):
        set_sender(nowhere, "acme", sender)


def test_the_state_of_a_sender_can_be_changed(rt: Runtime) -> None:
    create_account(rt, "acme", "EUR")
    set_sender(rt, "acme", "ACME", SenderState.PENDING)
    set_sender(rt, "acme", "ACME")
    set_sender(rt, "acme", "12345", SenderState.REJECTED)

    assert account(rt)["senders"] == {"12345": "rejected", "ACME": "approved"}


def test_orders_of_a_suspended_account_are_refused_until_it_is_resumed(world: World) -> None:
    set_account_state(world.rt, "acme", AccountState.SUSPENDED)
    refused = world.send("+2348012345678")
    set_account_state(world.rt, "acme", AccountState.ACTIVE)
    taken = world.send("+2348012345678")

    assert [fault.code for fault in refused.refusals] == ["account_suspended"]
    assert not taken.refusals


def test_setting_a_template_again_replaces_its_text(world: World) -> None:
    first, version = set_template(world.rt, "acme", "ride", "Your ride ${eta}")
    before = world.send(template="ride", merge={"eta": "9"})
    for _ in range(2):  # the same text again is no other version
        assert set_template(world.rt, "acme", "ride", "Your ride: ${eta}") == (first, 2)
    after = world.send(template=str(first), merge={"eta": "9"})

    [row] = list_templates(world.rt, "acme")
    assert (version, row["slug"], row["version"], row["body"]) == (1, "ride", 2, "Your ride: ${eta}")
    kept = [(each.version, each.body, each.made_by) for each in list_versions(world.rt, "acme", "ride")]
    assert kept == [(2, "Your ride: ${eta}", "system:postroad"), (1, "Your ride ${eta}", "system:postroad")]
    query = "SELECT id, template_id, template_version FROM requests ORDER BY id"
    assert world.rows(query) == [(before.request, first, 1), (after.request, first, 2)]
    with pytest.raises(DatabaseFault, match="CheckViolation"):
        world.run("UPDATE template_versions SET body = 'x'")


@pytest.mark.parametrize(("slug", "body"), [("a b", "x"), ("", "x"), ("a", " "), ("a", "x" * 1601), ("a", "x\x00")])
def test_a_template_with_an_invalid_name_or_text_is_refused(nowhere: Runtime, slug: str, body: str) -> None:
    with pytest.raises(InvalidInput, match="template"):
        set_template(nowhere, "acme", slug, body)


def test_a_price_of_an_account_is_in_the_accounts_currency(world: World) -> None:
    assert set_price(world.rt, "NG", None, 300, "acme") == "NGN"
    assert set_price(world.rt, "234803", "NGN", 0, None) == "NGN"

    with pytest.raises(InvalidInput, match="is NGN, not EUR"):
        set_price(world.rt, "NG", "EUR", 300, "acme")
    with pytest.raises(InvalidInput, match="is not a currency"):
        set_price(world.rt, "NG", None, 300, None)
    with pytest.raises(InvalidInput, match="minor units a segment"):
        set_price(world.rt, "NG", "NGN", -1, None)


def test_only_prices_in_force_are_listed(world: World) -> None:
    set_price(world.rt, "NG", "NGN", 300, "acme")
    set_price(world.rt, "NG", "NGN", 350, "acme")

    lines = [(row["account"], row["destination"], row["per_segment"]) for row in list_prices(world.rt)]

    assert lines == [(None, "*", 400), ("acme", "NG", 350)]


@pytest.mark.parametrize("destination", ["", "ng", "NGA", "+234", "N1", "**", "2 3"])
def test_a_destination_must_be_digits_a_country_or_an_asterisk(nowhere: Runtime, destination: str) -> None:
    with pytest.raises(InvalidInput, match="is not a destination"):
        set_price(nowhere, destination, "NGN", 1, None)
    with pytest.raises(InvalidInput, match="is not a destination"):
        set_route(nowhere, destination, "alpha")


@pytest.mark.parametrize(
    ("name", "kind", "given", "error", "words"),
    [
        ("Twilio", "http", {}, InvalidInput, "cannot be a carrier's name"),
        ("a/b", "http", {}, InvalidInput, "cannot be a carrier's name"),
        ("simulated", "http", {"base_url": "https://x.example"}, InvalidInput, "carries the test messages"),
        ("delta", "pigeon", {}, CarrierUnknown, "kind pigeon is none of"),
        ("delta", "http", {}, ConfigurationError, "base_url is required"),
        ("delta", "http", {"base_url": "ftp://x"}, ConfigurationError, "base_url"),
        ("delta", "http", {"base_url": "https://x.example", "windw": 5}, ConfigurationError, "windw is no setting"),
        ("delta", "http", {"base_url": "https://x.example", "deadline": 11}, ConfigurationError, "a lease of 60 s"),
        ("delta", "simulated", {"script": {"refuse": 2}}, ConfigurationError, "more than 1"),
    ],
)
def test_a_carrier_with_an_invalid_name_kind_or_setting_is_refused(
    nowhere: Runtime, name: str, kind: str, given: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        set_carrier(nowhere, name, kind, given)


def test_a_new_carrier_gets_messages_by_its_route_except_while_it_is_drained(world: World) -> None:
    set_carrier(world.rt, "beta", "simulated", {})
    set_route(world.rt, "NG", "beta", account="acme")
    set_carrier_state(world.rt, "beta", CarrierState.DRAINED)
    world.send("+2348012345678")
    set_carrier_state(world.rt, "beta", CarrierState.ACTIVE)
    world.send("+2348012345678")

    assert world.rows("SELECT carrier FROM provider_attempts ORDER BY message_id") == ["alpha", "beta"]


def test_routes_are_listed_and_dropped(world: World) -> None:
    set_route(world.rt, "NG", "alpha", rank=2, weight=7, account="acme")

    lines = [(row["account"], row["destination"], row["rank"], row["weight"]) for row in list_routes(world.rt)]
    drop_route(world.rt, "NG", "alpha", "acme")

    assert lines == [(None, "*", 1, 100), ("acme", "NG", 2, 7)]
    assert len(list_routes(world.rt)) == 1
    with pytest.raises(NotFound, match="no route NG alpha"):
        drop_route(world.rt, "NG", "alpha", "acme")


@pytest.mark.parametrize("options", [{"rank": -1}, {"rank": 1001}, {"weight": -1}, {"weight": 10_001}])
def test_a_rank_or_weight_of_a_route_out_of_bounds_is_refused(nowhere: Runtime, options: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match="whole number"):
        set_route(nowhere, "NG", "alpha", **options)


def test_an_unknown_account_or_carrier_is_refused_by_name(world: World) -> None:
    rt = world.rt

    for asked in (
        lambda: top_up(rt, "nobody", 1, ""),
        lambda: set_sender(rt, "nobody", "ACME"),
        lambda: set_route(rt, "NG", "nobody"),
        lambda: set_route(rt, "NG", "alpha", account="nobody"),
        lambda: set_price(rt, "NG", "NGN", 1, "nobody"),
        lambda: set_carrier_state(rt, "nobody", CarrierState.DRAINED),
    ):
        with pytest.raises(NotFound, match="'nobody'"):
            asked()


def test_events_are_written_only_while_the_account_subscribes(world: World) -> None:
    subscribe(world.rt, "acme", True)
    world.send("+2348012345678")
    subscribe(world.rt, "acme", False)
    world.send("+2348012345678")

    assert world.rows("SELECT count(DISTINCT message_id) FROM events") == [1]
