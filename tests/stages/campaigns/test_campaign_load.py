"""Load a campaign's recipients: rows by COPY, numbers normalised, a repeated load recognized."""

from typing import Any

import pytest

from pipeline.errors import Conflict, InvalidInput
from pipeline.stages.campaigns.check_rows import start_check
from pipeline.stages.campaigns.create import create
from pipeline.stages.campaigns.load import PORTION, end_load, load, load_page
from schema.campaign import GivenRow
from tests.campaigns import checked, counts, definition, draft, now, rows_of, verdicts
from tests.world import World
from workers.campaign_loading import load_file

ROW = """
SELECT phone, country, correlation_id, merge, verdict FROM campaign_rows WHERE campaign_id = %(id)s ORDER BY line
"""


def many(rows: int, last: str = "Ada") -> list[GivenRow]:
    """Return rows with different numbers; the last one has this name."""
    found = rows_of(*(f"+23480{number:08}" for number in range(rows)))
    return [*found[:-1], GivenRow(found[-1].line, {"to": f"+23480{rows:08}", "merge": {"name": last}})]


def test_numbers_are_normalised_by_the_row_s_country_or_the_campaign_s(world: World) -> None:
    made = create(world.rt, definition(country="NG"))
    given: list[Any] = [
        {"to": "0803 123 4567", "correlation_id": "a-1", "merge": {"name": "Ada"}},
        {"to": "0664/1234567", "country": "AT"},
        {"to": "+44 (0)7400 123456"},
        {"to": "nix"},
    ]

    result = load(world.rt, made.id, [GivenRow(line, each) for line, each in enumerate(given, 2)])

    assert world.rows(ROW, id=made.id) == [
        ("+2348031234567", None, "a-1", {"name": "Ada"}, None),
        ("+436641234567", "AT", None, None, None),
        ("+447400123456", None, None, None, None),
        ("nix", None, None, None, "phone_invalid"),
    ]
    assert (result.new, [line for line, _ in result.faults]) == (4, [5])
    assert (counts(world, made).rows, counts(world, made).skipped, counts(world, made).pending) == (4, 1, 3)


def test_a_malformed_line_becomes_a_row_so_that_line_numbers_and_sums_agree(world: World) -> None:
    made = create(world.rt, definition())
    faulty: dict[object, str] = {
        "x": "Input should be .*",
        1: "Input should be .*",
        "missing": "to: Field required",
        "more": "colour: is not a known field",
        "nul": "to: must not hold control characters",
        "field": "merge.name: must not hold control characters",
    }
    given = ["x", 1, {}, {"to": "+2348031234567", "colour": "red"}, {"to": "+234\0"}]
    given += [{"to": "+2348031234567", "merge": {"name": "\0"}}, {"to": "+2348031234567"}]
    rows = [GivenRow(line, each) for line, each in enumerate(given, 2)]

    result = load(world.rt, made.id, [*rows, GivenRow(9, None, "2 cells where the header has 3")])

    assert list(verdicts(world, made).values()) == ["malformed"] * 6 + [None, "malformed"]
    assert [line for line, _ in result.faults] == [2, 3, 4, 5, 6, 7, 9]
    words = [words for _, words in result.faults]
    assert words[2:] == [*list(faulty.values())[2:], "2 cells where the header has 3"]
    assert (counts(world, made).rows, counts(world, made).skipped) == (8, 7)


def test_a_load_that_was_killed_goes_on_after_the_portions_that_were_committed(world: World) -> None:
    made, rows = create(world.rt, definition()), many(2 * PORTION + 5)
    load(world.rt, made.id, rows[:PORTION])
    whole = draft(world, (), "whole")
    load_file(world.rt, whole.id, iter(rows))

    done = load_file(world.rt, made.id, iter(rows))
    again = load_file(world.rt, made.id, iter(rows))

    assert (done.rows, done.new, again.rows, again.new) == (len(rows), len(rows) - PORTION, len(rows), 0)
    assert world.rows("SELECT count(*) FROM campaign_rows WHERE campaign_id = %(id)s", id=made.id) == [len(rows)]
    assert counts(world, made).digest == counts(world, whole).digest


def test_another_file_is_refused_at_the_first_line_that_differs(world: World) -> None:
    made = draft(world, many(10))
    other = many(10)
    other[4] = GivenRow(6, {"to": "+447400123456", "merge": {"name": "Ada"}})
    another = [*many(10)[:4], GivenRow(6, None, "malformed"), *many(10)[5:]]

    for rows, words in (
        (many(10, "Eve"), "line 11 differs from what was loaded before"),
        (other, "line 6 differs"),
        (another, "line 6 differs"),
        ([each for each in many(10) if each.line != 6], "line 6 differs"),
        ([GivenRow(1, {"to": "+447400123456"}), *many(10)[1:]], "line 1 differs"),
    ):
        with pytest.raises(Conflict, match=words):
            load(world.rt, made.id, rows)
    with pytest.raises(Conflict, match=r"the campaign has 10 rows, this file 4"):
        load_file(world.rt, made.id, iter(many(10)[:4]))
    end_load(world.rt, made.id, 10)
    assert counts(world, made).rows == 10


def test_lines_that_were_added_to_a_file_are_loaded_and_the_quote_is_void(world: World) -> None:
    made = checked(world, draft(world, many(10)))
    assert made.state == "quoted"

    done = load_file(world.rt, made.id, iter([*many(10), GivenRow(12, {"to": "+447400123456"})]))

    assert (done.rows, done.new, now(world, made).state) == (11, 1, "stale")


def test_pages_come_in_any_order_and_more_than_once(world: World) -> None:
    made = create(world.rt, definition())
    first, second = [{"to": "+2348031234567"}, {"to": "+2348031234568"}], [{"to": "+447400123456"}]

    results = [load_page(world.rt, made.id, *page) for page in ((2, second), (1, first), (2, second))]

    assert [(each.new, each.known) for each in results] == [(1, 0), (2, 0), (0, 1)]
    assert sorted(verdicts(world, made)) == [1, 2, PORTION + 1]
    with pytest.raises(Conflict, match="line 1 differs"):
        load_page(world.rt, made.id, 1, list(reversed(first)))
    with pytest.raises(InvalidInput, match="numbered from 1"):
        load_page(world.rt, made.id, 0, first)
    with pytest.raises(InvalidInput, match="at most 10,000 rows"):
        load_page(world.rt, made.id, 3, first * PORTION)


def test_nothing_is_loaded_while_rows_are_checked_or_with_lines_out_of_order(world: World) -> None:
    made = draft(world, rows_of("+2348031234567"))

    with pytest.raises(InvalidInput, match="must ascend"):
        load(world.rt, made.id, [*rows_of("+2348031234567", first=5), *rows_of("+2348031234567", first=4)])
    start_check(world.rt, made.id)
    with pytest.raises(Conflict, match="is checking: no recipients can be loaded"):
        load(world.rt, made.id, rows_of("+2348031234567", first=5))


def test_a_test_campaign_takes_the_numbers_of_vendors_sandboxes(world: World) -> None:
    live, test = create(world.rt, definition()), create(world.rt, definition("test", test=True))

    for made in (live, test):
        load(world.rt, made.id, rows_of("+15550101"))

    assert [list(verdicts(world, made).values()) for made in (live, test)] == [["phone_invalid"], [None]]
