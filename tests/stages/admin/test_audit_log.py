"""The audit log: which changes are entered, as whose, and that no entry is changed afterwards."""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from pydantic import SecretStr
from sqlalchemy import LargeBinary

from pipeline.dialects.registry import DIALECTS
from pipeline.errors import DatabaseFault
from pipeline.runtime import acting
from pipeline.settings import Settings
from pipeline.stages.admin.accounts import set_account_state
from pipeline.stages.admin.audit_log import list_changes
from pipeline.stages.admin.carriers import set_carrier, set_carrier_state
from pipeline.stages.admin.compliance import import_opt_outs, opt_in, opt_out
from pipeline.stages.admin.networks import set_networks
from pipeline.stages.admin.prices import set_price
from pipeline.stages.admin.wallets import grant, set_alert, set_credit_limit, top_up
from pipeline.stages.api import webhook_endpoints
from pipeline.stages.cancel import cancel
from pipeline.stages.hourly_maintenance import maintain
from pipeline.stages.inbound import keep, reply
from pipeline.store import audit_log
from schema.actor import Actor
from schema.carriage import Inbound
from schema.tables import metadata
from schema.vocabulary import AccountState, ActorKind, CarrierState
from tests.dialects.vendors import Vendor, issue
from tests.world import World

ANNA = Actor(ActorKind.OS_USER, "anna", "ops1", "carrier drain")

#: tables without entries, and why
UNAUDITED = {
    "messages and their requests": {
        "batches", "challenges", "events", "idempotency_keys", "messages", "parts", "provider_attempts", "receipts",
        "redeliveries", "requests", "webhook_deliveries",
    },
    "written by carriers, handsets and producers": {
        "carrier_binds", "dead_letter_counts", "dead_letters", "inbound_messages",
    },
    "the accounts' own customers": {"persons"},
    "recipients of campaigns, their counts, events, and what they hold": {
        "campaign_events", "campaign_progress", "campaign_reservations", "campaign_rows",
    },
    "written by the product from other tables, or from its code": {
        "audit_findings", "counter_increments", "counter_totals", "dialects", "message_correlations",
        "message_numbers", "quotas", "routing_snapshots", "search_keys", "status_changes", "status_counts_by_day",
        "status_counts_by_minute", "template_versions", "unindexed_requests",
    },
    "sessions of users, and links to begin one, whose beginning and end is entered": {"login_links", "user_sessions"},
    "actions on many messages, whose creation is entered": {"message_job_items", "message_jobs"},
    "itself": {"audit_log"},
}  # fmt: skip


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"secret_key": SecretStr("a secret of these tests, long enough")})


#: returns the entries since the test began, the oldest first
Entries = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def entries(world: World) -> Entries:
    [before] = world.rows("SELECT max(id) FROM audit_log")

    def since() -> list[dict[str, Any]]:
        found = list_changes(world.rt, world.rt.now() - timedelta(hours=1), 1000)
        return [each for each in reversed(found) if each["id"] > before]

    return since


@pytest.fixture
def by_anna() -> Iterator[None]:
    before = acting.set(ANNA)
    yield
    acting.reset(before)


def test_every_table_is_either_audited_or_listed_as_unaudited(world: World) -> None:
    audited = set(world.rows("SELECT tgrelid::regclass::text FROM pg_trigger WHERE tgname = 'audited'"))

    assert audited & set().union(*UNAUDITED.values()) == set()
    assert audited | set().union(*UNAUDITED.values()) == set(metadata.tables)


def test_no_encrypted_or_hashed_column_is_entered(world: World) -> None:
    for table, given in world.rows(
        "SELECT tgrelid::regclass::text, encode(tgargs, 'escape') FROM pg_trigger WHERE tgname = 'audited'"
    ):
        hidden = ",".join(re.findall(r"{(.*?)}", given)[1:]).split(",")
        secret = {column.name for column in metadata.tables[table].columns if isinstance(column.type, LargeBinary)}
        assert secret <= set(hidden)


def test_a_change_is_entered_with_its_actor_and_only_what_changed(
    world: World, entries: Entries, by_anna: None
) -> None:
    set_carrier_state(world.rt, "alpha", CarrierState.DRAINED, "works tonight")

    [entry] = entries()
    assert entry | {"id": 0, "at": None} == {
        "id": 0,
        "at": None,
        "actor_kind": "os_user",
        "actor": "anna",
        "claimed": None,
        "origin": "ops1",
        "action": "carrier drain",
        "subject_table": "carriers",
        "subject": "alpha",
        "account": None,
        "before": {"state": "active", "reason": None},
        "after": {"state": "drained", "reason": "works tonight"},
    }


@pytest.mark.parametrize(
    ("change", "entered"),
    [
        pytest.param(
            lambda rt: set_price(rt, "NG", None, 500, "acme"),
            ("prices", "1 NG", "acme", {"per_segment": 500}),
            id="price",
        ),
        pytest.param(
            lambda rt: set_account_state(rt, "acme", AccountState.SUSPENDED),
            ("accounts", "acme", "acme", {"state": "suspended"}),
            id="account",
        ),
        pytest.param(
            lambda rt: top_up(rt, "acme", 700, "paid"),
            ("ledger", "1 topup", "acme", {"amount": 700, "note": "paid", "unit": "NGN"}),
            id="top-up",
        ),
        pytest.param(
            lambda rt: grant(rt, "acme", 7, "gift"),
            ("ledger", "1 grant", "acme", {"amount": 7, "unit": "SEG"}),
            id="quota",
        ),
        pytest.param(
            lambda rt: set_credit_limit(rt, "acme", 9),
            ("wallets", "1", "acme", {"credit_limit": 9}),
            id="credit limit",
        ),
        pytest.param(
            lambda rt: set_alert(rt, "acme", 9), ("accounts", "acme", "acme", {"alert_below": 9}), id="wallet alert"
        ),
        pytest.param(
            lambda rt: set_networks(rt, {"234803": "621-30", "234805": "621-50"}),
            ("networks", "*", None, {"prefixes": 2}),
            id="networks",
        ),
        pytest.param(
            lambda rt: opt_out(rt, None, "+2348012345678"),
            ("opt_outs", "+2348*******78", None, {"source": "operator"}),
            id="opt-out",
        ),
    ],
)
def test_each_kind_of_configuration_is_entered(
    world: World, entries: Entries, by_anna: None, change: Any, entered: tuple[str, str, str | None, dict[str, Any]]
) -> None:
    change(world.rt)

    [entry] = entries()
    assert (entry["subject_table"], entry["subject"], entry["account"]) == entered[:3]
    assert entered[3].items() <= entry["after"].items()
    assert entry["actor"] == "anna"


def test_an_entry_of_a_deletion_shows_the_deleted_values(world: World, entries: Entries, by_anna: None) -> None:
    opt_out(world.rt, "acme", "+2348012345678", "ACME")
    opt_in(world.rt, "acme", "+2348012345678", "ACME")

    added, removed = entries()
    assert (added["before"], removed["after"]) == (None, None)
    assert removed["before"] == added["after"]
    assert removed["before"] == {"sender": "ACME", "class": "", "source": "operator"}


def test_changed_networks_of_number_prefixes_are_entered(world: World, entries: Entries, by_anna: None) -> None:
    set_networks(world.rt, {"234803": "621-30", "234805": "621-50"})
    set_networks(world.rt, {"234803": "621-30", "234805": "621-30"})

    assert [(entry["action"], entry["after"]) for entry in entries()] == [
        ("carrier drain", {"prefixes": 2}),
        ("carrier drain", {"prefixes": 1}),
    ]


def test_an_import_of_opt_outs_makes_one_entry_and_a_repeated_import_none(
    world: World, entries: Entries, by_anna: None
) -> None:
    numbers = [f"+23480123456{place:02}" for place in range(50)]

    import_opt_outs(world.rt, "acme", numbers)
    import_opt_outs(world.rt, "acme", numbers)

    [entry] = entries()
    assert (entry["subject"], entry["account"], entry["after"]) == ("*", "acme", {"numbers": 50})


def test_a_change_that_is_rolled_back_has_no_entry(world: World, entries: Entries, by_anna: None) -> None:
    def change() -> None:
        with world.rt.begin() as conn:
            conn.exec_driver_sql("UPDATE carriers SET state = 'drained'")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        change()

    assert entries() == []


def test_no_secret_is_entered(world: World, entries: Entries, by_anna: None) -> None:
    password = "hunter2-and-more"
    set_carrier(
        world.rt, "beta", "twilio", {"account_sid": "AC1", "auth_token": password}, None, None, open_receipts=True
    )
    set_carrier(world.rt, "beta", "twilio", {"account_sid": "AC2", "auth_token": password}, open_receipts=True)
    key = issue(world.rt, "acme", Vendor.TELESIGN)
    endpoint, secret = webhook_endpoints.create(
        world.rt, world.account, DIALECTS["robase"], "https://93.184.215.14/hook", events=[], description=""
    )
    webhook_endpoints.rotate_secret(world.rt, world.account, endpoint.id)

    found = entries()

    assert {each["subject_table"] for each in found} == {"accounts", "api_keys", "carriers", "webhook_endpoints"}
    assert found[1]["before"] == found[1]["after"] == {"settings": "…"}
    for word in (password, secret or "", *key.credentials.values()):
        assert word not in str(found)


def test_messages_receipts_and_opt_outs_by_stop_make_no_entries(world: World, entries: Entries) -> None:
    world.send()
    world.run("UPDATE carriers SET balance = '7', balance_at = now(), receipt_seconds = 3")
    moment = world.rt.now()
    stop = Inbound("alpha", "1", "+2348012345678", "ACME", "STOP", moment)
    keep(world.rt, [stop])
    reply(world.rt)

    assert world.rows("SELECT count(*) FROM opt_outs") == [1]
    assert entries() == []


def test_a_cancellation_is_entered(world: World, entries: Entries, by_anna: None) -> None:
    [answer] = world.submit(world.order(send_at=world.rt.now() + timedelta(hours=1)))
    world.pay([answer])

    [message] = answer.messages
    assert message
    cancel(world.rt, world.account, [message])
    cancel(world.rt, world.account, [message])

    [entry] = entries()
    assert (entry["subject_table"], entry["account"], entry["actor"]) == ("messages", "acme", "anna")
    assert entry["after"] == {"cancelled": 1, "messages": [str(message)]}


def test_a_change_by_the_product_itself_has_the_system_as_actor(world: World, entries: Entries) -> None:
    set_carrier_state(world.rt, "alpha", CarrierState.DRAINED, "its balance is low")

    [entry] = entries()
    assert (entry["actor_kind"], entry["action"]) == ("system", "update")


def test_a_change_by_a_database_user_has_the_database_as_actor_and_its_application_as_origin(
    world: World, entries: Entries
) -> None:
    url = world.rt.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url, application_name="psql") as conn:
        conn.execute("UPDATE prices SET per_segment = 1")

    [entry] = entries()
    assert (entry["actor_kind"], entry["subject_table"]) == ("database", "prices")
    assert entry["origin"].endswith(" psql")
    assert (entry["before"], entry["after"]) == ({"per_segment": 400}, {"per_segment": 1})


def test_special_characters_in_an_actors_name_are_stored_literally(world: World, entries: Entries) -> None:
    odd = Actor(ActorKind.OS_USER, "o'brien", "h\\'; DROP TABLE prices; --", "price set", "”x")
    before = acting.set(odd)
    try:
        set_price(world.rt, "NG", None, 500, "acme")
    finally:
        acting.reset(before)

    [entry] = entries()
    assert (entry["actor"], entry["origin"], entry["claimed"]) == (odd.name, odd.origin, odd.claimed)


@pytest.mark.parametrize("change", ["UPDATE audit_log SET actor = 'x'", "DELETE FROM audit_log", "TRUNCATE audit_log"])
def test_no_entry_is_changed_or_deleted(world: World, change: str) -> None:
    with pytest.raises(DatabaseFault):
        world.run(change)


def test_retention_deletes_old_entries_and_only_those(world: World) -> None:
    days = world.rt.settings.audit_log_days
    statement = """
        INSERT INTO audit_log (at, actor_kind, actor, origin, action, subject_table, subject)
        VALUES (now() - %(days)s * interval '1 day', 'system', 'old', '', '', '', '')
    """
    world.run(statement, days=days + 1)
    world.run(statement, days=days - 1)

    maintain(world.rt)

    assert world.rows("SELECT count(*) FROM audit_log WHERE actor = 'old'") == [1]
    with pytest.raises(DatabaseFault):
        world.run("DELETE FROM audit_log")


def test_entries_are_read_page_by_page(world: World) -> None:
    for price in range(5):
        set_price(world.rt, "NG", None, price, "acme")

    since = world.rt.now() - timedelta(hours=1)
    first = list_changes(world.rt, since, 2, account="acme", table="prices")
    second = list_changes(world.rt, since, 2, account="acme", table="prices", before=first[-1]["id"])

    assert [each["after"]["per_segment"] for each in (*first, *second)] == [4, 3, 2, 1]
    assert list_changes(world.rt, since, 9, actor="nobody") == []


@pytest.mark.parametrize(
    "sought", [{}, {"account": 1}, {"table": "prices"}, {"actor": "nobody"}, {"table": "prices", "before": 10_000_000}]
)
def test_a_query_of_the_log_reads_no_entry_older_than_it_asks_for(world: World, sought: dict[str, Any]) -> None:
    world.run(
        """
        INSERT INTO audit_log (at, actor_kind, actor, origin, action, subject_table, subject, account_id)
        SELECT now() - n * interval '1 minute', 'system', 'x', '', '', 'prices', 'x', n %% 100
        FROM generate_series(20000, 1, -1) AS n
        """
    )
    world.run("ANALYZE audit_log")
    params = {"since": world.rt.now() - timedelta(minutes=100), "limit": 1000, **sought}

    with world.rt.begin() as conn:
        [plan] = conn.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {audit_log.query(sought)}", params).scalar_one()

    assert read_of(plan["Plan"], "audit_log") <= 200


def read_of(node: dict[str, Any], table: str) -> int:
    """Return how many rows of a table a plan reads."""
    own = node["Actual Rows"] + node.get("Rows Removed by Filter", 0) if node.get("Relation Name") == table else 0
    return int(own) + sum(read_of(each, table) for each in node.get("Plans", ()))
