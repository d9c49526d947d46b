"""The daily partitions: a message is in the partition of the day of its id, and there is one for every message."""

from contextlib import closing
from datetime import UTC, date, datetime, timedelta

import pytest

from pipeline.rules.identity import ids
from pipeline.runtime import Runtime
from pipeline.settings import Settings
from pipeline.stages.hourly_maintenance import AHEAD, drop_campaign_rows, maintain
from pipeline.store import partitions
from tests.world import World

MESSAGE = """
INSERT INTO messages (id, request_id, batch_id, account_id, phone, country, sender, body)
VALUES (%(id)s, %(id)s, %(id)s, 1, '+1', '', 'ACME', 'x') RETURNING tableoid::regclass::text
"""
ATTEMPT = """
INSERT INTO provider_attempts (message_id, n, carrier, batch_id, fence, outcome, marked_at)
VALUES (%(id)s, 1, 'alpha', %(id)s, 1, 'accepted', now()) RETURNING tableoid::regclass::text
"""
CAMPAIGN = """
WITH made AS (
    INSERT INTO campaigns (id, account_id, name, state, ended_at, sender, class, body, created_by)
    VALUES (%(id)s, 1, %(id)s, %(state)s, %(ended_at)s, 'ACME', 'bulk', 'x', 'os_user:ada') RETURNING id
), counted AS (
    INSERT INTO campaign_progress (campaign_id, rows, sent) SELECT id, 1, 1 FROM made
) INSERT INTO campaign_rows (campaign_id, line, phone) SELECT id, 2, '+2348012345678' FROM made
"""


def partitions_of(world: World, table: str) -> list[str]:
    query = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = %(table)s::regclass ORDER BY 1"
    found: list[str] = world.rows(query, table=table)
    return found


def noon(away: int) -> datetime:
    return datetime.now(UTC).replace(hour=12) + timedelta(days=away)


@pytest.mark.parametrize(("table", "insert"), [("messages", MESSAGE), ("provider_attempts", ATTEMPT)])
def test_there_is_a_partition_for_each_day_from_yesterday_to_a_week_ahead(
    world: World, table: str, insert: str
) -> None:
    placed = [world.rows(insert, id=ids.new_ids(noon(away), 1)) for away in range(-1, AHEAD + 1)]

    assert placed == [[f"{table}_{noon(away):%Y%m%d}"] for away in range(-1, AHEAD + 1)]


@pytest.mark.parametrize(
    ("moment", "day"),
    [
        pytest.param("00:00:00.000", 0, id="its first millisecond"),
        pytest.param("23:59:59.999", 0, id="its last millisecond"),
        pytest.param("24:00:00.000", 1, id="the next midnight"),
    ],
)
@pytest.mark.parametrize("entropy", [0, (1 << ids.ENTROPY_BITS) - 1], ids=["lowest", "highest"])
def test_partitions_are_divided_at_midnight_utc(world: World, moment: str, day: int, entropy: int) -> None:
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    hours, minutes, seconds = moment.split(":")
    at = today + timedelta(hours=int(hours), minutes=int(minutes), seconds=float(seconds))

    [partition] = world.rows(MESSAGE, id=ids.new_ids(at, entropy))

    assert partition == f"messages_{today + timedelta(days=day):%Y%m%d}"


def test_no_sent_message_is_in_the_default_partition(world: World) -> None:
    world.send("+2348012345678", "+447911123456")

    assert world.rows("SELECT count(*) FROM messages") == [2]
    assert world.rows("SELECT count(*) FROM messages_beyond") == [0]
    assert world.rows("SELECT count(*) FROM provider_attempts_beyond") == [0]


def test_a_message_of_a_day_without_a_partition_goes_to_the_default_partition(world: World) -> None:
    id_ = ids.new_ids(noon(100), 1)

    placed = world.rows(MESSAGE, id=id_)

    assert placed == ["messages_beyond"]
    assert world.rows("SELECT count(*) FROM messages WHERE id = %(id)s", id=id_) == [1]


def test_partitions_are_created_once(world: World) -> None:
    wanted = [date(2031, 3, 1), date(2031, 3, 2)]

    with world.rt.begin() as conn:
        made = partitions.prepare(conn, wanted)
    with world.rt.begin() as conn:
        again = partitions.prepare(conn, [*wanted, date(2031, 3, 3)])

    daily = [f"{table}_{day}" for day in (20310301, 20310302) for table in partitions._DAILY]
    assert made == [*daily, "message_numbers_203103", "message_correlations_203103"]
    assert again == [f"{table}_20310303" for table in partitions._DAILY]


def test_maintenance_creates_only_missing_partitions(world: World) -> None:
    whole = partitions_of(world, "messages")
    world.run(f"DROP TABLE messages_{noon(AHEAD):%Y%m%d}")

    made, again = maintain(world.rt), maintain(world.rt)

    assert made == [f"messages_{noon(AHEAD):%Y%m%d}"]
    assert again == []
    assert partitions_of(world, "messages") == whole


@pytest.mark.parametrize("table", ["messages", "provider_attempts"])
def test_every_partition_has_a_fillfactor_that_leaves_room_for_updates(world: World, table: str) -> None:
    query = "SELECT reloptions::text FROM pg_class WHERE relname LIKE %(days)s AND relkind = 'r'"

    options = world.rows(query, days=f"{table}_2%")

    assert len(options) == 1 + 1 + AHEAD
    assert all("fillfactor" in each for each in options)


def test_rows_in_the_default_partition_move_to_the_partition_of_their_day_when_it_is_created(world: World) -> None:
    id_ = ids.new_ids(datetime(2031, 3, 1, 12, tzinfo=UTC), 1)
    world.rows(MESSAGE, id=id_)

    with world.rt.begin() as conn:
        partitions.prepare(conn, [date(2031, 3, 1)])

    found = world.rows("SELECT tableoid::regclass::text FROM messages WHERE id = %(id)s", id=id_)
    assert found == ["messages_20310301"]


def test_recipients_of_campaigns_are_dropped_with_their_day_once_all_its_campaigns_ended_long_ago(
    world: World, settings: Settings
) -> None:
    old, busy = noon(-200), noon(-150)
    with world.rt.begin() as conn:
        partitions.prepare(conn, [old.date(), busy.date()])
    campaigns = [ids.new_ids(at, place) for at in (old, busy) for place in (1, 2)]
    for id_, state in zip(campaigns, ("finished", "aborted", "finished", "paused"), strict=True):
        world.run(CAMPAIGN, id=id_, state=state, ended_at=None if state == "paused" else noon(-100))
    before = partitions_of(world, "campaign_rows")

    with world.rt.begin() as conn:  # a transaction that uses the table
        conn.exec_driver_sql("SELECT FROM campaign_rows")
        with closing(Runtime(settings)) as rt:
            assert drop_campaign_rows(rt) == []
    assert drop_campaign_rows(world.rt) == [f"campaign_rows_{old:%Y%m%d}"]

    assert set(before) - set(partitions_of(world, "campaign_rows")) == {f"campaign_rows_{old:%Y%m%d}"}
    assert world.rows("SELECT count(*), sum(sent) FROM campaign_progress") == [(4, 4)]
