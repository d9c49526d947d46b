"""The progress of requests."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from pipeline.stages.admin.request_progress import Progress, progress
from tests.world import World


def test_progress_counts_the_messages_of_a_request_by_public_status(world: World) -> None:
    sent = world.send("+2348012345678", "nobody", "+2348012345679")
    [queued] = world.submit(world.order("+2348012345678"))
    [later] = world.submit(world.order(send_at=datetime.now(UTC) + timedelta(hours=1)))

    found = progress(world.rt, [sent.request, queued.request, later.request])

    assert found == {
        sent.request: Progress(3, 1, {"sent": 2}),
        queued.request: Progress(1, 0, {"queued": 1}),
        later.request: Progress(1, 0, {"scheduled": 1}),
    }


def test_a_request_refused_as_a_whole_has_no_messages(world: World) -> None:
    answer = world.send("+2348012345678", account="nobody")

    assert progress(world.rt, [answer.request]) == {answer.request: Progress(1, 1)}


def test_requests_that_were_not_processed_are_left_out(world: World) -> None:
    assert progress(world.rt, [uuid4()]) == {}
    assert progress(world.rt, []) == {}
