"""The road of a message, from an order to its receipt."""

from collections.abc import Iterator

import pytest

from pipeline.stages.admin.audit import audit
from tests.world import World


@pytest.fixture(autouse=True)
def _sound(world: World) -> Iterator[None]:
    """Whatever a test does here, the invariants hold afterwards."""
    yield
    assert [finding for finding in audit(world.rt) if finding.broken] == []


def test_an_order_reaches_its_carrier(world: World) -> None:
    answer = world.send("+2348012345678", "+447911123456")

    assert [world.status(message) for message in answer.messages] == ["sent", "sent"]
    assert world.rows("SELECT outcome, carrier FROM provider_attempts") == [("accepted", "alpha")] * 2
    assert world.balance() == 1_000_000 - 800
