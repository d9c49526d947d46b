"""Parsing of Webex Interact's pages and searches."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.dialects.webex import datetimes, searches
from pipeline.dialects.webex.searches import ScheduledQuery
from pipeline.rules.identity import ids, ksuids
from schema.api_views import ShownSchedule
from schema.vocabulary import Status

AT = datetime(2025, 12, 3, 12, tzinfo=UTC)
ID = ids.new_ids(AT, 7)
RANGE = {"created_at_start": "2025-12-03T12:00:00Z", "created_at_end": "2025-12-05T12:00:00Z"}


def search(asked: Any) -> ScheduledQuery:
    found = searches.search(json.dumps(asked).encode())
    assert isinstance(found, ScheduledQuery), found
    return found


def faults(asked: Any) -> list[tuple[str, str]]:
    found = searches.search(asked if isinstance(asked, bytes) else json.dumps(asked).encode())
    assert isinstance(found, list)
    return [(each.field, each.message) for each in found]


def requests(*statuses: Status) -> list[ShownSchedule]:
    return [
        ShownSchedule(
            UUID(int=place), status, "ACME", "Hello", AT - timedelta(hours=place), AT + timedelta(hours=place)
        )
        for place, status in enumerate(statuses)
    ]


@pytest.mark.parametrize("form", [lambda part: {"filter": part}, lambda part: part])
def test_a_search_is_by_id_or_dates_with_or_without_a_filter_object(form: Any) -> None:
    by_id = search(form({"id": ksuids.spell("aps_", ID)}))
    by_dates = search(
        form(RANGE | {"scheduled_at_start": "2025-12-04T00:00:00", "scheduled_at_end": "2025-12-05T00:00:00"})
    )

    assert (by_id.id, by_id.created, by_id.scheduled) == (ID, None, None)
    assert by_dates.created == (AT, AT + timedelta(days=2))
    assert by_dates.scheduled == (datetime(2025, 12, 4, tzinfo=UTC), datetime(2025, 12, 5, tzinfo=UTC))
    assert (by_dates.number, by_dates.size, by_dates.sort_by, by_dates.descending) == (1, 25, "created_at", True)


def test_page_and_sort_order_are_parsed() -> None:
    found = search(
        {
            "filter": RANGE,
            "page": {"page_number": "3", "page_size": 100},
            "sort": {"sort_by": "status", "sort_order": "ASC"},
        }
    )

    assert (found.number, found.size, found.sort_by, found.descending) == (3, 100, "status", False)


@pytest.mark.parametrize(
    ("asked", "field", "words"),
    [
        ({}, "id", "either id or a date range is required"),
        ({"filter": {"status": ["SENT"]}}, "id", "either id or a date range is required"),
        ({"created_at_start": "2025-12-03T12:00:00Z"}, "created_at_end", "both ends of a date range are required"),
        ({"scheduled_at_end": "2025-12-03T12:00:00Z"}, "scheduled_at_start", "both ends of a date range are required"),
        (RANGE | {"created_at_end": "soon"}, "created_at_end", datetimes.FORM),
        (RANGE | {"created_at_end": 7}, "created_at_end", datetimes.FORM),
        (RANGE | {"status": ["LOST"]}, "status", "must be an array of SCHEDULED, IN_PROGRESS, SENT, ERROR, DELETED"),
        (RANGE | {"status": "SENT"}, "status", "must be an array of SCHEDULED, IN_PROGRESS, SENT, ERROR, DELETED"),
        (RANGE | {"request_types": [{}]}, "request_types", "must be an array of CAMPAIGN, API"),
        (RANGE | {"sort_by": "color"}, "sort_by", "must be one of created_at, updated_at, scheduled_at, name, status"),
        (RANGE | {"sort_order": "UP"}, "sort_order", "must be one of ASC, DESC"),
        (RANGE | {"page_number": 0}, "page_number", "must be a whole number from 1 to 1000000"),
        (RANGE | {"page_size": 101}, "page_size", "must be a whole number from 1 to 100"),
        (RANGE | {"page_size": True}, "page_size", "must be a whole number from 1 to 100"),
        ({"filter": 5, "id": "aps_x"}, "filter", "must be an object"),
        (RANGE | {"name": 5}, "name", "must be a string"),
        (RANGE | {"id": 5}, "id", "must be a string"),
        (b"{", "body", "invalid JSON"),
        (b"[]", "body", "must be an object"),
        (b"[" * 100_000, "body", "invalid JSON"),
    ],
)
def test_an_invalid_field_is_reported_with_its_name(asked: Any, field: str, words: str) -> None:
    assert faults(asked) == [(field, words)]


@pytest.mark.parametrize(
    ("asked", "earliest", "latest"),
    [
        (RANGE, AT - timedelta(days=1), AT + timedelta(days=3)),
        ({"id": ksuids.spell("aps_", ID)}, AT - timedelta(days=1), AT + timedelta(days=1)),
        (
            {"scheduled_at_start": "2025-12-10T12:00:00Z", "scheduled_at_end": "2025-12-11T12:00:00Z"},
            AT - timedelta(days=1),
            AT + timedelta(days=9),
        ),
        (
            {"created_at_start": "0001-01-01T00:00:00Z", "created_at_end": "9999-12-31T23:59:59Z"},
            datetime(2019, 12, 31, tzinfo=UTC),
            datetime(2200, 1, 2, tzinfo=UTC),
        ),
        ({"id": "cmp_36bzz7d3BObohgoE2t4maNdo7BE"}, datetimes.NEVER, datetimes.NEVER),
    ],
)
def test_a_search_limits_the_creation_time_of_the_requests(asked: Any, earliest: datetime, latest: datetime) -> None:
    assert search(asked).made == (earliest, latest)


def test_a_campaign_id_is_searched_as_an_id_that_matches_no_request() -> None:
    assert search({"id": "cmp_36bzz7d3BObohgoE2t4maNdo7BE"}).id == UUID(int=0)


def test_a_search_filters_by_status_and_sorts() -> None:
    found = requests(Status.SENT, Status.SCHEDULED, Status.CANCELLED, Status.QUEUED, Status.FAILED)

    def picked(**asked: Any) -> list[int]:
        return [each.id.int for each in search(RANGE | asked).pick(found)]

    assert picked() == [4, 3, 2, 1, 0]
    assert picked(sort_order="ASC") == [0, 1, 2, 3, 4]
    assert picked(sort_by="scheduled_at") == [0, 1, 2, 3, 4]
    assert picked(sort_by="status", sort_order="ASC") == [2, 4, 3, 1, 0]
    assert picked(status=["SENT", "ERROR"]) == [4, 0]


@pytest.mark.parametrize(
    ("asked", "is_ours"),
    [
        ({}, True),
        ({"request_types": ["API", "CAMPAIGN"]}, True),
        ({"request_types": ["CAMPAIGN"]}, False),
        ({"name": "Sale"}, False),
    ],
)
def test_a_search_for_campaigns_or_names_matches_no_request(asked: Any, is_ours: bool) -> None:
    assert bool(search(RANGE | asked).pick(requests(Status.SENT))) is is_ours


@pytest.mark.parametrize(
    ("query", "page"),
    [("", (1, 25)), ("page_number=2&page_size=100", (2, 100)), ("page_number=&page_size=5", None),
     ("page_size=0", None), ("page_size=101", None), ("page_size=ten", None), ("page_size=%ff", None)],
)  # fmt: skip
def test_a_page_size_is_from_one_to_a_hundred(query: str, page: tuple[int, int] | None) -> None:
    found = searches.page(query)

    assert found == page if page else isinstance(found, list)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["SENT", "API"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)
NAMES = ["id", "name", "status", "request_types", "created_at_start", "created_at_end", "sort_by", "sort_order",
         "page_number", "page_size", "filter", "page"]  # fmt: skip


@given(st.dictionaries(st.sampled_from(NAMES), JSON))
def test_any_json_is_parsed_or_refused(asked: dict[str, Any]) -> None:
    assert searches.search(json.dumps(asked).encode())
