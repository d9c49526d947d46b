"""Fixtures of the stages' tests."""

from collections.abc import Iterator
from functools import partial

import pytest

from pipeline.carriers import registry
from pipeline.carriers.contract import CarrierKind
from pipeline.stages.admin.audit import audit
from tests.stages.scripted import KIND, Line, Scripted, Stage
from tests.world import World


@pytest.fixture
def stage(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """Yield a world with scripted carriers; the invariants are checked afterwards."""
    lines: dict[str, Line] = {}
    monkeypatch.setitem(registry.KINDS, KIND, CarrierKind(KIND, partial(Scripted, lines)))
    yield Stage(world, lines)
    assert [finding for finding in audit(world.rt) if finding.broken] == []
