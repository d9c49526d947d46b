"""Pages of an endpoint's webhook deliveries by state."""

from collections.abc import Iterator
from uuid import UUID, uuid4

import pytest

from pipeline.errors import InvalidInput
from pipeline.stages.api.delivery_pages import delivery_page
from schema.vocabulary import DeliveryState
from tests.world import World

ENDPOINT, OTHER = uuid4(), uuid4()

_DELIVERIES = """
INSERT INTO webhook_deliveries (concurrency_key, event_id, message_id, status, at, state, due_at, done_at)
SELECT %(endpoint)s, gen_random_uuid(), gen_random_uuid(), 'sent', now(), %(state)s,
       now() + n / 2 * interval '1 minute',
       CASE WHEN %(state)s <> 'waiting' THEN now() - n / 2 * interval '1 minute' END
FROM generate_series(1, 7) AS n
"""


@pytest.fixture
def deliveries(world: World) -> None:
    """Seven of each state, two of each time, and as many of another endpoint."""
    for endpoint in (ENDPOINT, OTHER):
        for state in DeliveryState:
            world.run(_DELIVERIES, endpoint=endpoint, state=str(state))


def pages(world: World, state: DeliveryState, size: int) -> Iterator[list[UUID]]:
    cursor = ""
    while True:
        page = delivery_page(world.rt, ENDPOINT, state, cursor, size)
        yield [each.id for each in page.deliveries]
        if not page.cursor:
            return
        cursor = page.cursor


@pytest.mark.usefixtures("deliveries")
@pytest.mark.unsound("deliveries of no message")
@pytest.mark.parametrize("state", list(DeliveryState))
def test_pages_have_each_delivery_of_the_state_once_and_in_order(world: World, state: DeliveryState) -> None:
    order = "due_at, id" if state is DeliveryState.WAITING else "done_at DESC, id DESC"
    wanted = world.rows(
        f"SELECT id FROM webhook_deliveries WHERE concurrency_key = %(id)s AND state = %(state)s ORDER BY {order}",
        id=ENDPOINT,
        state=str(state),
    )

    found = list(pages(world, state, 3))

    assert [len(each) for each in found] == [3, 3, 1]
    assert [each for page in found for each in page] == wanted


def test_a_cursor_that_no_page_had_is_refused(world: World) -> None:
    with pytest.raises(InvalidInput):
        delivery_page(world.rt, ENDPOINT, DeliveryState.DEAD, "first", 3)
