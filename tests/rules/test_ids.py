"""UUIDv7 ids: contiguous ranges, and the days they belong to."""

from datetime import UTC, date, datetime, timedelta
from uuid import RFC_4122, UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.rules.identity import ids

NOON = datetime(2027, 3, 1, 12, 0, 0, 123_000, tzinfo=UTC)
moments = st.datetimes(
    datetime(1970, 1, 1),  # noqa: DTZ001 - hypothesis gives it the zone
    datetime(2999, 12, 31),  # noqa: DTZ001
    timezones=st.just(UTC),
)
entropies = st.integers(0, (1 << ids.ENTROPY_BITS) - 1)


@given(moments, entropies)
def test_an_id_is_a_uuid_of_version_7(moment: datetime, entropy: int) -> None:
    id_ = ids.new_ids(moment, entropy)

    assert (id_.version, id_.variant) == (7, RFC_4122)


@given(moments, entropies)
def test_an_id_contains_its_time_to_the_millisecond(moment: datetime, entropy: int) -> None:
    reported = ids.moment(ids.new_ids(moment, entropy))

    assert abs(reported - moment) <= timedelta(milliseconds=1)


@given(entropies, st.integers(0, 10_000_000))
def test_consecutive_ids_are_uuids_of_version_7_with_the_same_time(entropy: int, places: int) -> None:
    first = ids.new_ids(NOON, entropy)

    later = ids.after(first, places)

    assert (later.version, later.variant) == (7, RFC_4122)
    assert later.int - first.int == places
    assert ids.moment(later) == NOON


def test_ten_thousand_ids_follow_even_the_highest_first_id() -> None:
    highest = ids.new_ids(NOON, (1 << ids.ENTROPY_BITS) - 1)

    after = ids.after(highest, 10_000)

    assert (after.version, after.variant) == (7, RFC_4122)
    assert ids.moment(after) == NOON


@given(entropies, entropies)
def test_ids_are_equal_only_if_all_of_their_entropy_is_equal(one: int, other: int) -> None:
    assert (ids.new_ids(NOON, one) == ids.new_ids(NOON, other)) == (one == other)


@given(moments, moments, entropies, entropies)
def test_ids_sort_by_their_millisecond(one: datetime, other: datetime, noise: int, more: int) -> None:
    earlier, later = sorted((one, other))
    if int(later.timestamp() * 1000) == int(earlier.timestamp() * 1000):
        later += timedelta(milliseconds=2)

    assert ids.new_ids(earlier, noise) < ids.new_ids(later, more)


def test_an_id_belongs_to_the_utc_day_of_its_time_in_any_time_zone() -> None:
    in_lagos = datetime.fromisoformat("2027-03-02T00:30:00+01:00")

    low, high = ids.day_bounds(date(2027, 3, 1))

    assert low <= ids.new_ids(in_lagos, 0) < high


@pytest.mark.parametrize(
    ("moment", "within"),
    [
        pytest.param("2027-02-28T23:59:59.999+00:00", False, id="the last millisecond before"),
        pytest.param("2027-03-01T00:00:00.000+00:00", True, id="midnight"),
        pytest.param("2027-03-01T23:59:59.999+00:00", True, id="the day's last millisecond"),
        pytest.param("2027-03-02T00:00:00.000+00:00", False, id="the next midnight"),
    ],
)
@pytest.mark.parametrize("entropy", [0, (1 << ids.ENTROPY_BITS) - 1], ids=["lowest", "highest"])
def test_the_bounds_of_a_day_contain_exactly_the_ids_of_its_milliseconds(
    moment: str, within: bool, entropy: int
) -> None:
    low, high = ids.day_bounds(date(2027, 3, 1))

    id_ = ids.new_ids(datetime.fromisoformat(moment), entropy)

    assert (low <= id_ < high) is within


@given(st.dates(date(1970, 1, 1), date(2999, 12, 30)))
def test_the_upper_bound_of_a_day_is_the_lower_bound_of_the_next(day: date) -> None:
    _, high = ids.day_bounds(day)
    low, _ = ids.day_bounds(day + timedelta(days=1))

    assert low == high
    assert isinstance(low, UUID)


def test_the_lowest_id_of_a_time_is_below_all_ids_made_at_that_time() -> None:
    at = datetime(2026, 11, 21, 10, tzinfo=UTC)

    assert ids.lowest(at) < ids.new_ids(at, 0) < ids.lowest(at + timedelta(milliseconds=1))
    assert ids.lowest(datetime(1, 1, 1, tzinfo=UTC)) == UUID(int=0)
