"""Held and expired messages in an operator's commands: suspend, drain, opt out, status, audit."""

import json
from datetime import timedelta
from typing import Any

import pytest

from pipeline.stages.promote import promote
from pipeline.stages.sweep import sweep
from tests.workers.cli.conftest import Shell
from tests.world import World


def tick(world: World) -> None:
    """Do what the clock does."""
    world.deliver_all([*promote(world.rt), *sweep(world.rt).queued])


def reported(shell: Shell, *command: object) -> Any:
    said = shell(*command, "--json")
    assert said.err == ""
    return json.loads(said.out)


def test_a_scheduled_message_is_rejected_if_its_recipient_opts_out_before_it_is_due(shell: Shell, world: World) -> None:
    world.pay(world.submit(world.order(send_at=world.rt.now() + timedelta(hours=1))))
    assert shell("optout", "add", "+2348012345678").code == 0

    world.make_due()
    tick(world)

    assert world.rows("SELECT status, money, error_code FROM messages") == [("rejected", "released", "opted_out")]
    assert reported(shell, "audit")["sound"]


@pytest.mark.parametrize("message_class", ["otp", "transactional"])
def test_a_suspended_account_s_messages_are_held_until_it_is_resumed(
    shell: Shell, world: World, message_class: str
) -> None:
    hints = world.pay(world.submit(world.order(message_class=message_class)))

    suspended = shell("account", "suspend", "acme")
    world.deliver_all(hints)
    tick(world)

    assert suspended.out == "account acme is suspended; 1 batches of its messages are held\n"
    assert reported(shell, "status")["held"] == [{"held": "account", "name": "acme", "batches": 1, "messages": 1}]
    assert "suspended account" in shell("status").out
    assert reported(shell, "audit")["sound"]
    shell("account", "resume", "acme")
    tick(world)
    assert reported(shell, "status")["held"] == []
    assert world.rows("SELECT status FROM messages") == ["sent"]


def test_messages_whose_only_carrier_is_drained_are_held_until_it_is_resumed(shell: Shell, world: World) -> None:
    hints = world.pay(world.submit(world.order("+2348012345678", "+2348012345679")))
    shell("carrier", "drain", "alpha", "--reason", "works tonight")
    world.deliver_all(hints)

    [alpha] = [each for each in reported(shell, "carrier", "status") if each["name"] == "alpha"]
    assert alpha["held"] == {"carrier": {"batches": 1, "messages": 2}}
    assert "held: no carrier" in shell("carrier", "status", "alpha").out
    assert "no active carrier" in shell("status").out
    shell("carrier", "resume", "alpha")
    tick(world)

    assert world.rows("SELECT DISTINCT status FROM messages") == ["sent"]
    assert reported(shell, "audit")["sound"]


@pytest.mark.parametrize("message_class", ["otp", "transactional", "bulk"])
def test_a_new_order_is_held_while_every_carrier_is_drained(shell: Shell, world: World, message_class: str) -> None:
    world.add_carrier("beta", rank=2)
    for name in ("alpha", "beta"):
        shell("carrier", "drain", name)

    taken = world.send("+233241234567", message_class=message_class)

    assert taken.refusals == []
    assert reported(shell, "status")["held"] == [{"held": "carrier", "name": "alpha", "batches": 1, "messages": 1}]
    assert world.rows("SELECT count(*) FROM provider_attempts") == [0]
    shell("carrier", "resume", "beta")
    tick(world)
    assert world.rows("SELECT m.status, b.carrier FROM messages AS m JOIN batches AS b ON b.id = batch_id") == [
        ("sent", "beta")
    ]
    assert reported(shell, "audit")["sound"]


def test_a_held_order_expires_at_the_end_of_its_validity_and_costs_nothing(shell: Shell, world: World) -> None:
    shell("carrier", "drain", "alpha")
    before = world.balance()
    world.send(valid_until=world.rt.now() + timedelta(hours=1))

    world.run("UPDATE batches SET valid_until = now()")
    tick(world)

    assert world.rows("SELECT status, error_code FROM messages") == [("failed", "expired")]
    assert world.balance() == before


def test_a_recipient_without_a_route_is_refused_though_carriers_are_drained(shell: Shell, world: World) -> None:
    world.add_carrier("beta", route="NG")
    assert shell("route", "drop", "*", "alpha").code == 0
    shell("carrier", "drain", "beta")

    [kept, refused] = world.submit(world.order("+2348012345678"), world.order("+233241234567"))

    assert kept.refusals == []
    assert [(each.code, each.message) for each in refused.refusals] == [
        ("no_route", "no carrier serves GH; add a route for it")
    ]


def test_the_help_says_that_suspended_and_drained_messages_are_held(shell: Shell) -> None:
    suspend, drain = (
        " ".join(shell(*words, "--help").out.split()) for words in (["account", "suspend"], ["carrier", "drain"])
    )

    assert "are held: they go on at `resume`, or expire" in suspend
    assert "are held" in drain
