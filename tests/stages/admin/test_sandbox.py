"""The sandbox: what a new installation is set up with, and when nothing is added."""

from dataclasses import replace

from pipeline.runtime import Runtime
from pipeline.stages.admin.accounts import list_accounts
from pipeline.stages.admin.audit import audit
from pipeline.stages.admin.carriers import list_carriers
from pipeline.stages.admin.prices import list_prices
from pipeline.stages.admin.routes import list_routes
from pipeline.stages.admin.sandbox import Sandbox, set_up_sandbox
from tests.world import World

SANDBOX = Sandbox(
    account="demo",
    sender="Postroad",
    currency="NGN",
    money=10_000,
    prices={"NG": 400, "*": 900},
    carriers={"first": ("simulated", {"script": {"refuse_transient": 1}}), "second": ("simulated", {})},
)


def test_a_new_installation_with_the_sandbox_sends_a_message(rt: Runtime, world: World) -> None:
    world.run("DELETE FROM routes")
    world.run("DELETE FROM carriers WHERE name = 'alpha'")

    made = set_up_sandbox(rt, SANDBOX)
    answer = world.send("+2348012345678", account="demo", sender="Postroad")

    assert made
    assert world.status(answer.messages[0]) == "sent"
    assert world.rows("SELECT carrier FROM provider_attempts ORDER BY n") == ["first", "second"]
    assert not [finding for finding in audit(rt) if finding.broken]


def test_setting_up_the_sandbox_again_changes_only_the_settings_of_its_carriers(rt: Runtime) -> None:
    set_up_sandbox(rt, SANDBOX)
    before = list_accounts(rt)

    changed = {**SANDBOX.carriers, "first": ("simulated", {"script": {"refuse": 1}})}
    made = set_up_sandbox(rt, replace(SANDBOX, carriers=changed))

    assert not made
    assert list_accounts(rt) == before
    assert [row.settings for row in list_carriers(rt) if row.name == "first"] == [{"script": {"refuse": 1}}]
    assert len(list_prices(rt)) == 2


def test_routes_and_sender_numbers_of_the_sandbox_are_created(rt: Runtime) -> None:
    set_up_sandbox(rt, replace(SANDBOX, routes={"*": ["second"], "NG": ["first", "second"]}, numbers=["32100"]))

    routes = {(row["destination"], row["rank"], row["carrier"]) for row in list_routes(rt)}
    [demo] = [row for row in list_accounts(rt) if row["name"] == "demo"]

    assert routes == {("*", 1, "second"), ("NG", 1, "first"), ("NG", 2, "second")}
    assert set(demo["senders"]) == {"Postroad", "32100"}


def test_routes_and_prices_of_the_sandbox_apply_only_to_its_own_account(rt: Runtime) -> None:
    set_up_sandbox(rt, SANDBOX)

    assert {row["account"] for row in list_routes(rt)} == {"demo"}
    assert {row["account"] for row in list_prices(rt)} == {"demo"}


def test_no_sandbox_carriers_are_added_where_other_carriers_exist(world: World) -> None:
    set_up_sandbox(world.rt, SANDBOX)

    assert {row.name for row in list_carriers(world.rt)} == {"alpha", "simulated"}
