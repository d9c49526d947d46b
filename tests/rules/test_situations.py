"""What a choice of carrier hung on, as it is kept."""

import json
from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pipeline.rules.numbering import Numbering
from pipeline.rules.routes import Ask, RouteTable
from pipeline.rules.situations import Route, Situation, Standing, read, write
from schema.routing import Capability
from schema.vocabulary import CarrierState
from tests.rules.tables import CARRIERS, asks, situations


def restored(situation: Situation) -> Situation:
    """Return what is read of a situation that was kept."""
    kept = write(situation)
    pieces: dict[bytes, Any] = {digest: json.loads(text) for digest, text in kept.pieces.items()}
    return read(pieces[kept.digest], pieces.__getitem__)


@given(situations, asks, st.frozensets(st.sampled_from(CARRIERS)))
def test_what_was_kept_decides_as_it_did(situation: Situation, ask: Ask, tried: frozenset[str]) -> None:
    before = RouteTable(situation).decide(ask, tried)

    after = RouteTable(restored(situation)).decide(ask, tried)

    assert after == before


@given(situations)
def test_a_situation_is_the_same_however_its_lines_are_ordered(situation: Situation) -> None:
    turned = Situation(situation.routes[::-1], situation.carriers, situation.unwell, situation.numbering)

    assert write(turned).digest == write(situation).digest == write(restored(situation)).digest


def test_whatever_a_choice_hangs_on_makes_another_situation() -> None:
    line = Route("*", "a", 1, 100, own=False)
    others = [
        Situation([Route("*", "a", 1, 100, own=True)]),
        Situation([Route("*", "a", 1, 99, own=False)]),
        Situation([Route("*", "a", 1, 100, own=False, from_at=datetime(2027, 3, 1, tzinfo=UTC))]),
        Situation([line], {"a": Standing(CarrierState.DRAINED)}),
        Situation([line], {"a": Standing(lacks=frozenset({Capability.UCS2}))}),
        Situation([line], unwell=frozenset({"a"})),
        Situation([line], numbering=Numbering({"234": "621-20"})),
        Situation([line]),
    ]

    assert len({write(each).digest for each in others}) == len(others)


def test_a_fault_of_a_carrier_writes_no_line_of_the_table_again() -> None:
    lines = [Route(f"234{number}", "a", 1, 100, own=False) for number in range(100)]

    well, unwell = write(Situation(lines)), write(Situation(lines, unwell=frozenset({"a"})))

    [new] = unwell.pieces.keys() - well.pieces.keys()
    assert new == unwell.digest
    assert len(unwell.pieces[new]) < 500
