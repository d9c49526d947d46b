"""The index of messages by number and correlation id: all are found, however late they commit, and by one tick only."""

from contextlib import closing
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr
from sqlalchemy import event

from pipeline.errors import ConfigurationError
from pipeline.rules.identity import ids
from pipeline.runtime import Runtime
from pipeline.settings import Settings
from pipeline.stages import index_messages as stage
from pipeline.stages.admin.accounts import create_account
from pipeline.stages.admin.find_messages import FoundMessages, find_messages
from pipeline.stages.admin.secret_rotation import replace_search_key
from pipeline.stages.admit import admit
from pipeline.stages.hourly_maintenance import drop_message_index
from pipeline.stages.index_messages import index_history, index_messages
from pipeline.stages.ingest import ingest
from pipeline.store import advisory_locks, partitions
from tests.world import World, message_ids
from workers.wiring import index_new

ADA, BEN = "+2348012345678", "+2348087654321"
SECRET = SecretStr("a secret of these tests, long enough")


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"secret_key": SECRET})


def found(rt: Runtime, **sought: Any) -> FoundMessages:
    return find_messages(rt, **{"limit": 10, **sought})


def ids_of(rt: Runtime, **sought: Any) -> list[UUID]:
    return [row["id"] for row in found(rt, **sought).messages]


def test_messages_are_found_by_number_and_correlation_id_within_accounts(world: World) -> None:
    create_account(world.rt, "bolt", "NGN")
    world.run("INSERT INTO sender_ids (account_id, sender) SELECT id, 'ACME' FROM accounts WHERE name = 'bolt'")
    recipients = [{"to": ADA, "correlation_id": "a-1"}, {"to": BEN, "correlation_id": "a-1"}, {"to": "12"}]
    first = message_ids(world.send(recipients=recipients))
    [other] = message_ids(world.send(BEN, account="bolt"))
    before = found(world.rt, to=ADA)

    index_new(world.rt)
    index_new(world.rt)

    assert (before.messages, before.complete_until) == ([], None)
    assert ids_of(world.rt, to="0808 765 4321", country="NG") == [other, first[1]]
    assert ids_of(world.rt, to=BEN, account="bolt") == [other]
    assert ids_of(world.rt, correlation_id="a-1") == [first[1], first[0]]
    assert ids_of(world.rt, correlation_id="a-1", to=ADA) == [first[0]]
    assert ids_of(world.rt, to=BEN, since=world.rt.now()) == ids_of(world.rt, correlation_id="a-2") == []
    limited = found(world.rt, to=BEN, limit=1)
    assert ([row["id"] for row in limited.messages], limited.is_more) == ([other], True)
    [row] = found(world.rt, to=BEN, account="acme").messages
    assert (row["at"], row["status"], row["carrier"]) == (ids.moment(first[1]), "sent", "alpha")
    # another number of the same hash is not shown
    world.run("UPDATE messages SET phone = '+2348011111111' WHERE id = %(id)s", id=other)
    assert ids_of(world.rt, to=BEN) == [first[1]]
    assert world.rows("SELECT count(*) FROM unindexed_requests") == [0]
    assert world.rows("SELECT count(*) FROM message_numbers_beyond") == [0]


def test_a_message_that_is_committed_after_later_ones_were_indexed_is_found(world: World, settings: Settings) -> None:
    index_new(world.rt)
    early, later = (admit(world.rt, [(world.rt.new_ids(), world.order(ADA))]) for _ in range(2))
    shown: list[UUID] = []
    with closing(Runtime(settings)) as other:

        def go_first(_conn: object) -> None:
            ingest(other, later)
            index_new(other)
            shown.extend(ids_of(other, to=ADA))

        event.listen(world.rt.engine, "commit", go_first)
        ingest(world.rt, early)
        event.remove(world.rt.engine, "commit", go_first)
    missing = ids_of(world.rt, to=ADA)

    index_new(world.rt)

    assert early[0].first < later[0].first
    assert shown == missing == [later[0].first]
    assert ids_of(world.rt, to=ADA) == [later[0].first, early[0].first]
    assert world.rows("SELECT count(*), count(DISTINCT message_id) FROM message_numbers") == [(2, 2)]


def test_a_tick_takes_a_portion_and_is_complete_only_when_nothing_is_left(
    world: World, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage, "PORTION", 2)
    index_new(world.rt)
    sent = [id_ for _ in range(3) for id_ in message_ids(world.send(ADA, ADA))][::-1]
    [before] = world.rows("SELECT complete_until FROM search_keys")
    with closing(Runtime(settings)) as other, other.begin() as conn:
        assert advisory_locks.is_mine(conn, "index_messages")
        assert index_messages(world.rt) is False
    assert world.rows("SELECT count(*) FROM unindexed_requests") == [3]

    more = [(index_messages(world.rt), found(world.rt, to=ADA).complete_until == before) for _ in range(4)]

    assert more == [(True, True), (True, True), (True, True), (False, False)]
    assert ids_of(world.rt, to=ADA) == sent


def test_messages_of_before_there_was_a_secret_key_are_indexed_once_there_is_one(
    world: World, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage, "PORTION", 2)
    keyless = settings.model_copy(update={"secret_key": SecretStr("")})
    sent = message_ids(world.send(ADA, ADA, ADA))
    old = ids.new_ids(datetime(2025, 3, 31, 23, tzinfo=UTC), 7)
    world.run(
        "INSERT INTO messages (id, request_id, batch_id, account_id, phone, country, sender, body)"
        " SELECT %(old)s, request_id, batch_id, account_id, phone, country, sender, body FROM messages LIMIT 1",
        old=old,
    )
    with closing(Runtime(keyless)) as rt:
        index_new(rt)
        with pytest.raises(ConfigurationError, match="POSTROAD_SECRET_KEY"):
            found(rt, to=ADA)
    assert world.rows("SELECT count(*) FROM unindexed_requests") == [0]

    again = message_ids(world.send(ADA))
    index_new(world.rt)
    halfway = found(world.rt, to=ADA)
    for _ in range(2):
        index_history(world.rt)

    assert [row["id"] for row in halfway.messages] == [again[0], sent[2]]
    assert halfway.complete_from == ids.moment(sent[2])
    done = found(world.rt, to=ADA)
    assert [row["id"] for row in done.messages] == [*again, *reversed(sent), old]
    assert done.complete_from is None
    assert world.rows("SELECT count(*) FROM message_numbers_202503") == [1]
    with closing(Runtime(keyless)) as rt, pytest.raises(ConfigurationError):
        index_messages(rt)


def test_a_new_search_key_indexes_all_messages_anew(world: World, settings: Settings) -> None:
    sent = message_ids(world.send(ADA, ADA))[::-1]
    index_new(world.rt)
    [(before, hashed)] = world.rows("SELECT id, (SELECT min(hash) FROM message_numbers) FROM search_keys")
    lost = settings.model_copy(update={"secret_key": SecretStr("another secret of these tests, as long")})
    with closing(Runtime(lost)) as rt, pytest.raises(ConfigurationError, match="POSTROAD_SECRET_KEY_OLD"):
        index_messages(rt)

    replace_search_key(world.rt)
    between = found(world.rt, to=ADA)
    index_new(world.rt)

    assert (between.messages, between.complete_until) == ([], None)
    assert ids_of(world.rt, to=ADA) == sent
    [(after, anew)] = world.rows("SELECT id, (SELECT min(hash) FROM message_numbers) FROM search_keys")
    assert after > before
    assert anew != hashed
    assert world.rows("SELECT subject_table FROM audit_log ORDER BY id DESC LIMIT 1") == ["search_keys"]


def test_the_index_of_a_month_is_dropped_when_all_its_messages_are(world: World) -> None:
    with world.rt.begin() as conn:
        partitions.prepare(conn, [date(2025, 3, 1), date(2025, 3, 2), date(2025, 4, 1)])
    world.run("DROP TABLE messages_20250301, messages_20250401")

    first = drop_message_index(world.rt)
    world.run("DROP TABLE messages_20250302")

    assert first == ["message_correlations_202504", "message_numbers_202504"]
    assert drop_message_index(world.rt) == ["message_correlations_202503", "message_numbers_202503"]
    assert drop_message_index(world.rt) == []
    assert world.rows("SELECT to_regclass(%(n)s) IS NOT NULL", n=f"message_numbers_{world.rt.now():%Y%m}") == [True]
