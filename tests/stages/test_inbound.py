"""Inbound messages (MO): each is stored once, acted upon once and answered once."""

import itertools
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from pipeline.stages import inbound
from pipeline.stages.admit import admit
from pipeline.stages.deliver import deliver
from pipeline.stages.ingest import ingest
from pipeline.store.consent import inbound as store
from pipeline.store.consent import opt_outs
from schema.carriage import Inbound
from tests.world import World

ADA, BEN = "+2348012345678", "+2348012345679"
KEPT = "SELECT body, action, reply, account_id IS NOT NULL, handled_at IS NOT NULL FROM inbound_messages ORDER BY id"
OPT_OUTS = "SELECT phone, sender, class, source FROM opt_outs ORDER BY phone, sender"
NUMBER = "+447700900100"

_keys = itertools.count(1)


@pytest.fixture(autouse=True)
def short_code(world: World) -> None:
    """The world's account has a number that can be written to, and words for its answers."""
    world.run(
        "INSERT INTO sender_ids (account_id, sender) VALUES (%(id)s, %(sender)s)", id=world.account, sender=NUMBER
    )
    for word, reply in (("STOP", "You are out."), ("START", "You are in."), ("HELP", "This is ACME.")):
        keyword(world, word, word.lower(), reply)


def keyword(world: World, word: str, action: str, reply: str | None = None, account: int | None = None) -> None:
    world.run(
        "INSERT INTO keywords (account_id, word, action, reply) VALUES (%(a)s, %(w)s, %(does)s, %(reply)s)",
        a=account, w=word, does=action, reply=reply,
    )  # fmt: skip


def text(body: str, phone: str = ADA, to: str = NUMBER, **fields: Any) -> Inbound:
    return Inbound("alpha", fields.pop("key", f"k{next(_keys)}"), phone, to, body, at=None, **fields)


def receives(world: World, *texts: Inbound) -> list[tuple[str, str]]:
    """Let these come in and be heeded, and the answers be written; return them with who gets them."""
    inbound.keep(world.rt, texts)
    asked = inbound.reply(world.rt)
    again = inbound.reply(world.rt)
    assert again == asked
    answers = ingest(world.rt, admit(world.rt, asked))
    assert [refusal for each in answers for refusal in each.refusals] == []
    inbound.replied(world.rt, [id_ for id_, _ in asked])
    assert inbound.reply(world.rt) == []
    world.deliver_all(world.pay(answers))
    return [(order.recipients[0].to, order.body or "") for _, order in asked]


def other(world: World, name: str = "other", sender: str = NUMBER) -> int:
    world.run("INSERT INTO accounts (name, currency) VALUES (%(name)s, 'NGN')", name=name)
    [account] = world.rows("SELECT id FROM accounts WHERE name = %(name)s", name=name)
    world.run("INSERT INTO wallets VALUES (%(id)s, 100000)", id=account)
    world.run("INSERT INTO sender_ids (account_id, sender) VALUES (%(id)s, %(sender)s)", id=account, sender=sender)
    return int(account)


# Kept ------------------------------------------------------------------------------------------------------------


def test_an_inbound_message_received_repeatedly_is_stored_once(world: World) -> None:
    assert inbound.keep(world.rt, [text("hello", key="a"), text("hello", key="a"), text("hi", key="b")]) == 2
    assert inbound.keep(world.rt, [text("hello", key="a")]) == 0
    assert world.rows("SELECT body FROM inbound_messages ORDER BY id") == ["hello", "hi"]


def test_characters_that_postgresql_cannot_store_are_replaced(world: World) -> None:
    inbound.keep(world.rt, [text("a\x00b\ud800c")])

    assert world.rows("SELECT body FROM inbound_messages") == ["ab?c"]


def test_an_inbound_message_without_a_keyword_is_kept_for_its_account(world: World) -> None:
    assert receives(world, text("When do you open?")) == []
    assert world.rows(KEPT) == [("When do you open?", "keep", None, True, True)]


# STOP, START, HELP -----------------------------------------------------------------------------------------------


def test_stop_writes_an_opt_out_and_is_confirmed_once(world: World) -> None:
    assert receives(world, text("Stop!")) == [(ADA, "You are out.")]

    assert world.rows(OPT_OUTS) == [(ADA, NUMBER, "", "STOP")]
    assert world.rows("SELECT phone, sender, body, status FROM messages") == [(ADA, NUMBER, "You are out.", "sent")]
    assert receives(world, text("STOP")) == []
    refused = world.submit(world.order(ADA, BEN, sender=NUMBER))[0]
    assert [each.code for each in refused.refusals] == ["opted_out"]


def test_stop_to_one_sender_does_not_apply_to_other_senders(world: World) -> None:
    receives(world, text("STOP"))

    assert world.submit(world.order(ADA))[0].refusals == []


def test_stopall_applies_to_all_senders_of_the_account(world: World) -> None:
    receives(world, text("Stop all"))

    assert world.rows(OPT_OUTS) == [(ADA, "", "", "STOPALL")]
    assert [each.code for each in world.submit(world.order(ADA))[0].refusals] == ["opted_out"]


def test_a_recipient_number_without_its_plus_is_recognised(world: World) -> None:
    assert receives(world, text("STOP", to=NUMBER[1:])) == [(ADA, "You are out.")]
    assert world.rows(OPT_OUTS) == [(ADA, NUMBER, "", "STOP")]


def test_start_removes_opt_outs_and_is_confirmed(world: World) -> None:
    receives(world, text("STOP"), text("STOPALL"))

    assert receives(world, text("start")) == [(ADA, "You are in.")]
    assert world.rows(OPT_OUTS) == []
    assert world.submit(world.order(ADA, sender=NUMBER))[0].refusals == []


def test_yes_without_an_opt_out_is_kept_for_the_account(world: World) -> None:
    assert receives(world, text("Yes")) == []
    assert world.rows("SELECT action FROM inbound_messages") == ["keep"]


def test_help_is_answered_every_time(world: World) -> None:
    assert receives(world, text("help"), text("INFO", phone=BEN)) == [(ADA, "This is ACME."), (BEN, "This is ACME.")]
    assert receives(world, text("help")) == [(ADA, "This is ACME.")]


def test_inbound_messages_received_together_are_applied_in_their_order(world: World) -> None:
    found = receives(world, text("stop"), text("start"), text("quit"), text("unstop", phone=BEN))

    assert found == [(ADA, "You are out."), (ADA, "You are in."), (ADA, "You are out.")]
    assert world.rows(OPT_OUTS) == [(ADA, NUMBER, "", "QUIT")]


def test_a_reply_costs_as_much_as_any_message(world: World) -> None:
    before = world.balance()
    receives(world, text("STOP"))

    assert world.balance() == before - 400


def test_a_stop_from_an_alphanumeric_sender_is_stored_and_not_answered(world: World) -> None:
    assert receives(world, text("STOP", phone="BANK")) == []
    assert world.rows(OPT_OUTS) == [("BANK", NUMBER, "", "STOP")]


def test_an_accounts_own_keyword_overrides_the_common_one(world: World) -> None:
    keyword(world, "JOIN", "start", "Welcome.", world.account)
    keyword(world, "CANCEL", "keep", None, world.account)

    assert receives(world, text("join Lagos")) == [(ADA, "Welcome.")]
    assert receives(world, text("cancel")) == []
    assert world.rows(OPT_OUTS) == []


def test_a_reply_that_was_not_written_is_returned_again(world: World) -> None:
    inbound.keep(world.rt, [text("STOP")])
    [(request, order)] = inbound.reply(world.rt)

    assert order.idempotency_key == f"reply-{request}"
    assert inbound.reply(world.rt) == [(request, order)]
    for _ in range(2):
        ingest(world.rt, admit(world.rt, [(request, order)]))
    assert world.rows("SELECT count(*) FROM messages") == [1]


# Whose it is -----------------------------------------------------------------------------------------------------


def test_stop_to_a_number_without_an_account_applies_to_all_accounts(world: World) -> None:
    assert receives(world, text("STOP", to="70007"), text("STOPALL", to="70008"), text("STOP", to="")) == []
    assert world.rows("SELECT account_id, sender FROM opt_outs ORDER BY sender") == [(0, "70007"), (0, "70008")]

    receives(world, text("START", to="70007"))
    assert world.rows("SELECT sender FROM opt_outs") == ["70008"]


def test_stop_to_a_shared_number_applies_to_the_account_that_sent_last(world: World) -> None:
    theirs = other(world)
    world.send(ADA, sender=NUMBER)
    world.send(ADA, account="other", sender=NUMBER)
    world.send(BEN, sender=NUMBER)

    receives(world, text("STOP"), text("STOP", phone=BEN))

    assert world.rows("SELECT account_id, phone FROM opt_outs ORDER BY phone") == [(theirs, ADA), (world.account, BEN)]


def test_a_keyword_of_one_account_selects_that_account_of_a_shared_number(world: World) -> None:
    theirs = other(world)
    keyword(world, "BYE", "stop", "Bye.", theirs)
    world.send(ADA, sender=NUMBER)

    assert receives(world, text("bye")) == [(ADA, "Bye.")]
    assert world.rows("SELECT account_id FROM opt_outs") == [theirs]


def test_stop_to_a_shared_number_applies_to_all_its_accounts_if_none_wrote_to_the_handset(world: World) -> None:
    theirs = other(world)

    assert receives(world, text("STOP")) == []
    assert world.rows("SELECT account_id FROM opt_outs ORDER BY 1") == [world.account, theirs]
    assert world.rows("SELECT account_id FROM inbound_messages") == [None]


# Long ones -------------------------------------------------------------------------------------------------------


def part(n: int, body: str, of: int = 2, ref: int = 7, **fields: Any) -> Inbound:
    return text(body, part_ref=ref, part=n, of=of, **fields)


def test_parts_of_an_inbound_message_are_joined_in_any_order(world: World) -> None:
    receives(world, part(2, "OP"), text("hello"))
    assert world.rows("SELECT body FROM inbound_messages WHERE handled_at IS NULL") == ["OP"]

    assert receives(world, part(1, "ST")) == [(ADA, "You are out.")]
    assert world.rows("SELECT action FROM inbound_messages ORDER BY id") == ["stop", "keep", "keep"]
    with world.rt.begin() as conn:
        rows = store.listing(conn, None, world.rt.now().replace(year=2020), 10)
    assert sorted((row["body"], row["action"]) for row in rows) == [("STOP", "stop"), ("hello", "keep")]


def test_parts_of_different_inbound_messages_are_not_joined(world: World) -> None:
    receives(world, part(1, "ST"), part(2, "OP", phone=BEN), part(2, "OP", ref=8), part(2, "OP", of=3))

    assert world.rows("SELECT count(*) FROM inbound_messages WHERE handled_at IS NOT NULL") == [0]


def test_a_duplicate_part_counts_once(world: World) -> None:
    receives(world, part(1, "ST"), part(1, "ST"))
    assert world.rows(OPT_OUTS) == []

    receives(world, part(2, "OP"))
    assert [row[3] for row in world.rows(OPT_OUTS)] == ["STOP"]
    assert world.rows("SELECT count(*) FROM inbound_messages WHERE handled_at IS NULL") == [0]


def test_an_incomplete_inbound_message_is_handled_after_ten_minutes(world: World) -> None:
    receives(world, part(1, "STOP"))
    world.run("UPDATE inbound_messages SET received_at = received_at - interval '11 minutes'")

    assert receives(world) == [(ADA, "You are out.")]


def test_an_incomplete_message_at_the_end_of_a_portion_waits_for_the_next_portion(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbound, "PORTION", 2)
    inbound.keep(world.rt, [text("hello"), part(1, "ST"), part(2, "OP")])

    inbound.reply(world.rt)
    assert world.rows(OPT_OUTS) == []
    inbound.reply(world.rt)
    assert [row[3] for row in world.rows(OPT_OUTS)] == ["STOP"]


def test_a_stop_between_acceptance_and_claim_rejects_the_message(world: World) -> None:
    hints = world.pay(world.submit(world.order(ADA, sender=NUMBER)))

    receives(world, text("STOP"))
    deliver(world.rt, [hint.batch for hint in hints])

    assert world.rows("SELECT status, error_code FROM messages ORDER BY id LIMIT 1") == [("rejected", "opted_out")]


# In what order, from whom ----------------------------------------------------------------------------------------


def test_a_stop_sent_before_a_start_but_received_after_it_has_no_effect(world: World) -> None:
    now = world.rt.now()
    receives(world, said("START", now - timedelta(minutes=1)))
    receives(world, said("STOP", now - timedelta(minutes=2)), said("STOPALL", now - timedelta(minutes=2), to="OTHER"))

    assert world.rows("SELECT account_id, sender FROM opt_outs") == [(0, "OTHER")]
    assert world.rows("SELECT action FROM inbound_messages ORDER BY id") == ["start", "stop", "stop"]


def test_a_yes_that_is_no_opt_in_does_not_override_a_stop(world: World) -> None:
    now = world.rt.now()
    receives(world, said("yes", now - timedelta(minutes=1)))
    receives(world, said("STOP", now - timedelta(minutes=2)))

    assert [row[3] for row in world.rows(OPT_OUTS)] == ["STOP"]


def test_an_opt_out_by_an_operator_is_compared_by_the_time_it_was_written(world: World) -> None:
    at = world.rt.now() - timedelta(minutes=1)
    with world.rt.begin() as conn:
        opt_outs.add(conn, [(opt_outs.OptOut(world.account, ADA, NUMBER), "operator")])

    assert receives(world, said("START", at)) == []
    assert [row[3] for row in world.rows(OPT_OUTS)] == ["operator"]
    assert receives(world, text("START")) == [(ADA, "You are in.")]


def test_an_own_keyword_sent_before_a_received_stop_is_not_answered(world: World) -> None:
    keyword(world, "JOIN", "start", "Welcome.", world.account)
    now = world.rt.now()
    receives(world, said("STOP", now - timedelta(minutes=1)))

    assert receives(world, said("JOIN", now - timedelta(minutes=2))) == []
    assert receives(world, text("JOIN")) == [(ADA, "Welcome.")]


def said(body: str, at: datetime, to: str = NUMBER) -> Inbound:
    return replace(text(body, to=to), at=at)


@pytest.mark.parametrize("registered", ["447700900100", "07700900100", "00447700900100"])
def test_a_number_registered_in_another_spelling_belongs_to_its_account(world: World, registered: str) -> None:
    world.run("UPDATE sender_ids SET sender = %(to)s WHERE sender = %(number)s", to=registered, number=NUMBER)

    assert receives(world, text("STOP")) == [(ADA, "You are out.")]
    assert world.rows("SELECT sender FROM messages") == [registered]
    assert [each.code for each in world.submit(world.order(ADA, sender=registered))[0].refusals] == ["opted_out"]


def test_a_stop_applies_to_every_spelling_of_the_number_among_the_accounts_senders(world: World) -> None:
    for registered in (NUMBER[1:], "07700900100"):
        world.run("INSERT INTO sender_ids (account_id, sender) VALUES (%(id)s, %(s)s)", id=world.account, s=registered)

    receives(world, text("STOP"))

    for sender in (NUMBER, NUMBER[1:], "07700900100"):
        assert [each.code for each in world.submit(world.order(ADA, sender=sender))[0].refusals] == ["opted_out"], (
            sender
        )


def test_stop_from_the_new_form_of_a_number_finds_the_account_that_sent_to_its_old_form(world: World) -> None:
    theirs = other(world)
    world.send("+551187654321", sender=NUMBER)
    world.send("+551187654321", account="other", sender=NUMBER)

    receives(world, text("STOP", phone="+5511987654321"))

    assert world.rows("SELECT account_id FROM opt_outs") == [theirs]


def test_a_stop_from_the_new_form_of_a_number_rejects_a_message_to_its_old_form(world: World) -> None:
    hints = world.pay(world.submit(world.order("+551187654321", sender=NUMBER)))

    receives(world, text("STOP", phone="+5511987654321"))
    deliver(world.rt, [hint.batch for hint in hints])

    assert world.rows("SELECT status, error_code FROM messages ORDER BY id LIMIT 1") == [("rejected", "opted_out")]


# Brought again ---------------------------------------------------------------------------------------------------


def doubtful(body: str, key: str, **fields: Any) -> Inbound:
    return text(body, key=f"{body}/{key}", is_doubtful=True, **fields)


def test_a_possible_duplicate_is_dropped_if_it_equals_the_latest_message(world: World) -> None:
    first, again, between, after = doubtful("STOP", "1"), doubtful("STOP", "2"), text("START"), doubtful("STOP", "3")

    assert [inbound.keep(world.rt, [each]) for each in (first, again, between, after)] == [1, 0, 1, 1]
    assert inbound.keep(world.rt, [doubtful("STOP", "4"), text("START"), doubtful("STOP", "5")]) == 2
    assert inbound.keep(world.rt, [doubtful("STOP", "6", phone=BEN), doubtful("STOP", "7", to="8080")]) == 2


def test_a_part_that_is_a_possible_duplicate_is_compared_with_all_recent_parts(world: World) -> None:
    parts = [doubtful("ST", "1", part_ref=7, part=1, of=2), doubtful("OP", "1", part_ref=7, part=2, of=2)]

    assert inbound.keep(world.rt, parts) == 2
    assert inbound.keep(world.rt, [replace(each, key=f"{each.body}/2") for each in parts]) == 0


def test_an_equal_message_minutes_later_is_stored_as_another(world: World) -> None:
    inbound.keep(world.rt, [doubtful("ok", "1")])
    world.run("UPDATE inbound_messages SET received_at = received_at - interval '6 minutes'")

    assert inbound.keep(world.rt, [doubtful("ok", "2")]) == 1
