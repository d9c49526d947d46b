"""The submission service: concurrent requests are written together, answered one by one, and replayed when repeated."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from pipeline.dialects.contract import SendRequest
from pipeline.errors import DatabaseFault
from pipeline.runtime import Runtime
from pipeline.stages.admit import admit
from pipeline.stages.api.take_rate_limits import LimitTake, Refused
from pipeline.stages.api.verification import CheckedCode, challenge, check
from pipeline.stages.ingest import ingest
from pipeline.store import batches
from schema.api import ApiResponse, Challenge
from schema.message import Answered
from schema.vocabulary import Code, Encoding
from tests.world import World
from workers.api.submission import SubmissionService

#: runs a story with a submission service of its own; returns what the story does
AtSubmission = Callable[[Callable[[SubmissionService], Awaitable[Any]]], Any]


@pytest.fixture
def at_submission(world: World) -> AtSubmission:
    """Runs a coroutine with a submission service of its own."""

    def run(story: Callable[[SubmissionService], Awaitable[Any]]) -> Any:
        async def main() -> Any:
            submission = SubmissionService(Runtime(world.rt.settings))
            try:
                return await asyncio.wait_for(story(submission), 60)
            finally:
                submission.close()

        return asyncio.run(main())

    return run


def sending(world: World, *numbers: str, takes: tuple[LimitTake, ...] = (), **fields: Any) -> SendRequest:
    return SendRequest(world.rt.new_ids(), world.order(*numbers, **fields), takes)


async def all_of(submission: SubmissionService, sendings: list[SendRequest]) -> list[Any]:
    return await asyncio.gather(*(submission.send(each) for each in sendings), return_exceptions=True)


def test_concurrent_requests_share_batches_and_are_each_answered(world: World, at_submission: AtSubmission) -> None:
    asked = [sending(world, f"+23480312345{place:02}", body="é" * place) for place in range(1, 81)]

    answers = at_submission(lambda submission: all_of(submission, asked))

    assert [answer.request for answer in answers] == [each.request for each in asked]
    written = [answer.messages[0] for answer in answers]
    assert [each.phone for each in written] == [each.order.recipients[0].to for each in asked]
    assert [each.body for each in written] == [each.order.body for each in asked]
    assert {(each.encoding, each.segments, each.amount, each.refusal) for each in written} == {
        (Encoding.GSM7, 1, 400, None)
    }
    assert len(world.rows("SELECT id FROM batches")) < len(asked) / 4


def test_an_invalid_number_fails_only_its_own_request(world: World, at_submission: AtSubmission) -> None:
    asked = [sending(world), sending(world, "12"), sending(world, account="nobody")]

    good, bad, nobody = at_submission(lambda submission: all_of(submission, asked))

    assert good.messages[0].segments == 1
    assert (bad.messages, [each.code for each in bad.refusals]) == ([None], [Code.PHONE_INVALID])
    assert (nobody.messages, [each.code for each in nobody.refusals]) == ([None], [Code.ACCOUNT_UNKNOWN])


def test_concurrent_requests_with_one_idempotency_key_create_one_message(
    world: World, at_submission: AtSubmission
) -> None:
    asked = [sending(world, door="robase.send", idempotency_key="ride-7") for _ in range(50)]

    answers: list[Answered] = at_submission(lambda submission: all_of(submission, asked))

    assert len({answer.request for answer in answers}) == 1
    assert len({answer.messages[0] for answer in answers}) == 1
    assert world.rows("SELECT count(*) FROM messages") == [1]
    assert world.balance() == 1_000_000 - 400


def test_the_same_idempotency_key_in_another_scope_is_another_request(
    world: World, at_submission: AtSubmission
) -> None:
    asked = [sending(world, door=door, idempotency_key="ride-7") for door in ("robase.send", "robase.batch", None)]

    answers = at_submission(lambda submission: all_of(submission, asked))

    assert len({answer.messages[0].id for answer in answers}) == 3
    assert not any(answer.replayed for answer in answers)


def test_a_request_written_but_not_billed_is_completed_when_it_is_repeated(
    world: World, at_submission: AtSubmission
) -> None:
    # written and committed, then its process was killed: not measured, not paid for, nobody answered
    order = world.order(door="robase.send", idempotency_key="ride-7")
    [dead] = ingest(world.rt, admit(world.rt, [(uuid4(), order)]))

    [again] = at_submission(lambda submission: all_of(submission, [SendRequest(world.rt.new_ids(), order)]))

    assert (again.request, again.replayed, again.altered) == (dead.request, True, False)
    assert (again.messages[0].id, again.messages[0].segments, again.messages[0].amount) == (dead.messages[0], 1, 400)
    assert world.rows("SELECT status FROM batches") == ["queued"]
    assert world.balance() == 1_000_000 - 400


def test_a_replayed_response_is_unchanged_after_the_message_was_sent(world: World, at_submission: AtSubmission) -> None:
    world.add_carrier("alpha", {"refuse_transient": 1.0}, rank=1)
    world.add_carrier("beta", rank=2)
    asked = sending(world, door="robase.send", idempotency_key="ride-7")
    [first] = at_submission(lambda submission: all_of(submission, [asked]))
    world.deliver_all(_queued(world))

    [again] = at_submission(
        lambda submission: all_of(submission, [sending(world, door="robase.send", idempotency_key="ride-7")])
    )

    assert again.replayed
    assert again.messages == first.messages


def test_a_replay_takes_nothing_from_a_rate_limit_and_an_exhausted_one_refuses(
    world: World, at_submission: AtSubmission
) -> None:
    once = (LimitTake(f"test:{uuid4()}", rate=0.001, burst=1),)
    keyed = {"door": "solaris", "idempotency_key": "k1"}

    async def story(submission: SubmissionService) -> list[Any]:
        return [
            (await all_of(submission, [sending(world, takes=once, **fields)]))[0]
            for fields in (keyed, keyed, {"door": "solaris", "idempotency_key": "k2"})
        ]

    first, replay, refused = at_submission(story)

    assert replay.messages == first.messages
    assert isinstance(refused, Refused)
    assert refused.wait > 100
    assert world.rows("SELECT count(*) FROM messages") == [1]


def test_requests_retried_alone_after_a_failed_micro_batch_take_their_limits_once(
    world: World, at_submission: AtSubmission
) -> None:
    # no column holds so many attempts: a fault of ours, that spoils it for all who came together
    order = world.order(message_class="otp")
    broken = Challenge(world.rt.new_ids(), world.account, None, b"", 100_000, datetime.now(UTC))
    takes = [(LimitTake(f"test:{uuid4()}", rate=0.001, burst=1),) for _ in range(3)]
    asked = [
        sending(world, takes=takes[0]),
        SendRequest(broken.id, order, takes[1], broken),
        sending(world, takes=takes[2], door="solaris", idempotency_key="k1"),
    ]

    first, spoilt, last = at_submission(lambda submission: all_of(submission, asked))
    again, *refused = at_submission(
        lambda submission: all_of(
            submission,
            [
                sending(world, takes=takes[2], door="solaris", idempotency_key="k1"),
                *(sending(world, takes=each) for each in takes),
            ],
        )
    )

    assert [first.messages[0].refusal, last.messages[0].refusal] == [None, None]
    assert isinstance(spoilt, DatabaseFault)
    assert again.replayed
    assert [type(each) for each in refused] == [Refused] * 3
    assert world.rows("SELECT count(*) FROM messages") == [2]


def test_a_message_that_the_wallet_does_not_cover_is_refused(world: World, at_submission: AtSubmission) -> None:
    world.run("UPDATE wallets SET balance = 500")

    first, second = at_submission(lambda submission: all_of(submission, [sending(world), sending(world)]))

    assert {each.messages[0].refusal for each in (first, second)} == {None, Code.INSUFFICIENT_FUNDS}


def test_the_results_of_a_large_order_are_in_the_order_of_its_recipients(
    world: World, at_submission: AtSubmission
) -> None:
    numbers = [f"+2348031{place:06}" for place in range(2500)]
    numbers[7] = "nonsense"

    [answer] = at_submission(lambda submission: all_of(submission, [sending(world, *numbers)]))

    assert answer.messages[7] is None
    assert [each.phone for each in answer.messages if each] == numbers[:7] + numbers[8:]
    assert [refusal.index for refusal in answer.refusals] == [7]


def test_concurrent_lookups_share_one_query_and_fail_separately(world: World, at_submission: AtSubmission) -> None:
    runs, sent = [], [sending(world, f"+23480312345{place:02}") for place in range(8)]
    no_such = ApiResponse(404, b"")

    def find(rt: Runtime, places: Sequence[int]) -> list[int]:
        runs.append(list(places))
        return [-place for place in places]

    def make(found: int) -> SendRequest | ApiResponse:
        return sent[-found] if found > -8 else no_such if found == -8 else [][found]

    async def story(submission: SubmissionService) -> list[Any]:
        return await asyncio.gather(*(submission.send_found(find, n, make) for n in range(10)), return_exceptions=True)

    *found, refused, broken = at_submission(story)

    assert runs == [list(range(10))]
    assert [each for each, _ in found] == sent
    assert [answered.messages[0].phone for _, answered in found] == [each.order.recipients[0].to for each in sent]
    assert refused is no_such
    assert isinstance(broken, IndexError)
    assert len(world.rows("SELECT id FROM batches")) == 1


def test_challenges_are_stored_also_when_the_wallet_does_not_cover_all_messages(
    world: World, at_submission: AtSubmission
) -> None:
    # the second is short of money, so both go the long way; what was opened on the short one is open there too
    world.run("UPDATE wallets SET balance = 500")
    ends = datetime.now(UTC) + timedelta(minutes=5)
    rt, account = world.rt, world.account
    opened = [challenge(rt, rt.new_ids(), account, code, expires_at=ends, max_attempts=3) for code in "12"]
    asked = [SendRequest(each.id, world.order(message_class="otp"), (), each) for each in opened]

    answers = at_submission(lambda submission: all_of(submission, asked))

    assert {each.messages[0].refusal for each in answers} == {None, Code.INSUFFICIENT_FUNDS}
    assert [check(rt, account, each.id, code) for each, code in zip(opened, "12", strict=True)] == [
        CheckedCode.VALID,
        CheckedCode.VALID,
    ]


def _queued(world: World) -> list[Any]:
    with world.rt.begin() as conn:
        return batches.hints(
            conn.exec_driver_sql(
                "SELECT id, class AS message_class, carrier, size FROM batches WHERE status = 'queued'"
            )
        )
