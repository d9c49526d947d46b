"""KSUIDs: they decode to their id and time, and sort by time."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.rules.identity import ids, ksuids

#: 2^32 seconds behind the first one
LAST = datetime.fromtimestamp(ksuids.EPOCH + (1 << 32) - 1, UTC)

MOMENTS = st.integers(ksuids.EPOCH, ksuids.EPOCH + (1 << 32) - 1).map(
    lambda second: datetime.fromtimestamp(second, UTC)
)


@given(id_=st.uuids(), at=MOMENTS)
def test_a_ksuid_decodes_to_its_id_and_time(id_: UUID, at: datetime) -> None:
    word = ksuids.spell("aps_", id_, at)

    assert ksuids.read("aps_", word) == id_
    assert ksuids.moment(word.removeprefix("aps_")) == at
    assert len(word) == 4 + 27


@pytest.mark.parametrize(
    ("word", "at"),
    [
        ("2rLDt24N3TpQklpvfI6qN9rwHa0", datetime(2025, 1, 8, 9, 47, 52, tzinfo=UTC)),
        ("2rLDt3fdNu76JJPgsXWqn3OKxhU", datetime(2025, 1, 8, 9, 47, 52, tzinfo=UTC)),
        ("2rLDt0d3ulmMWi9wNtFdveMv5fR", datetime(2025, 1, 8, 9, 47, 52, tzinfo=UTC)),
        ("2rLKYdhLyWHcWWfmVEQrskgn0vi", datetime(2025, 1, 8, 10, 42, 43, tzinfo=UTC)),
        ("2alB8n4k3BuCjOumRddxXiaA97M", datetime(2024, 1, 10, 10, 38, 48, tzinfo=UTC)),
    ],
)
def test_the_vendor_s_ids_decode_to_the_time_they_were_created(word: str, at: datetime) -> None:
    assert ksuids.moment(word) == at
    id_ = ksuids.read("", word)
    assert id_ is not None
    assert ksuids.spell("", id_, at) == word


def test_a_ksuid_of_a_uuidv7_has_the_time_of_the_uuid() -> None:
    at = datetime(2026, 11, 21, 10, 0, 0, 987_000, UTC)

    word = ksuids.spell("tid_", ids.new_ids(at, 1 << 70))

    assert ksuids.moment(word.removeprefix("tid_")) == at.replace(microsecond=0)


def test_consecutive_ids_give_ksuids_in_the_same_order() -> None:
    # over the edge where the digits that are spelled once change
    first = ids.new_ids(datetime(2026, 11, 21, tzinfo=UTC), 62**4 - 5)
    row = [ids.after(first, place) for place in range(10_000)]

    words = [ksuids.spell("tid_", each) for each in row]

    assert words == sorted(set(words))
    assert [ksuids.read("tid_", word) for word in words] == row


def test_a_ksuid_with_a_later_time_sorts_later() -> None:
    at = datetime(2026, 11, 21, tzinfo=UTC)

    early, late = (
        ksuids.spell("", UUID(int=(1 << 128) - 1), at),
        ksuids.spell("", UUID(int=0), at + timedelta(seconds=1)),
    )

    assert early < late


@pytest.mark.parametrize(
    "word",
    [
        "",
        "aps_",
        "2rLDt24N3TpQklpvfI6qN9rwHa0",
        "tid_2rLDt24N3TpQklpvfI6qN9rwHa0",
        "aps_2rLDt24N3TpQklpvfI6qN9rwHa",
        "aps_2rLDt24N3TpQklpvfI6qN9rwHa00",
        "aps_2rLDt24N3TpQklpvfI6qN9rwH-0",
        "aps_2rLDt24N3TpQklpvfI6qN9rwH\x000",
        "aps_zzzzzzzzzzzzzzzzzzzzzzzzzzz",
        "aps_aWgEPTl1tmebfsQzFP4bxwgy80W",
    ],
)
def test_an_invalid_ksuid_is_read_as_none(word: str) -> None:
    assert ksuids.read("aps_", word) is None


def test_the_largest_ksuid_is_valid() -> None:
    assert ksuids.spell("", UUID(int=(1 << 128) - 1), LAST) == "aWgEPTl1tmebfsQzFP4bxwgy80V"
    assert ksuids.moment("aWgEPTl1tmebfsQzFP4bxwgy80V") == LAST
    assert ksuids.moment("nonsense") is None
