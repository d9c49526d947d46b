"""Actions on all messages that a search finds: each message has one result, whatever ends the process that works."""

import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from pipeline.errors import InvalidInput
from pipeline.stages import cancel as cancelling
from pipeline.stages.admin.audit import audit
from pipeline.stages.admin.message_jobs import create_job, find_job, job_items, results_csv
from pipeline.stages.api.account_messages import MessageFilter
from pipeline.stages.cancel import cancel, cancel_portion
from pipeline.stages.resend import resend_portion
from schema.vocabulary import MessageJobState, MessageOperation, Outcome, Status
from tests.stages.launched import numbers
from tests.stages.scripted import Stage
from tests.world import World
from workers import message_job_selection
from workers.message_job_selection import select
from workers.wiring import advance_message_jobs

CANCEL, RESEND = MessageOperation

#: works a job off, and is killed right before its second portion is committed
_KILLED = """
import os, signal, sys
from sqlalchemy import event
from pipeline.runtime import Runtime
from pipeline.settings import Settings
from pipeline.stages import cancel

cancel.PORTION = 2
rt = Runtime(Settings(database_url=sys.argv[1]))
cancel.cancel_portion(rt)
event.listen(rt.engine, "commit", lambda conn: os.kill(os.getpid(), signal.SIGKILL))
cancel.cancel_portion(rt)
"""


@pytest.fixture(autouse=True)
def _sound(world: World) -> Iterator[None]:
    """Whatever a test does here, the invariants hold afterwards."""
    yield
    assert [finding for finding in audit(world.rt) if finding.broken] == []


def _scheduled(world: World, count: int) -> list[UUID]:
    [answer] = world.submit(world.order(*numbers(count), send_at=datetime.now(UTC) + timedelta(hours=1)))
    world.pay([answer])
    return [each for each in answer.messages if each]


def _begin(world: World, operation: MessageOperation) -> UUID:
    """Create a job of all messages of the account; return its id."""
    found = select(world.rt, operation, MessageFilter(world.account, test=False))
    job = world.rt.new_ids()
    create_job(world.rt, job, operation, "acme", found.messages, search={}, skipped=found.left_out)
    return job


def _results(world: World, job: UUID) -> dict[str | None, int]:
    return Counter(each.result for each in job_items(world.rt, job, 0, 1000))


def test_all_matching_messages_are_cancelled_with_one_entry_in_the_audit_log(world: World) -> None:
    _scheduled(world, 5)
    job = _begin(world, CANCEL)

    assert list(advance_message_jobs(world.rt)) == []

    standing = find_job(world.rt, job, "acme")
    assert (standing.job.state, standing.job.done, standing.counts) == (MessageJobState.DONE, 5, {"cancelled": 5})
    assert world.rows("SELECT action FROM audit_log WHERE subject_table IN ('messages', 'message_jobs')") == ["cancel"]
    assert world.balance() == 1_000_000


def test_a_message_that_was_cancelled_meanwhile_is_told_from_those_of_the_job(world: World) -> None:
    first, *_ = _scheduled(world, 3)
    job = _begin(world, CANCEL)
    cancel(world.rt, world.account, [first])

    cancel_portion(world.rt)

    assert _results(world, job) == {"too_late": 1, "cancelled": 2}
    assert world.balance() == 1_000_000


def test_a_form_that_is_posted_twice_makes_one_job(world: World) -> None:
    messages, job = _scheduled(world, 2), world.rt.new_ids()

    for _ in range(2):
        create_job(world.rt, job, CANCEL, "acme", messages, search={}, skipped={})

    assert world.rows("SELECT count(*) FROM message_job_items") == [2]
    assert world.rows("SELECT count(*) FROM audit_log WHERE subject_table = 'message_jobs'") == [1]


def test_a_killed_process_leaves_a_job_that_goes_on_with_one_result_a_message(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    _scheduled(world, 5)
    job = _begin(world, CANCEL)

    command = [sys.executable, "-c", _KILLED, world.rt.settings.database_url.get_secret_value()]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL

    assert _results(world, job) == {"cancelled": 2, None: 3}
    assert world.rows("SELECT count(*) FROM messages WHERE status = 'cancelled'") == [2]
    monkeypatch.setattr(cancelling, "PORTION", 2)
    list(advance_message_jobs(world.rt))
    assert _results(world, job) == {"cancelled": 5}
    assert world.balance() == 1_000_000


def test_two_processes_share_a_job_without_doing_anything_twice(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    _scheduled(world, 12)
    job = _begin(world, CANCEL)
    monkeypatch.setattr(cancelling, "PORTION", 2)
    both = threading.Barrier(2)

    def work() -> None:
        both.wait()
        while find_job(world.rt, job, None).job.state is MessageJobState.RUNNING:
            cancel_portion(world.rt)

    with ThreadPoolExecutor(2) as pool:
        for each in [pool.submit(work) for _ in range(2)]:
            each.result()

    assert _results(world, job) == {"cancelled": 12}
    assert world.balance() == 1_000_000


def test_messages_that_are_left_out_are_counted_by_reason(world: World) -> None:
    _scheduled(world, 2)
    world.send("+2348012345678")

    cancelling_all = select(world.rt, CANCEL, MessageFilter(world.account, test=False))
    resending_all = select(world.rt, RESEND, MessageFilter(world.account, test=False))

    assert (len(cancelling_all.messages), cancelling_all.left_out) == (2, {"too_late": 1})
    assert (resending_all.messages, resending_all.left_out) == ([], {"not_sent": 2, "no_carrier": 1})


def test_what_is_accepted_after_a_preview_is_no_part_of_it(world: World) -> None:
    before = _scheduled(world, 2)
    seen = select(world.rt, CANCEL, MessageFilter(world.account, test=False))
    _scheduled(world, 1)

    confirmed = select(world.rt, CANCEL, MessageFilter(world.account, test=False), seen.cursor)

    assert sorted(confirmed.messages) == sorted(before)


def test_more_messages_than_one_job_may_have_are_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    _scheduled(world, 4)
    monkeypatch.setattr(message_job_selection, "MOST", 3)

    with pytest.raises(InvalidInput, match="more than 3 messages match"):
        select(world.rt, CANCEL, MessageFilter(world.account, test=False, status=Status.SCHEDULED))


def test_messages_in_doubt_and_without_receipts_go_to_another_carrier(stage: Stage) -> None:
    stage.carrier("alpha", Outcome.UNKNOWN)
    beta = stage.carrier("beta")
    doubtful, silent = stage.send(*numbers(2), kind="bulk")
    job = _begin(stage.world, RESEND)

    resent = resend_portion(stage.rt)
    stage.carry(resent.hints)

    assert _results(stage.world, job) == {"resent": 2}
    assert sorted(beta.given) == sorted([doubtful, silent])
    reasons = stage.world.rows("SELECT resend_reason FROM batches WHERE resend_reason IS NOT NULL ORDER BY 1")
    assert reasons == ["doubt", "silence"]
    assert resend_portion(stage.rt).count == 0


def test_a_message_is_resent_as_often_as_the_settings_allow(stage: Stage) -> None:
    for name in ("alpha", "beta", "gamma"):
        stage.carrier(name)
    stage.send()
    _begin(stage.world, RESEND)
    stage.carry(resend_portion(stage.rt).hints)

    again = select(stage.rt, RESEND, MessageFilter(stage.world.account, test=False))

    assert (again.messages, again.left_out) == ([], {"resent_before": 1})


def test_a_message_with_a_receipt_by_then_is_not_resent(stage: Stage) -> None:
    stage.carrier("alpha")
    beta = stage.carrier("beta")
    [message] = stage.send()
    job = _begin(stage.world, RESEND)
    stage.receive(message, "alpha")

    stage.carry(resend_portion(stage.rt).hints)

    assert _results(stage.world, job) == {"too_late": 1}
    assert beta.given == []


def test_a_file_of_results_has_masked_numbers_and_one_in_full_is_audited(world: World) -> None:
    [message] = _scheduled(world, 1)
    job = _begin(world, CANCEL)
    cancel_portion(world.rt)
    standing = find_job(world.rt, job, None)

    masked, full = ("".join(results_csv(world.rt, standing, numbers=each)) for each in (False, True))

    assert masked.splitlines() == ["message,number,result,status", f"{message},+2348*******00,cancelled,cancelled"]
    assert "+2348012000000" in full
    assert world.rows("SELECT action FROM audit_log WHERE subject = %(job)s", job=str(job)) == ["cancel", "download"]
