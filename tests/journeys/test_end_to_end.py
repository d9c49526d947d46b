"""A message from its order to the carrier."""

from collections.abc import Iterator

import pytest

from pipeline.stages.admin.audit import audit
from tests.world import World


@pytest.fixture(autouse=True)
def _sound(world: World) -> Iterator[None]:
    """Whatever a test does here, the invariants hold afterwards."""
    yield
    assert [finding for finding in audit(world.rt) if finding.broken] == []


def test_an_order_is_sent_to_its_carrier_and_charged(world: World) -> None:
    answer = world.send("+2348012345678", "+447911123456")

    assert [world.status(message) for message in answer.messages] == ["sent", "sent"]
    assert world.rows("SELECT outcome, carrier FROM provider_attempts") == [("accepted", "alpha")] * 2
    assert world.balance() == 1_000_000 - 800
