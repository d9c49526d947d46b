"""Verification codes: only hashes are stored, wrong guesses are counted exactly, and expiry is checked first."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr

from pipeline.dialects.telesign.operations import API
from pipeline.settings import Settings
from pipeline.stages.api.choose_sender import SenderPreference, choose_senders
from pipeline.stages.api.verification import (
    CheckedCode,
    challenge,
    check,
    complete,
    make_code,
    message_statuses,
    open_challenges,
)
from pipeline.stages.hourly_maintenance import CHALLENGE_DAYS, maintain
from pipeline.store import accounts
from pipeline.store.api import challenges
from schema.vocabulary import ChallengeState, SenderState
from tests.world import World

CODE, WRONG = "1234567", "7654321"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Settings with a secret key and connections for a crowd."""
    return settings.model_copy(update={"secret_key": SecretStr("a secret of these tests, long enough"), "pool_size": 8})


def opened(world: World, code: str = CODE, attempts: int = 3, seconds: float = 300, **fields: Any) -> UUID:
    """Return the id of an open challenge."""
    id_: UUID = world.rt.new_ids()
    ends = world.rt.now() + timedelta(seconds=seconds)
    made = challenge(world.rt, id_, world.account, code, expires_at=ends, max_attempts=attempts, **fields)
    open_challenges(world.rt, [made])
    return id_


def guess(world: World, id_: UUID, code: str) -> CheckedCode:
    return check(world.rt, world.account, id_, code)


def counted(world: World, id_: UUID) -> int:
    [found] = world.rows("SELECT attempts FROM challenges WHERE id = %(id)s", id=id_)
    return int(found)


def state(world: World, id_: UUID) -> ChallengeState:
    with world.rt.begin() as conn:
        return challenges.states(conn, [id_])[id_]


def expire(world: World, id_: UUID) -> None:
    world.run("UPDATE challenges SET expires_at = now() - interval '1 second' WHERE id = %(id)s", id=id_)


def test_the_right_code_is_valid_repeatedly_and_counts_no_attempt(world: World) -> None:
    id_ = opened(world, attempts=1)

    assert [guess(world, id_, CODE) for _ in range(3)] == [CheckedCode.VALID] * 3
    assert (counted(world, id_), state(world, id_)) == (0, ChallengeState.VERIFIED)


@pytest.mark.parametrize("wrong", [WRONG, CODE[:-1], CODE + "0", "", " " + CODE, "é", "\0", "x" * 10_000])
def test_any_other_code_is_invalid_and_counts_an_attempt(world: World, wrong: str) -> None:
    id_ = opened(world)

    assert guess(world, id_, wrong) is CheckedCode.INVALID
    assert (counted(world, id_), state(world, id_)) == (1, ChallengeState.OPEN)


def test_after_the_last_attempt_even_the_right_code_is_refused(world: World) -> None:
    id_ = opened(world, attempts=5)

    assert [guess(world, id_, WRONG) for _ in range(5)] == [CheckedCode.INVALID] * 5
    assert guess(world, id_, CODE) is CheckedCode.MAX_ATTEMPTS_EXCEEDED
    assert guess(world, id_, WRONG) is CheckedCode.MAX_ATTEMPTS_EXCEEDED
    assert (counted(world, id_), state(world, id_)) == (5, ChallengeState.FAILED)


def test_the_right_code_does_not_reset_the_count_of_wrong_ones(world: World) -> None:
    id_ = opened(world)

    found = [guess(world, id_, code) for code in (WRONG, CODE, WRONG, WRONG, CODE)]

    assert found == [
        CheckedCode.INVALID,
        CheckedCode.VALID,
        CheckedCode.INVALID,
        CheckedCode.INVALID,
        CheckedCode.MAX_ATTEMPTS_EXCEEDED,
    ]
    assert state(world, id_) is ChallengeState.VERIFIED


def test_expiry_is_checked_before_the_attempts_and_the_code(world: World) -> None:
    spent, fresh = opened(world, attempts=1), opened(world)
    guess(world, spent, WRONG)
    guess(world, fresh, CODE)
    expire(world, spent)
    expire(world, fresh)

    assert guess(world, spent, WRONG) is CheckedCode.EXPIRED
    assert guess(world, fresh, CODE) is CheckedCode.EXPIRED
    assert (counted(world, spent), counted(world, fresh)) == (1, 0)


def test_a_code_is_valid_until_exactly_its_expiry(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    id_ = opened(world)
    [ends] = world.rows("SELECT expires_at FROM challenges WHERE id = %(id)s", id=id_)

    monkeypatch.setattr(world.rt, "now", lambda: ends - timedelta(microseconds=1))
    assert guess(world, id_, CODE) is CheckedCode.VALID
    monkeypatch.setattr(world.rt, "now", lambda: ends)
    assert guess(world, id_, CODE) is CheckedCode.EXPIRED


def test_a_challenge_of_another_account_is_as_unknown_as_one_that_does_not_exist(world: World) -> None:
    id_ = opened(world)

    assert guess(world, world.rt.new_ids(), CODE) is CheckedCode.UNKNOWN
    assert check(world.rt, world.account + 1, id_, CODE) is CheckedCode.UNKNOWN
    assert counted(world, id_) == 0


def test_the_same_code_has_a_different_hash_in_each_challenge(world: World) -> None:
    first, second = opened(world), opened(world)

    hashes = world.rows("SELECT DISTINCT code_hash FROM challenges WHERE id = ANY(%(ids)s)", ids=[first, second])
    assert len(hashes) == 2
    assert all(CODE.encode() not in each for each in hashes)


def test_fifty_concurrent_wrong_guesses_are_counted_up_to_the_limit(world: World) -> None:
    id_ = opened(world, attempts=7)

    with ThreadPoolExecutor(8) as crowd:
        found = list(crowd.map(lambda _: guess(world, id_, WRONG), range(50)))

    assert found.count(CheckedCode.INVALID) == 7
    assert found.count(CheckedCode.MAX_ATTEMPTS_EXCEEDED) == 43
    assert counted(world, id_) == 7


def test_fifty_concurrent_guesses_below_the_limit_are_all_counted(world: World) -> None:
    id_ = opened(world, attempts=100)

    with ThreadPoolExecutor(8) as crowd:
        found = list(crowd.map(lambda _: guess(world, id_, WRONG), range(50)))

    assert found.count(CheckedCode.INVALID) == 50
    assert counted(world, id_) == 50


def test_opening_an_existing_challenge_again_does_not_change_it(world: World) -> None:
    id_ = opened(world, attempts=1)
    guess(world, id_, WRONG)
    ends = world.rt.now() + timedelta(hours=1)
    again = challenge(world.rt, id_, world.account, WRONG, expires_at=ends, max_attempts=9)

    open_challenges(world.rt, [again, replace(again, id=world.rt.new_ids())])

    assert guess(world, id_, CODE) is CheckedCode.MAX_ATTEMPTS_EXCEEDED
    assert world.rows("SELECT count(*) FROM challenges") == [2]


def test_opening_no_challenges_writes_no_row(world: World) -> None:
    open_challenges(world.rt, [])

    assert world.rows("SELECT count(*) FROM challenges") == [0]


def test_the_first_completion_of_a_challenge_sets_its_time(world: World) -> None:
    id_ = opened(world)

    assert complete(world.rt, world.account, id_)
    [first] = world.rows("SELECT completed_at FROM challenges WHERE id = %(id)s", id=id_)
    assert complete(world.rt, world.account, id_)
    assert world.rows("SELECT completed_at FROM challenges WHERE id = %(id)s", id=id_) == [first]


def test_only_the_own_account_completes_a_challenge(world: World) -> None:
    id_ = opened(world)

    assert not complete(world.rt, world.account + 1, id_)
    assert not complete(world.rt, world.account, world.rt.new_ids())
    assert world.rows("SELECT completed_at FROM challenges WHERE id = %(id)s", id=id_) == [None]


def test_old_challenges_are_deleted(world: World) -> None:
    old, young = opened(world), opened(world)
    ages = {old: CHALLENGE_DAYS + 1, young: CHALLENGE_DAYS - 1}
    for id_, days in ages.items():
        world.run(
            "UPDATE challenges SET created_at = now() - %(days)s * interval '1 day' WHERE id = %(id)s",
            id=id_,
            days=days,
        )

    maintain(world.rt)

    assert world.rows("SELECT id FROM challenges") == [young]


def test_codes_have_the_number_of_digits_asked_for_and_differ() -> None:
    codes = {make_code() for _ in range(200)}

    assert {len(code) for code in codes} == {7}
    assert all(code.isdecimal() for code in codes)
    assert len(codes) > 190
    assert {len(make_code(digits)) for digits in (3, 6) for _ in range(50)} == {3, 6}


def test_the_repr_of_a_challenge_does_not_contain_its_hash(world: World) -> None:
    made = challenge(world.rt, world.rt.new_ids(), 1, CODE, expires_at=world.rt.now(), max_attempts=3)

    assert "code_hash" not in repr(made)


def test_message_statuses_come_in_the_order_asked(world: World) -> None:
    sent = world.send(door=API, message_class="otp")
    other = world.send()

    found = message_statuses(
        world.rt,
        [
            (world.account, "telesign", world.rt.new_ids(), False),
            (world.account, "telesign", sent.request, False),
            (world.account, "telesign", other.request, False),
            (0, "telesign", sent.request, False),
            (world.account, "telesign", sent.request, True),
        ],
    )

    assert [each and each.status for each in found] == [None, "sent", None, None, None]


# Senders ---------------------------------------------------------------------------------------------------------


def test_the_sender_is_the_first_preferred_one_that_is_approved_or_the_accounts_first(world: World) -> None:
    with world.rt.begin() as conn:
        accounts.set_sender(conn, world.account, "SECOND")
        accounts.set_sender(conn, world.account, "PENDING", SenderState.PENDING)
        nobody = accounts.create(conn, "nobody", "NGN")
        assert nobody is not None

    found = choose_senders(
        world.rt,
        [
            SenderPreference(world.account),
            SenderPreference(world.account, ("SECOND",)),
            SenderPreference(world.account, ("NOT OURS", "PENDING", "SECOND", "ACME")),
            SenderPreference(world.account, ("NOT OURS",)),
            SenderPreference(nobody, ("ACME",)),
        ],
    )

    assert found == ["ACME", "SECOND", "SECOND", "ACME", None]


def test_the_sender_is_one_that_is_approved_in_the_numbers_country(world: World) -> None:
    with world.rt.begin() as conn:
        for sender in ("GERMAN", "AFRICA"):
            accounts.set_sender(conn, world.account, sender)
    world.run("UPDATE sender_ids SET countries = '{GB}' WHERE sender = 'ACME'")
    world.run("UPDATE sender_ids SET countries = '{DE}' WHERE sender = 'GERMAN'")
    world.run("UPDATE sender_ids SET countries = '{NG,GH}' WHERE sender = 'AFRICA'")
    lagos, accra, berlin, paris = "+2348012345678", "+233201234567", "+4915205555555", "+33612345678"

    found = choose_senders(
        world.rt,
        [
            SenderPreference(world.account, (), lagos),
            SenderPreference(world.account, ("GERMAN",), accra),
            SenderPreference(world.account, ("AFRICA", "GERMAN"), berlin),
            SenderPreference(world.account, ("ACME",), paris),
            SenderPreference(world.account, ("ACME",), "no number"),
        ],
    )

    assert found == ["AFRICA", "AFRICA", "GERMAN", None, None]
